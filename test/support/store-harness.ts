/**
 * A store in a temporary directory, with a registry as simple as can be: slots count down from a
 * number, or are ids of a core, whose posting buffer is used then.
 */

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/lib/clock.ts";
import type { LogSlot, ShapeId, StorageKey } from "../../src/model/ids.ts";
import { BEFORE_ALL, type LogOffset } from "../../src/model/log-offset.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { SnapshotBounds } from "../../src/model/snapshot-bounds.ts";
import { openStore, type StoreOptions } from "../../src/storage/open-store.ts";
import type { Store } from "../../src/storage/store.ts";
import type { LogChunk, PostingBuffer, ShapeLog } from "../../src/storage/storage.ts";
import { PostingBuffer as CorePostingBuffer } from "../../src/router/posting-buffer.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { ArrayPostingBuffer } from "./array-posting-buffer.ts";
import { newCore, type Build } from "./core-doors.ts";

export const IDENTITY = "7000000000000000001/1/litz_slot_default";

export const testClock: Clock = {
  nowMilliseconds: () => 1_700_000_000_000,
  nowMicroseconds: () => 1_700_000_000_000_000,
};

export const BOUNDS: SnapshotBounds = { xmin: 766n, xmax: 770n, xip: [768n], lsn: 16n as Lsn };

export const SNAPSHOT_END_TEXT =
  '{"headers":{"control":"snapshot-end","xmin":"766","xmax":"770","xip_list":["768"]}}';

export interface StoreHarness {
  readonly store: Store;
  readonly directory: string;
  readonly postings: PostingBuffer;
  /** Keys that survived, with the slots they were given. */
  readonly slots: Map<number, LogSlot>;
  readonly failures: Error[];
  readonly positions: bigint[];
  /** Slots that the listener was told of, by position. */
  readonly grown: Map<bigint, Set<number>>;
}

export interface HarnessOptions extends Partial<StoreOptions> {
  /** Of the array posting buffer. */
  readonly capacity?: number;
  /** Postings in linear memory instead. */
  readonly build?: Build;
}

/** Gives out slots and takes them back, as the shape registry does. */
interface Registry {
  readonly postings: PostingBuffer;
  give(key: number): LogSlot;
  take(slot: LogSlot): void;
}

class ArrayRegistry implements Registry {
  readonly postings: ArrayPostingBuffer;
  readonly #keys = new Map<number, number>();
  // Slots are reversed against keys, so that a mix-up of the two shows.
  #nextSlot = 5000;
  /** Given again, so that what was kept of a shape that is gone shows at another one. */
  readonly #free: LogSlot[] = [];

  constructor(capacity: number) {
    this.postings = new ArrayPostingBuffer(capacity, (slot) => this.#keys.get(slot) ?? 0);
  }

  give(key: number): LogSlot {
    const slot = this.#free.shift() ?? (this.#nextSlot-- as LogSlot);
    this.#keys.set(slot, key);
    return slot;
  }

  take(slot: LogSlot): void {
    this.#keys.delete(slot);
    this.postings.forget(slot);
    this.#free.push(slot);
  }
}

class CoreRegistry implements Registry {
  readonly postings: PostingBuffer;
  readonly #shapes: ShapeTable;

  constructor(build: Build) {
    const { core } = newCore(build);
    this.postings = new CorePostingBuffer(core);
    this.#shapes = new ShapeTable(core);
  }

  give(key: number): LogSlot {
    return this.#shapes.mint(key as StorageKey, 0) as number as LogSlot;
  }

