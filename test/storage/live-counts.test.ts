/**
 * What the checkpoint counts of each segment, against a count of what the files hold.
 *
 * Goal: by its live count a segment is deleted, or written again. Whatever was taken back, cut off,
 * removed, merged and rewritten, the count of a segment is
 *
 *     inline snapshots of shapes that exist
 *     + postings of shapes that exist, one for each member where a list is shared
 *     + postings that are void, whoever's they were: the merge that drops them counts them off
 *
 * and a posting of a shape that exists is a body of the journal which names the shape, no more and
 * no fewer.
 *
 * Method: the harness of the store, with limits so small that a checkpoint lies in the middle of
 * most transactions, of which many are taken back or cut off by a crash. Tables and segments are
 * read from the files, by nothing of the store but its decoders.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, test } from "vitest";
import { nextTurn } from "../../src/lib/next-turn.ts";
import type { StorageKey } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { snapshotPlaceOf } from "../../src/storage/catalog-row.ts";
import { openForReading, readVoids, type SqliteDatabase } from "../../src/storage/database.ts";
import { readFrame } from "../../src/storage/frame-reader.ts";
import { FrameFlag, readFrameLists } from "../../src/storage/frame.ts";
import type { StoreLimits } from "../../src/storage/limits.ts";
import { decodeBlock } from "../../src/storage/run-block.ts";
import type { RunTable } from "../../src/storage/run-section.ts";
import { parseSegmentName, SEGMENT_HEADER_SIZE } from "../../src/storage/segment-format.ts";
import { SeqRanges } from "../../src/storage/seq-ranges.ts";
import { ForgetfulFiles } from "../support/forgetful-files.ts";
import { checkAsync } from "../support/property.ts";
import { mulberry32 } from "../support/random.ts";
import {
  appendTo,
  bodyOf,
  createShape,
  removeTemporaryDirectories,
  startStore,
  takeSlot,
  temporaryDirectory,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const LIMITS: Partial<StoreLimits> = {
  segmentBytes: 1200,
  frameBytes: 200,
  checkpointPostings: 6,
  checkpointShapes: 4,
  snapshotInlineBytes: 60,
  runsPerLevel: 3,
  sharedListSize: 2,
  listsPerShape: 2,
};
const SHAPES_MAX = 6;
/** A transaction fills it, a body does not: one that is filed in parts may be counted twice. */
const CAPACITY = 2 * SHAPES_MAX + 1;

interface Posting {
  readonly run: number;
  readonly key: number;
  readonly seq: number;
}

/** The three tables of runs, the shapes, and the segments with their counts. */
class Tables {
  readonly #database: SqliteDatabase;
  readonly voids = new SeqRanges();
  readonly committedSeq: number;
  /** By storage key, the seq that keeps a segment for the snapshot; 0: none does. */
  readonly places: ReadonlyMap<number, number>;
  /** By first seq, ascending. */
  readonly live: ReadonlyMap<number, number>;

  constructor(directory: string) {
    const database = openForReading(join(directory, "litz.db"));
    this.#database = database;
    for (const range of readVoids(database)) this.voids.add(range);
    const committed = "select value from meta where name = 'committed_seq'";
    this.committedSeq = Number(database.prepare(committed).pluck().get() ?? 0);
    const rows = database.prepare("select key, row from shape").raw().all() as [number, Buffer][];
    this.places = new Map(rows.map(([key, row]) => [key, snapshotPlaceOf(row) ?? 0]));
    const live = database.prepare("select first_seq, live from segment order by first_seq");
    this.live = new Map(live.raw().all() as [number, number][]);
  }

  postings(table: RunTable): Posting[] {
    const sql = `select run, key, first_seq, blob from ${table} join run_info using (run)`;
    const blocks = this.#database.prepare(sql).raw().all() as [number, number, number, Buffer][];
    const postings: Posting[] = [];
    for (const [run, firstKey, firstSeq, blob] of blocks) {
      decodeBlock(blob, firstKey, firstSeq, (key, seq) => postings.push({ run, key, seq }));
    }
    return postings;
  }

  close(): void {
    this.#database.close();
  }
}

