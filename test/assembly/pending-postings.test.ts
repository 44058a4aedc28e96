/**
 * The posting buffer, by its door, against arrays of postings.
 *
 * Goal: what `PostingBuffer` in `src/storage/storage.ts` promises: a shape's buffered seqs are
 * those that were filed for it and not retired; a frozen half comes out in order of filing without
 * the shapes that are gone; what is known of a last seq never goes back.
 *
 * Method: freezing and retiring come at any time, so that chains lead from half to half, and links
 * are left over; in some runs a retired half is settled an entry at a time. Shapes are retired in
 * between and their ids minted again, by limiting how many there may be. Each freeze is checked
 * against the model whole.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { LogSlot, Seq, ShapeId, StorageKey } from "../../src/model/ids.ts";
import { PostingBuffer } from "../../src/router/posting-buffer.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { builds, newCore, type Build, type TestCore } from "../support/core-doors.ts";
import { checkAsync } from "../support/property.ts";

const SLOTS = 5;
const FIRST_SEQ = 2 ** 33 - 20;

type Operation =
  | { type: "file"; groups: number[][] }
  | { type: "freeze" | "retire" }
  | { type: "replace" | "look" | "tell"; slot: number };

const slot = fc.integer({ min: 1, max: SLOTS });
const file: fc.Arbitrary<Operation> = fc.record({
  type: fc.constant("file"),
  groups: fc.array(fc.uniqueArray(slot, { maxLength: SLOTS }), { minLength: 1, maxLength: 5 }),
});
const operations = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: file },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("freeze" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("retire" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("replace" as const), slot }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("look" as const), slot }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("tell" as const), slot }) },
  ),
  { maxLength: 100, size: "max" },
);

interface Posting {
  key: number;
  slot: number;
  seq: number;
}

class Model {
  keys = new Map<number, number>();
  active: Posting[] = [];
  frozen: Posting[] | undefined;
  /** By key, once it is known: 0 for an empty log. */
  last = new Map<number, number>();
  nextKey = 1;
  nextSeq = FIRST_SEQ;
  /** Behind all that was retired, before all that is buffered. */
  retiredSeq = FIRST_SEQ - 5;

  buffered(slot: number): number[] {
    const key = this.keys.get(slot);
    return [...(this.frozen ?? []), ...this.active].filter((p) => p.key === key).map((p) => p.seq);
  }
}

interface Subject {
  test: TestCore;
  table: ShapeTable;
  buffer: PostingBuffer;
}

