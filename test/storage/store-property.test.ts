/**
 * The store against an array of messages per shape.
 *
 * Goal: whatever happened, every shape's log is its snapshot and then the bodies of finished
 * transactions in order, each with `last` where its transaction ends for the shape; and after a
 * crash that holds for a beginning of history which contains everything that was announced.
 *
 * Method: limits so small that a few dozen operations cross every boundary: frames of two bodies,
 * segments of four, checkpoints of a few postings, two runs to a merge, pages shorter than a body,
 * lists of two shapes shared, by at most two lists to a shape.
 * Segments are written again without what is dead. Transactions are cut into frames, taken back,
 * and interrupted by a crash that loses or damages
 * what was not synced. After a crash the model forgets what the store says it has forgotten, and
 * nothing else. In the end everything is removed and the journal must be gone but for its end.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterEach, test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { BEFORE_ALL, type LogOffset } from "../../src/model/log-offset.ts";
import type { StoreLimits } from "../../src/storage/limits.ts";
import { builds } from "../support/core-doors.ts";
import { ForgetfulFiles } from "../support/forgetful-files.ts";
import { checkAsync } from "../support/property.ts";
import {
  appendTo,
  bodyOf,
  BOUNDS,
  giveSlot,
  logOf,
  readAll,
  removeTemporaryDirectories,
  SNAPSHOT_END_TEXT,
  startStore,
  takeSlot,
  temporaryDirectory,
  type HarnessOptions,
  type StoreHarness,
} from "../support/store-harness.ts";

afterEach(removeTemporaryDirectories);

const LIMITS: Partial<StoreLimits> = {
  segmentBytes: 900,
  frameBytes: 320,
  framePairs: 5,
  pendingBytes: 1500,
  pendingPairs: 40,
  checkpointPostings: 9,
  checkpointBytes: 3000,
  checkpointShapes: 5,
  snapshotInlineBytes: 200,
  runsPerLevel: 2,
  sharedListSize: 2,
  listsPerShape: 2,
  pageBytes: 150,
  openSegments: 2,
};
const OPTIONS = { limits: LIMITS, capacity: 14, chunkBytesThreshold: 260 };

interface Entry {
  readonly lsn: bigint;
  readonly op: number;
  readonly body: string;
}

interface ModelShape {
  readonly rows: readonly string[];
  entries: Entry[];
  isAcknowledged: boolean;
  isRemovalAsked: boolean;
}

type Operation =
  | { type: "create"; rows: number[]; isAwaited: boolean }
  | {
      type: "transaction";
      changes: { shapes: number[]; padding: number }[];
      end: "commit" | "rollback";
    }
  | { type: "remove"; shape: number }
  | { type: "flush" }
  | { type: "turn" }
  | { type: "reclaim"; isAwaited: boolean }
  | { type: "read"; shape: number; from: number }
  | { type: "restart" }
  | { type: "crash"; seed: number; isInTransaction: boolean };

const padding = fc.integer({ min: 0, max: 90 });
/** Some lists come again and again: those are kept once. */
const shapes = fc.oneof(
  fc.array(fc.nat(7), { minLength: 1, maxLength: 12 }),
  fc.constantFrom<number[][]>([0, 1], [1, 2], [0, 1, 2], [2, 3, 4], [0, 1, 2, 3]),
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("create" as const),
      rows: fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 5 }),
      isAwaited: fc.boolean(),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("transaction" as const),
      changes: fc.array(fc.record({ shapes, padding }), { maxLength: 8 }),
      end: fc.constantFrom(
        "commit" as const,
        "commit" as const,
        "commit" as const,
        "rollback" as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), shape: fc.nat(7) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("reclaim" as const), isAwaited: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.constant({ type: "flush" as const }) },
  { weight: 4, arbitrary: fc.constant({ type: "turn" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("read" as const),
      shape: fc.nat(7),
      from: fc.nat(50),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("crash" as const),
      seed: fc.integer({ min: 1, max: 1e9 }),
      isInTransaction: fc.boolean(),
    }),
  },
);

const operations = fc.array(operation, { maxLength: 60, size: "max" });

for (const build of [undefined, ...builds]) {
  const postings = build === undefined ? "arrays" : `the ${build.name} build`;
  test(`a store holds what an array per shape would hold, postings in ${postings}`, async () => {
    const property = fc.asyncProperty(operations, async (operations) => {
      const world = await World.create({ ...OPTIONS, ...(build === undefined ? {} : { build }) });
      for (const each of operations) await world.apply(each);
      await world.drain();
      removeTemporaryDirectories();
    });
    // When something becomes durable is not a function of the seed, so shrinking leads astray.
    await checkAsync(property, 10, { endOnFailure: true });
  }, 600_000);
}