/** The shapes that each posting of the runs stands for. */
function* pairsIn(tables: Tables): Generator<{ readonly key: number; readonly seq: number }> {
  yield* tables.postings("run");
  const members = new Map<string, number[]>();
  for (const { run, key, seq: list } of tables.postings("run_member")) {
    const name = `${run} ${list}`;
    members.set(name, [...(members.get(name) ?? []), key]);
  }
  for (const { run, key: list, seq } of tables.postings("run_shared")) {
    for (const key of members.get(`${run} ${list}`) ?? []) yield { key, seq };
  }
}

/** What the tables say that lies in each segment, and the pairs of shapes that exist. */
function countRuns(tables: Tables): { live: Map<number, number>; pairs: Set<string> } {
  const firstSeqs = [...tables.live.keys()];
  const live = new Map(firstSeqs.map((firstSeq) => [firstSeq, 0]));
  const pairs = new Set<string>();
  const add = (seq: number): void => {
    // Of what was cut off with its segment the one in front of it has the count.
    const segment = firstSeqs.findLast((firstSeq) => firstSeq <= seq);
    assert.ok(segment !== undefined, `record ${seq} lies in a segment`);
    live.set(segment, live.get(segment)! + 1);
  };
  for (const { key, seq } of pairsIn(tables)) {
    const isVoid = tables.voids.has(seq);
    if (!isVoid && !tables.places.has(key)) continue;
    add(seq);
    if (isVoid || seq > tables.committedSeq) continue;
    assert.ok(!pairs.has(`${key} ${seq}`), `shape ${key} has record ${seq} once`);
    pairs.add(`${key} ${seq}`);
  }
  for (const place of tables.places.values()) if (place !== 0) add(place);
  return { live, pairs };
}

/** What the segments say: bodies up to the checkpoint, with the shapes that exist of each. */
function countJournal(directory: string, tables: Tables): Set<string> {
  const pairs = new Set<string>();
  const journal = join(directory, "journal");
  for (const name of readdirSync(journal)) {
    const firstSeq = parseSegmentName(name);
    // What a checkpoint has found dead may be there a moment longer.
    if (firstSeq === undefined || !tables.live.has(firstSeq)) continue;
    const bytes = readFileSync(join(journal, name));
    for (let offset = SEGMENT_HEADER_SIZE; ;) {
      const frame = readFrame(bytes, offset, bytes.length);
      if (frame === undefined || (frame.header.flags & FrameFlag.footer) !== 0) break;
      offset += frame.header.size;
      const { references, lists } = readFrameLists(frame.bytes, frame.header);
      for (const [index, reference] of references.entries()) {
        const seq = frame.header.firstSeq + index;
        if (reference === 0 || seq > tables.committedSeq || tables.voids.has(seq)) continue;
        for (const key of lists[reference - 1]!) {
          if (tables.places.has(key)) pairs.add(`${key} ${seq}`);
        }
      }
    }
  }
  return pairs;
}

function checkCounts(directory: string): void {
  const tables = new Tables(directory);
  try {
    const { live, pairs } = countRuns(tables);
    assert.deepEqual(tables.live, live);
    const sorted = (set: Set<string>): string[] => [...set].sort();
    assert.deepEqual(sorted(pairs), sorted(countJournal(directory, tables)));
  } finally {
    tables.close();
  }
}

type Operation =
  | { type: "create"; rows: number }
  | { type: "transaction"; changes: Change[]; end: "commit" | "rollback" | "crash"; seed: number }
  | { type: "remove"; shape: number }
  | { type: "reclaim" }
  | { type: "restart" };

interface Change {
  readonly shapes: readonly number[];
  readonly padding: number;
  /** Whether what was appended so far has time to be filed. */
  readonly isPaused: boolean;
}

const change: fc.Arbitrary<Change> = fc.record({
  // Some lists come again and again: those are shared.
  shapes: fc.oneof(
    fc.array(fc.nat(SHAPES_MAX - 1), { minLength: 1, maxLength: 6 }),
    fc.constantFrom<number[][]>([0, 1], [0, 1, 2], [2, 3]),
  ),
  padding: fc.integer({ min: 0, max: 90 }),
  isPaused: fc.boolean(),
});
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("create"), rows: fc.nat(4) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("transaction"),
      changes: fc.array(change, { minLength: 1, maxLength: 20, size: "max" }),
      end: fc.constantFrom("commit", "commit", "rollback", "crash"),
      seed: fc.nat(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("remove"), shape: fc.nat() }) },
  { weight: 2, arbitrary: fc.constant({ type: "reclaim" }) },
  { weight: 1, arbitrary: fc.constant({ type: "restart" }) },
);