describe.each(builds)("pending postings, $name", (build) => {
  test("the buffer holds what arrays would hold", async () => {
    await checkAsync(
      fc.asyncProperty(
        operations,
        fc.constantFrom(1, 3, 16_384),
        async (operations, settledPerCall) => {
          const subject = newSubject(build);
          subject.test.exports.shapeSetIdMax(SLOTS);
          subject.test.exports.postingsSetSettledPerCall(settledPerCall);
          const model = new Model();
          for (let slot = 1; slot <= SLOTS; slot++) mint(subject, model);
          for (const operation of operations) {
            await apply(operation, subject, model);
            subject.test.exports.postingsVerify();
            assertSame(subject, model);
          }
          if (!subject.buffer.hasFrozen) subject.buffer.freeze();
          subject.buffer.retire();
          // What is not settled when it is retired is settled before the next freeze.
          subject.buffer.freeze();
          subject.buffer.retire();
          subject.buffer.freeze();
          subject.buffer.retire();
          assertSame(subject, Object.assign(model, { active: [], frozen: undefined }));
          assert.equal(subject.test.exports.poolPagesOf(12), 0);
        },
      ),
      60,
    );
  });

  test("a group that is longer than the exchange is filed in parts", async () => {
    const subject = newSubject(build);
    const slots = Uint32Array.from({ length: 40_000 }, (_, n) => {
      return subject.table.mint((n + 1) as StorageKey, 0)!;
    });
    const groups = new Uint32Array(2 * (2 + slots.length) + 3);
    groups.set([0, slots.length], 0);
    groups.set(slots, 2);
    groups.set([7, slots.length], 2 + slots.length);
    groups.set(slots, 4 + slots.length);
    groups.set([9, 1, 33], groups.length - 3);
    subject.buffer.file(100 as Seq, groups);
    assert.equal(subject.buffer.count, 80_001);
    subject.test.exports.postingsVerify();
    assert.deepEqual([...subject.buffer.seqsAfter(33 as LogSlot, 0)], [100, 107, 109]);
    assert.deepEqual([...subject.buffer.seqsAfter(34 as LogSlot, 100)], [107]);
    subject.buffer.freeze();
    const { keys, seqs, base, count } = await subject.buffer.copyFrozen();
    assert.deepEqual(
      [base, count, keys[39_999], seqs[40_000], keys[80_000]],
      [100, 80_001, 40_000, 7, 33],
    );
  });

  test("others have their turn while frozen postings are copied", async () => {
    const { buffer, table } = newSubject(build);
    const id = table.mint(1 as StorageKey, 0)!;
    const count = 50_000;
    const groups = new Uint32Array(count * 3);
    for (let n = 0; n < count; n++) groups.set([n, 1, id], n * 3);
    buffer.file(2 as Seq, groups);
    buffer.freeze();
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      if (turns === 1) buffer.file((count + 2) as Seq, Uint32Array.of(0, 1, id));
      setImmediate(turn).unref();
    };
    setImmediate(turn);
    const { keys, seqs } = await buffer.copyFrozen();
    assert.ok(turns >= 2, `${turns} turns`);
    assert.deepEqual([keys.length, seqs.length, seqs[count - 1]], [count, count, count - 1]);
  });

  test("a long chain is copied whole, ascending", () => {
    const subject = newSubject(build);
    const id = subject.table.mint(1 as StorageKey, 0)!;
    const count = 50_000;
    const groups = new Uint32Array(count * 3);
    for (let n = 0; n < count; n++) groups.set([n, 1, id], n * 3);
    subject.buffer.file(2 as Seq, groups);
    const seqs = subject.buffer.seqsAfter(id as number as LogSlot, 10);
    assert.deepEqual(
      seqs,
      Float64Array.from({ length: count - 9 }, (_, n) => n + 11),
    );
  });

  test("an id does not start its generations again while its postings are buffered", async () => {
    const subject = newSubject(build);
    const { table, buffer, test } = subject;
    test.exports.shapeSetIdMax(1);
    const remint = (key: number): ShapeId | undefined => {
      table.advanceEpoch();
      table.advanceEpoch();
      return table.mint(key as StorageKey, 0);
    };
    const id = table.mint(1 as StorageKey, 0)!;
    for (let n = 1; n <= 255; n++) {
      table.retire(id);
      assert.equal(remint(n + 1), id);
    }
    assert.equal(table.generationOf(id), 255);
    buffer.file(100 as Seq, Uint32Array.of(0, 1, id));
    table.retire(id);
    assert.equal(remint(1000), undefined);
    buffer.freeze();
    assert.equal((await buffer.copyFrozen()).count, 0);
    assert.equal(remint(1000), undefined);
    buffer.retire();
    assert.equal(remint(1000), id);
    assert.equal(table.generationOf(id), 0);
  });

  test("filing goes beyond the budget, which is not there for what has happened", () => {
    const test = newCore(build, { memoryBytesMax: 256 * 65_536 });
    const table = new ShapeTable(test.core);
    const buffer = new PostingBuffer(test.core);
    const id = table.mint(1 as StorageKey, 0)!;
    const groups = new Uint32Array(buffer.capacity * 3);
    for (let n = 0; n < buffer.capacity; n++) groups.set([n, 1, id], n * 3);
    buffer.file(2 as Seq, groups);
    assert.equal(buffer.count, buffer.capacity);
    buffer.freeze();
    buffer.file((buffer.capacity + 2) as Seq, groups);
    assert.equal(buffer.seqsAfter(id as number as LogSlot, 0).length, 2 * buffer.capacity);
    buffer.retire();
    assert.equal(buffer.seqsAfter(id as number as LogSlot, 0).length, buffer.capacity);
    test.exports.postingsVerify();
  });
});