class World {
  #files = new ForgetfulFiles();
  #harness: StoreHarness;
  readonly #shapes = new Map<number, ModelShape>();
  #lsn = 1000n;
  readonly #issued = new Set<number>();
  #pending: Promise<unknown>[] = [];
  readonly #options: HarnessOptions;

  private constructor(options: HarnessOptions, files: ForgetfulFiles, harness: StoreHarness) {
    this.#options = options;
    this.#files = files;
    this.#harness = harness;
  }

  static async create(options: HarnessOptions): Promise<World> {
    const files = new ForgetfulFiles();
    const harness = await startStore(temporaryDirectory(), { ...options, files });
    return new World(options, files, harness);
  }

  async apply(operation: Operation): Promise<void> {
    const { store } = this.#harness;
    switch (operation.type) {
      case "create":
        return this.#create(operation.rows, operation.isAwaited);
      case "transaction":
        this.#transaction(operation.changes);
        if (operation.end === "commit") this.#commit();
        else this.#rollback();
        return store.relieved();
      case "remove":
        return this.#remove(operation.shape);
      case "flush":
        await store.flushed();
        assert.equal(store.position, this.#harness.positions.at(-1) ?? store.position);
        return this.#checkAll();
      case "turn":
        return new Promise((resolve) => setImmediate(resolve));
      case "reclaim": {
        const reclaimed = store.reclaim();
        if (operation.isAwaited) return reclaimed;
        this.#pending.push(reclaimed.catch(() => undefined));
        return undefined;
      }
      case "read":
        return this.#checkFrom(operation.shape, operation.from);
      case "restart":
        return this.#restart();
      case "crash":
        if (operation.isInTransaction) {
          this.#transaction(Array.from({ length: 9 }, () => ({ shapes: [0, 1, 2], padding: 50 })));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        return this.#crash(operation.seed);
    }
  }

  async drain(): Promise<void> {
    await this.#harness.store.flushed();
    await this.#checkAll();
    while (this.#liveKeys().length > 0) await this.#remove(0);
    await this.#restart();
    const { segments, runs } = this.#harness.store.statistics();
    assert.ok(segments <= 2, `${segments} segments are left of nothing`);
    assert.ok(runs <= 16);
    assert.deepEqual(this.#harness.failures, []);
    await this.#harness.store.close();
  }

  async #create(sizes: readonly number[], isAwaited: boolean): Promise<void> {
    const { store } = this.#harness;
    const key = store.issueKey();
    assert.ok(!this.#issued.has(key), "a key is issued once");
    const rows = sizes.map((size, index) => `{"row":${index},"v":"${"r".repeat(size)}"}`);
    const shape: ModelShape = {
      rows: [...rows, SNAPSHOT_END_TEXT],
      entries: [],
      isAcknowledged: false,
      isRemovalAsked: false,
    };
    this.#shapes.set(key, shape);
    const template = `template ${key % 3}`;
    const constants = Buffer.from(`constants of ${key}`);
    const created = store
      .createShape({ key, hash: key, template, constants }, giveSlot(this.#harness, key))
      // Only a key that was acknowledged can be known to anybody.
      .then(() => {
        if (this.#harness.store === store) this.#issued.add(key);
      });
    const writer = store.writeSnapshot(key);
    const finished = (async () => {
      for (const row of rows) await writer.write(Buffer.from(row));
      await writer.finish(BOUNDS);
      if (this.#harness.store === store) shape.isAcknowledged = true;
    })();
    const done = Promise.all([created, finished]);
    if (isAwaited) await done;
    else this.#pending.push(done.catch(() => undefined));
  }

  #transaction(changes: readonly { shapes: readonly number[]; padding: number }[]): void {
    this.#lsn += 8n;
    const live = this.#liveKeys();
    if (live.length === 0) return;
    changes.forEach(({ shapes, padding }, index) => {
      const keys = [...new Set(shapes.map((shape) => live[shape % live.length]!))];
      const body = bodyOf(`k${index}`, this.#lsn, index * 2, padding);
      appendTo(this.#harness, this.#lsn, index * 2, body, keys);
      for (const key of keys) {
        this.#shapes.get(key)!.entries.push({ lsn: this.#lsn, op: index * 2, body });
      }
    });
  }

  #commit(): void {
    this.#harness.store.commit(this.#lsn as Lsn);
  }

  #rollback(): void {
    this.#harness.store.rollback();
    this.#forgetAfter(this.#lsn - 1n);
  }

  #forgetAfter(position: bigint): void {
    for (const shape of this.#shapes.values()) {
      shape.entries = shape.entries.filter(({ lsn }) => lsn <= position);
    }
  }

  async #remove(shape: number): Promise<void> {
    const live = this.#liveKeys();
    if (live.length === 0) return;
    const key = live[shape % live.length]!;
    this.#shapes.get(key)!.isRemovalAsked = true;
    await this.#harness.store.removeShape(key as never);
    this.#shapes.delete(key);
    takeSlot(this.#harness, key);
  }

  async #restart(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    await this.#harness.store.flushed();
    await this.#harness.store.close();
    await this.#reopen(this.#harness.directory, this.#lsn);
  }

  async #crash(seed: number): Promise<void> {
    let state = seed;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const announced = this.#harness.store.position;
    const acknowledged = [...this.#shapes].filter(([, shape]) => shape.isAcknowledged);
    const expected = new Set(acknowledged.map(([key]) => key));
    const old = this.#harness;
    const copy = this.#files.copyAfterCrash(old.directory, random);
    const pending = this.#pending.splice(0);
    await this.#reopen(copy, announced);
    for (const key of expected) assert.ok(this.#shapes.has(key), `shape ${key} is lost`);
    old.store.rollback();
    await Promise.all(pending);
    await old.store.close();
  }

  async #reopen(directory: string, announced: bigint): Promise<void> {
    this.#files = new ForgetfulFiles();
    this.#harness = await startStore(directory, { ...this.#options, files: this.#files });
    const { store, slots } = this.#harness;
    assert.ok(
      store.position >= announced || announced === this.#lsn,
      "what was announced is there",
    );
    // What was never announced may or may not be there; the model follows.
    for (const [key, shape] of this.#shapes) {
      if (slots.has(key)) {
        shape.isAcknowledged = true;
      } else {
        assert.ok(!shape.isAcknowledged || shape.isRemovalAsked, `shape ${key} is lost`);
        this.#shapes.delete(key);
      }
    }
    for (const key of slots.keys()) assert.ok(this.#shapes.has(key), `shape ${key} is back`);
    this.#forgetAfter(store.position);
    await this.#checkAll();
  }

  #liveKeys(): number[] {
    return [...this.#shapes.keys()];
  }

  async #checkAll(): Promise<void> {
    const { store } = this.#harness;
    for (const [key, shape] of this.#shapes) {
      if (!shape.isAcknowledged) continue;
      const visible = shape.entries.filter(({ lsn }) => lsn <= store.position);
      const { messages } = await readAll(logOf(this.#harness, key), BEFORE_ALL);
      assert.deepEqual(messages, [...shape.rows, ...messagesOf(visible)]);
      const record = store.findShape(key as never)!;
      assert.equal(record.template, `template ${key % 3}`);
      assert.equal(Buffer.from(record.constants).toString(), `constants of ${key}`);
      assert.deepEqual(store.snapshotBounds(key as never), BOUNDS);
    }
  }

  /** From an entry, from between entries, and from behind the end. */
  async #checkFrom(shape: number, from: number): Promise<void> {
    const live = this.#liveKeys();
    if (live.length === 0) return;
    const key = live[shape % live.length]!;
    const model = this.#shapes.get(key)!;
    if (!model.isAcknowledged) return;
    const { store } = this.#harness;
    const position = store.position;
    const visible = model.entries.filter(({ lsn }) => lsn <= position);
    const entry = visible[from % Math.max(1, visible.length)];
    const after: LogOffset = {
      tx: entry?.lsn ?? 999n,
      op: (entry?.op ?? 0) + [0, 1, -1][from % 3]!,
    };
    const expected = messagesOf(visible).filter((_, index) => {
      const { lsn, op } = visible[index]!;
      return lsn > after.tx || (lsn === after.tx && op > after.op);
    });
    const { messages } = await readAll(logOf(this.#harness, key), after);
    // More may have become durable while it was being read.
    assert.deepEqual(messages.slice(0, expected.length), expected);
    if (store.position === position) assert.equal(messages.length, expected.length);
  }
}

function messagesOf(entries: readonly Entry[]): string[] {
  return entries.map(({ lsn, body }, index) =>
    entries[index + 1]?.lsn === lsn ? body : body.slice(0, -2) + ',"last":true}}',
  );
}