class World {
  #files = new ForgetfulFiles();
  #harness!: StoreHarness;
  #lsn = 1000n;
  /** Voids that a checkpoint had filed before they were that. */
  filedVoids = 0;

  async open(directory: string): Promise<void> {
    this.#files = new ForgetfulFiles();
    const options = { files: this.#files, limits: LIMITS, capacity: CAPACITY };
    this.#harness = await startStore(directory, options);
    this.#check();
  }

  async apply(operation: Operation): Promise<void> {
    const { store } = this.#harness;
    const live = [...this.#harness.slots.keys()];
    switch (operation.type) {
      case "create": {
        if (live.length === SHAPES_MAX) return;
        const rows = Array.from({ length: operation.rows }, (_, row) => `{"id":"${row}"}`);
        await createShape(this.#harness, rows);
        break;
      }
      case "transaction":
        if (live.length > 0) await this.#transaction(operation, live);
        break;
      case "remove": {
        if (live.length === 0) return;
        const key = live[operation.shape % live.length]!;
        await store.removeShape(key as StorageKey);
        takeSlot(this.#harness, key);
        break;
      }
      case "reclaim":
        await store.reclaim();
        break;
      case "restart":
        await this.close();
        await this.open(this.#harness.directory);
    }
    this.#check();
  }

  /** Everything goes, and with it every count. */
  async end(): Promise<void> {
    for (const key of [...this.#harness.slots.keys()]) {
      await this.#harness.store.removeShape(key as StorageKey);
      takeSlot(this.#harness, key);
    }
    await this.#harness.store.reclaim();
    this.#check();
    await this.close();
    removeTemporaryDirectories();
  }

  async close(): Promise<void> {
    await this.#harness.store.flushed();
    await this.#harness.store.close();
    assert.deepEqual(this.#harness.failures, []);
    this.#check();
  }

  async #transaction(
    { changes, end, seed }: Operation & { type: "transaction" },
    live: readonly number[],
  ): Promise<void> {
    const { store, directory } = this.#harness;
    this.#lsn += 8n;
    for (const [index, { shapes, padding, isPaused }] of changes.entries()) {
      const keys = [...new Set(shapes.map((shape) => live[shape % live.length]!))];
      const body = bodyOf(`k${index}`, this.#lsn, 2 * index, padding);
      appendTo(this.#harness, this.#lsn, 2 * index, body, keys);
      if (!isPaused) continue;
      // Frames that are full are written meanwhile, filed, and checkpointed; one has two bodies.
      while (store.statistics().pendingPairs > 2 * SHAPES_MAX) await nextTurn();
      this.#check();
    }
    if (end === "commit") {
      store.commit(this.#lsn as Lsn);
      return;
    }
    this.filedVoids += this.#openPostings();
    if (end === "rollback") {
      store.rollback();
      return;
    }
    const copy = this.#files.copyAfterCrash(directory, mulberry32(seed));
    store.rollback();
    await store.close();
    await this.open(copy);
  }

  /** Postings of the open transaction that are in the runs. */
  #openPostings(): number {
    const tables = new Tables(this.#harness.directory);
    const open = [...pairsIn(tables)].filter(({ seq }) => seq > tables.committedSeq);
    tables.close();
    return open.length;
  }

  #check(): void {
    checkCounts(this.#harness.directory);
  }
}

test(
  "a segment's live count is what a count of the files finds",
  { timeout: 600_000 },
  async () => {
    let filedVoids = 0;
    const operations = fc.array(operation, { maxLength: 30, size: "max" });
    await checkAsync(
      fc.asyncProperty(operations, async (operations) => {
        const world = new World();
        await world.open(temporaryDirectory());
        for (const each of operations) await world.apply(each);
        await world.end();
        filedVoids += world.filedVoids;
      }),
      15,
      // When something becomes durable is not a function of the seed, so shrinking leads astray.
      { endOnFailure: true },
    );
    assert.ok(filedVoids > 0, `${filedVoids} postings were filed before they were taken back`);
  },
);
