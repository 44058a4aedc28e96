/**
 * Lists that are kept once for all the bodies that belong to them.
 *
 * Goal: every shape has exactly the seqs that it would have with a posting of its own for each,
 * buffered, in a run, merged, and when shapes of a list are gone; and what is counted for each
 * segment is what is there. Method: against maps of arrays, with lists of few shapes that come
 * again and again.
 */

import assert from "node:assert/strict";
import Database from "better-sqlite3";
import fc from "fast-check";
import { test } from "vitest";
import { createSchema } from "../../src/storage/database.ts";
import { hashed } from "../../src/storage/key-lists.ts";
import { ListHalf } from "../../src/storage/list-half.ts";
import { decodeBlock } from "../../src/storage/run-block.ts";
import { mergeAllRuns, mergeRuns } from "../../src/storage/run-merge.ts";
import { Runs } from "../../src/storage/runs.ts";
import { writeRun } from "../../src/storage/run-writer.ts";
import { SeqRanges } from "../../src/storage/seq-ranges.ts";
import { SharedLists } from "../../src/storage/shared-lists.ts";
import type { FrozenPostings } from "../../src/storage/storage.ts";
import { check } from "../support/property.ts";

const KEYS = 9;
const list = fc.oneof(
  fc.uniqueArray(fc.integer({ min: 1, max: KEYS }), { minLength: 1, maxLength: KEYS }),
  fc.constantFrom<number[][]>([1, 2], [2, 3, 1], [4, 5, 6]),
);

type Operation =
  | { type: "post"; keys: number[]; gap: number }
  | { type: "forget"; key: number }
  | { type: "freeze" }
  | { type: "retire" }
  | { type: "settle"; limit: number };

const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("post" as const),
        keys: list,
        gap: fc.integer({ min: 1, max: 9 }),
      }),
    },
    fc.record({ type: fc.constant("forget" as const), key: fc.integer({ min: 1, max: KEYS }) }),
    fc.constant({ type: "freeze" as const }),
    fc.constant({ type: "retire" as const }),
    fc.record({ type: fc.constant("settle" as const), limit: fc.nat(4) }),
  ),
  { maxLength: 60, size: "max" },
);

test("shared lists answer as an array per shape would", () => {
  check(
    fc.property(operations, fc.integer({ min: 1, max: 4 }), (operations, listsPerShape) => {
      const told = new Map<number, number>();
      const gone = new Set<number>();
      const setLastSeq = (slot: number, seq: number): void => {
        assert.ok(!gone.has(100 - slot), "the slot of a shape that is gone is another one's");
        told.set(slot, Math.max(seq, told.get(slot) ?? 0));
      };
      const lists = new SharedLists({ setLastSeq }, { sharedListSize: 1, listsPerShape });
      let active = new Map<number, number[]>();
      let frozen: Map<number, number[]> | undefined;
      const retired = new Map<number, number>();
      let seq = 2;
      for (const operation of operations) {
        if (operation.type === "post") {
          seq += operation.gap;
          const keys = operation.keys.filter((key) => !gone.has(key));
          if (keys.length === 0) continue;
          const slots = Uint32Array.from(keys, (key) => 100 - key);
          const asked = hashed(Float64Array.from(keys));
          const number = lists.find(asked) ?? lists.add(asked, slots);
          lists.post(number, seq);
          const alone = new Set(lists.aloneOf(number));
          keys.forEach((key, index) => {
            if (alone.has(index)) return;
            active.set(key, [...(active.get(key) ?? []), seq]);
          });
        } else if (operation.type === "forget") {
          gone.add(operation.key);
          lists.forget(operation.key);
        } else if (operation.type === "freeze" && frozen === undefined) {
          assertFrozen(lists.freeze(), active, gone, listsPerShape);
          assert.equal(lists.count, 0);
          frozen = active;
          active = new Map<number, number[]>();
        } else if (operation.type === "retire" && frozen !== undefined) {
          lists.retire();
          for (const [key, seqs] of frozen) retired.set(key, seqs.at(-1)!);
          frozen = undefined;
        } else if (operation.type === "settle") {
          lists.settle(operation.limit);
        }
        for (let key = 1; key <= KEYS; key++) {
          if (gone.has(key)) {
            assert.deepEqual([lists.seqsAfter(key, 0), lists.lastSeq(key)], [[], 0]);
            continue;
          }
          const seqs = [...(frozen?.get(key) ?? []), ...(active.get(key) ?? [])];
          assert.deepEqual(lists.seqsAfter(key, 0), seqs);
          const middle = seqs[seqs.length >> 1] ?? 5;
          assert.deepEqual(
            lists.seqsAfter(key, middle),
            seqs.filter((seq) => seq > middle),
          );
          const last = Math.max(lists.lastSeq(key), told.get(100 - key) ?? 0);
          assert.equal(last, seqs.at(-1) ?? retired.get(key) ?? 0);
        }
      }
      lists.settle(Infinity);
      for (const [key, last] of retired) {
        if (!gone.has(key)) assert.equal(told.get(100 - key), last);
      }
    }),
    300,
  );
});