function newSubject(build: Build): Subject {
  const test = newCore(build);
  return { test, table: new ShapeTable(test.core), buffer: new PostingBuffer(test.core) };
}

function mint({ table }: Subject, model: Model): void {
  table.advanceEpoch();
  table.advanceEpoch();
  const key = model.nextKey++;
  const id = table.mint(key as StorageKey, 0);
  assert.ok(id !== undefined);
  model.keys.set(id, key);
}

async function apply(operation: Operation, subject: Subject, model: Model): Promise<void> {
  const { table, buffer } = subject;
  switch (operation.type) {
    case "file": {
      const base = model.nextSeq;
      const words: number[] = [];
      for (const slots of operation.groups) {
        const seq = model.nextSeq++;
        words.push(seq - base, slots.length, ...slots);
        for (const slot of slots) {
          const key = model.keys.get(slot)!;
          model.active.push({ key, slot, seq });
          model.last.set(key, seq);
        }
      }
      model.nextSeq += 3;
      buffer.file(base as Seq, Uint32Array.from(words));
      break;
    }
    case "freeze": {
      if (buffer.hasFrozen) return;
      buffer.freeze();
      const { keys, seqs, base, count } = await buffer.copyFrozen();
      const got = Array.from({ length: count }, (_, n) => [keys[n], base + seqs[n]!]);
      const isLive = ({ key, slot }: Posting): boolean => model.keys.get(slot) === key;
      assert.deepEqual(
        got,
        model.active.filter(isLive).map(({ key, seq }) => [key, seq]),
      );
      model.frozen = model.active;
      model.active = [];
      break;
    }
    case "retire":
      if (!buffer.hasFrozen) return;
      buffer.retire();
      model.retiredSeq = Math.max(model.retiredSeq, ...model.frozen!.map(({ seq }) => seq + 1));
      model.frozen = undefined;
      break;
    case "replace":
      table.retire(operation.slot as ShapeId);
      mint(subject, model);
      break;
    case "look": {
      // A look at the runs, which may be late: what is known by now stays.
      const key = model.keys.get(operation.slot)!;
      const found = operation.slot % 2 === 0 ? 0 : 5;
      buffer.setLastSeq(operation.slot as LogSlot, found as Seq);
      model.last.set(key, Math.max(found, model.last.get(key) ?? 0));
      break;
    }
    case "tell": {
      // What was filed for a list of shapes is in a run now.
      const key = model.keys.get(operation.slot)!;
      buffer.setLastSeq(operation.slot as LogSlot, model.retiredSeq as Seq);
      model.last.set(key, Math.max(model.retiredSeq, model.last.get(key) ?? 0));
    }
  }
}

function assertSame({ buffer }: Subject, model: Model): void {
  assert.equal(buffer.count, model.active.length);
  assert.equal(buffer.hasFrozen, model.frozen !== undefined);
  for (let slot = 1; slot <= SLOTS; slot++) {
    const expected = model.buffered(slot);
    assert.equal(buffer.lastSeq(slot as LogSlot), model.last.get(model.keys.get(slot)!));
    for (const after of [-1, 0, expected[expected.length >> 1] ?? 7, expected.at(-1) ?? 9]) {
      const seqs = [...buffer.seqsAfter(slot as LogSlot, after)];
      assert.deepEqual(
        seqs,
        expected.filter((seq) => seq > after),
      );
    }
  }
}