  take(slot: LogSlot): void {
    this.#shapes.retire(slot as number as ShapeId);
  }
}

const registries = new WeakMap<StoreHarness, Registry>();

export async function startStore(
  directory: string,
  { capacity = 1024, build, ...options }: HarnessOptions = {},
): Promise<StoreHarness> {
  const registry = build === undefined ? new ArrayRegistry(capacity) : new CoreRegistry(build);
  const slots = new Map<number, LogSlot>();
  const failures: Error[] = [];
  const positions: bigint[] = [];
  const grown = new Map<bigint, Set<number>>();
  const store = openStore({
    directory,
    postings: registry.postings,
    databaseIdentity: IDENTITY,
    clock: testClock,
    isCheckpointInline: true,
    listener: {
      durable: (position, list, count) => {
        positions.push(position);
        grown.set(position, new Set(list.subarray(0, count)));
      },
      failed: (error) => failures.push(error),
    },
    ...options,
  });
  await store.restore((key) => {
    const slot = registry.give(key);
    slots.set(key, slot);
    return slot;
  });
  const { postings } = registry;
  const harness = { store, directory, postings, slots, failures, positions, grown };
  registries.set(harness, registry);
  return harness;
}

export function giveSlot(harness: StoreHarness, key: number): LogSlot {
  const slot = registries.get(harness)!.give(key);
  harness.slots.set(key, slot);
  return slot;
}

/** As the registry does once the removal is durable. */
export function takeSlot(harness: StoreHarness, key: number): void {
  const slot = harness.slots.get(key);
  if (slot === undefined) return;
  harness.slots.delete(key);
  registries.get(harness)!.take(slot);
}

/** A shape with a complete snapshot. */
export async function createShape(
  harness: StoreHarness,
  rows: readonly string[] = [],
  template = "template",
): Promise<StorageKey> {
  const { store } = harness;
  const key = store.issueKey();
  const slot = giveSlot(harness, key);
  const created = store.createShape(
    { key, hash: key * 7, template, constants: Buffer.from(`constants of ${key}`) },
    slot,
  );
  const writer = store.writeSnapshot(key);
  for (const row of rows) await writer.write(Buffer.from(row));
  await Promise.all([created, writer.finish(BOUNDS)]);
  return key;
}

export function appendTo(
  harness: StoreHarness,
  lsn: bigint,
  op: number,
  body: string,
  keys: readonly number[],
): number {
  const slots = keys.map((key) => harness.slots.get(key)!);
  return harness.store.append(
    lsn as Lsn,
    op,
    Buffer.from(body),
    Float64Array.from(keys),
    Uint32Array.from(slots),
    keys.length,
  );
}

export function logOf(harness: StoreHarness, key: number): ShapeLog {
  return harness.store.openLog(key as StorageKey, harness.slots.get(key)!);
}

/** A body as the core writes it. */
export function bodyOf(name: string, lsn: bigint, op: number, padding = 0): string {
  const headers = `{"lsn":"${lsn}","op_position":${op}}`;
  return `{"key":"${name}","value":{"v":"${"x".repeat(padding)}"},"headers":${headers}}`;
}

export async function textOf(chunk: LogChunk): Promise<string> {
  const pages: Uint8Array[] = [];
  for await (const page of chunk.pages()) pages.push(Uint8Array.from(page));
  return Buffer.concat(pages).toString("utf8");
}

/** The whole log, chunk after chunk, as a client reads it. */
export async function readAll(
  log: ShapeLog,
  after: LogOffset = BEFORE_ALL,
): Promise<{ readonly messages: string[]; readonly ends: LogOffset[] }> {
  const messages: string[] = [];
  const ends: LogOffset[] = [];
  for (let offset = after; ;) {
    const chunk = await log.readChunk(offset);
    const text = await textOf(chunk);
    if (chunk.isEmpty !== (text === "")) throw new Error("isEmpty is wrong");
    if (text !== "") messages.push(...text.split(",\n"));
    ends.push(chunk.end);
    offset = chunk.end;
    if (chunk.isUpToDate) return { messages, ends };
  }
}

const directories: string[] = [];

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "litz-test-storage-"));
  directories.push(directory);
  return directory;
}

export function copyOf(directory: string): string {
  const copy = temporaryDirectory();
  cpSync(directory, copy, { recursive: true });
  return copy;
}

export function removeTemporaryDirectories(): void {
  for (const directory of directories.splice(0)) {
    rmSync(directory, { recursive: true, force: true });
  }
}