/** What a checkpoint is handed: for each shape the seqs of its lists, and nothing of the gone. */
function assertFrozen(
  { members, shared }: ReturnType<ListHalf["freeze"]>,
  expected: ReadonlyMap<number, readonly number[]>,
  gone: ReadonlySet<number>,
  listsPerShape: number,
): void {
  for (const key of members.keys.subarray(0, members.count)) {
    const count = members.keys.subarray(0, members.count).filter((other) => other === key).length;
    assert.ok(count <= listsPerShape, `a shape is in ${count} lists`);
  }
  const found = new Map<number, number[]>();
  for (let member = 0; member < members.count; member++) {
    const key = members.keys[member]!;
    const name = members.base + members.seqs[member]!;
    assert.ok(!gone.has(key), "a shape that is gone is not named");
    const seqs = [...shared.seqs.subarray(0, shared.count)].filter(
      (_, posting) => shared.keys[posting] === name,
    );
    const all = [...(found.get(key) ?? []), ...seqs.map((seq) => shared.base + seq)];
    found.set(
      key,
      all.sort((a, b) => a - b),
    );
  }
  const live = [...expected].filter(([key]) => !gone.has(key));
  assert.deepEqual(new Map([...found].sort()), new Map(live.sort()));
}

test("a list is the same only with the same shapes in the same order", () => {
  const half = new ListHalf(64);
  const many = Float64Array.from({ length: 100 }, (_, index) => 10 + index);
  const number = half.add(hashed(many), new Uint32Array(100));
  half.post(number, 7);
  assert.equal(half.find(hashed(many.slice())), number);
  for (let index = 0; index < 100; index++) {
    const other = many.with(index, 5000);
    assert.notEqual(hashed(other).hash, hashed(many).hash);
    assert.equal(half.find(hashed(other)), undefined);
    assert.equal(half.find({ keys: other, hash: hashed(many).hash }), undefined);
  }
  assert.equal(half.find(hashed(many.subarray(1))), undefined);
  half.forget(60);
  assert.equal(half.find(hashed(many)), undefined, "nothing can belong to it any more");
});

interface Body {
  readonly keys: number[];
  readonly gap: number;
  readonly isShared: boolean;
}

const bodies = fc.array(
  fc.record({
    keys: list,
    gap: fc.integer({ min: 1, max: 40 }),
    isShared: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

const LISTS_PER_SHAPE = 2;

/** Postings of one checkpoint, as the posting filer would have them. */
function frozenOf(part: readonly Body[], firstSeq: number, model: Map<number, number[]>) {
  const half = new ListHalf(LISTS_PER_SHAPE);
  const own: [key: number, seq: number][] = [];
  let seq = firstSeq;
  for (const { keys, gap, isShared } of part) {
    seq += gap;
    for (const key of keys) model.set(key, [...(model.get(key) ?? []), seq]);
    if (!isShared) {
      for (const key of keys) own.push([key, seq]);
      continue;
    }
    const columns = hashed(Float64Array.from(keys));
    const number = half.find(columns) ?? half.add(columns, new Uint32Array(keys.length));
    half.post(number, seq);
    for (const index of half.aloneOf(number)) own.push([keys[index]!, seq]);
  }
  const postings: FrozenPostings = {
    count: own.length,
    base: firstSeq as never,
    keys: Float64Array.from(own, ([key]) => key),
    seqs: Uint32Array.from(own, ([, seq]) => seq - firstSeq),
  };
  return { own: postings, ...half.freeze(), lastSeq: seq };
}

/** All that a table of the runs holds. */
function postingsIn(
  database: Database.Database,
  table: string,
): { keys: number[]; seqs: number[] } {
  const sql = `select key, first_seq, blob from ${table} join run_info using (run)`;
  const blocks = database.prepare(sql).all() as { key: number; first_seq: number; blob: Buffer }[];
  const postings = { keys: [] as number[], seqs: [] as number[] };
  for (const { key, first_seq, blob } of blocks) {
    decodeBlock(blob, key, first_seq, (each, seq) => {
      postings.keys.push(each);
      postings.seqs.push(seq);
    });
  }
  return postings;
}

/** Runs in a database, and the map that they are compared with. */
class RunsBesideMap {
  readonly database = new Database(":memory:");
  readonly voids = new SeqRanges();
  readonly model = new Map<number, number[]>();
  /** What the checkpoint has counted for the segments. */
  counted = 0;
  seq = 1;
  readonly #salt: number;
  readonly #runs: Runs;

  constructor(salt: number) {
    this.#salt = salt;
    createSchema(this.database);
    this.#runs = new Runs(this.database, this.voids, LISTS_PER_SHAPE);
  }

  write(part: readonly Body[], removedKeys: ReadonlySet<number>): void {
    const { lastSeq, ...frozen } = frozenOf(part, this.seq, this.model);
    this.seq = lastSeq;
    const kept = (_: unknown, start: number, end: number, shapes: number): void => {
      this.counted += (end - start) * shapes;
    };
    const settings = { voids: this.voids, removedKeys, kept };
    this.database.transaction(() => writeRun(this.database, frozen, settings))();
  }

  remove(key: number): void {
    this.counted -= this.#runs.seqsAfter(key, 0, Infinity).length;
    this.model.delete(key);
    this.database.prepare("delete from shape where key = ?").run(key);
  }

  merge(isWhole: boolean): void {
    const forget = (_: number, shapes: number): unknown => (this.counted -= shapes);
    this.database.transaction(() => {
      if (isWhole) mergeAllRuns(this.database, this.voids, forget);
      else while (mergeRuns(this.database, this.voids, 2, forget));
    })();
  }

  /** How many postings of shapes there should be. */
  get total(): number {
    return [...this.model.values()].flat().filter((seq) => !this.voids.has(seq)).length;
  }

  assertSame(limit: number): void {
    for (let key = 1; key <= KEYS; key++) {
      const seqs = (this.model.get(key) ?? []).filter((seq) => !this.voids.has(seq));
      assert.deepEqual(this.#runs.seqsAfter(key, 0, Infinity), seqs);
      const middle = seqs[this.#salt % Math.max(1, seqs.length)] ?? 3;
      const some = this.#runs.seqsAfter(key, middle, limit);
      const rest = seqs.filter((seq) => seq > middle);
      assert.deepEqual(some, rest.slice(0, some.length));
      assert.ok(some.length >= Math.min(rest.length, limit), "as many as were asked for");
      const before = seqs.filter((seq) => seq < middle).at(-1) ?? 0;
      assert.equal(this.#runs.lastSeq(key, middle - 1), before);
      assert.equal(this.#runs.lastSeq(key, Infinity), seqs.at(-1) ?? 0);
    }
  }
}

test("runs with shared lists answer as a map would, and count what is there", () => {
  const parts = fc.array(bodies, { minLength: 1, maxLength: 4 });
  check(
    fc.property(parts, fc.nat(), fc.integer({ min: 1, max: 4 }), (parts, salt, limit) => {
      const runs = new RunsBesideMap(salt);
      const { database, voids, model } = runs;
      const removedAtOnce = new Set(salt % 3 === 0 ? [(salt % KEYS) + 1] : []);
      parts.forEach((part, index) => {
        // Taken back before it is written: then it leaves no trace at all.
        const { seq } = runs;
        if (index > 0) voids.add({ first: seq + 1 + (salt % 9), last: seq + (salt % 50) });
        runs.write(part, removedAtOnce);
      });
      const lists = new Set(postingsIn(database, "run_shared").keys);
      for (const name of postingsIn(database, "run_member").seqs) {
        assert.ok(lists.has(name), "a list has a posting");
      }
      for (const key of removedAtOnce) model.delete(key);
      const insertShape = database.prepare("insert into shape values (?, x'00')");
      for (const key of model.keys()) insertShape.run(key);
      runs.assertSame(limit);
      assert.equal(runs.counted, runs.total);

      // Taken back: some seqs mean nothing any more, and the merge says of how many postings.
      voids.add({ first: 5 + (salt % 60), last: 20 + (salt % 90) });
      runs.assertSame(limit);
      runs.remove((salt % KEYS) + 1);
      if (salt % 2 === 0) runs.merge(false);
      runs.merge(true);
      runs.assertSame(limit);
      assert.equal(runs.counted, runs.total);
      const named = new Set(postingsIn(database, "run_member").seqs);
      for (const name of postingsIn(database, "run_shared").keys) {
        assert.ok(named.has(name), "a list has a shape");
      }
      const postings = database.prepare("select sum(postings) from run_info").pluck().get();
      assert.equal(postings ?? 0, runs.total);
      if (runs.total === 0) {
        for (const table of ["run", "run_member", "run_shared"]) {
          assert.equal(database.prepare(`select count(*) from ${table}`).pluck().get(), 0);
        }
      }
      database.close();
    }),
    100,
  );
});

test("what is read of a long list ends before what nobody has read yet", () => {
  const runs = new RunsBesideMap(0);
  const shared = { keys: [1, 2], gap: 1, isShared: true };
  const bodies = Array.from({ length: 2000 }, () => shared);
  runs.write([...bodies, { keys: [1], gap: 1, isShared: false }], new Set());
  // The list's first block alone answers; the shape's own posting lies behind the others.
  runs.assertSame(1);
  runs.database.close();
});
