/**
 * The hinge: the one file that knows both identities of a shape.
 *
 *     handle  <hash>-<epoch + key>     outside: URLs, headers, logs; for ever
 *     id      u32                      inside: columns, indexes, queues; until the shape is gone
 *     key     u40                      on disk
 *
 * An id is minted once per shape and process and stays the shape's until it is retired, whatever
 * reconnects in between (law 8). Retired ids rest before they are minted again, with another
 * generation, so that work begun for one shape never reaches its successor.
 *
 * There is no map from handle to id. Every request for a shape carries its definition, which the
 * router's own index leads to the id; the handle is then compared in eight bytes. That index would
 * cost 6.6 bytes per shape more. A handle alone names its catalog row: its number less the
 * directory's epoch is the key.
 *
 * A lookup that misses is an outcome: the shape was removed meanwhile.
 */

import type { Clock } from "../lib/clock.ts";
import {
  STORAGE_KEY_MAX,
  type LogSlot,
  type ShapeHandle,
  type ShapeId,
  type StorageKey,
} from "../model/ids.ts";
import type { ShapeTable } from "../router/shape-table.ts";

export class ShapeRegistry {
  readonly #table: ShapeTable;
  readonly #epochMicroseconds: number;
  readonly #clock: Clock;

  /** @param epochMicroseconds `ShapeStore.epochMicroseconds`. */
  constructor(table: ShapeTable, epochMicroseconds: number, clock: Clock) {
    this.#table = table;
    this.#epochMicroseconds = epochMicroseconds;
    this.#clock = clock;
  }

  /** How many shapes have an id. Views, which nobody asked for, do not count. */
  get count(): number {
    return this.#table.count;
  }

  /**
   * Mints the id of a shape. May grow linear memory. Undefined: no id or no memory is left.
   *
   * @param minutes of `minutes`: whoever adds a million asks the clock once.
   */
  add(key: StorageKey, hash: number, minutes = this.minutes()): ShapeId | undefined {
    const id = this.#table.mint(key, hash);
    if (id !== undefined) this.#table.touch(id, minutes);
    return id;
  }

  /** Mints the id of a view, which has neither handle nor key. Otherwise as `add`. */
  addView(): ShapeId | undefined {
    return this.#table.mintView();
  }

  /** Somebody asks for the shape. REQUIRES: the id is live. */
  touch(id: ShapeId): void {
    this.#table.touch(id, this.minutes());
  }

  /**
   * For how long nobody has, or since the start of the process. Begins again after 45 days.
   * REQUIRES: the id is live.
   */
  idleMinutes(id: ShapeId): number {
    return this.#table.idleMinutes(id, this.minutes());
  }

  /**
   * Gives the id back, to rest. Resolve whatever you need of the shape before.
   * REQUIRES: the router no longer routes to it.
   */
  retire(id: ShapeId): void {
    this.#table.retire(id);
  }

  /** Undefined for an id that is nobody's. */
  handleOf(id: ShapeId): ShapeHandle | undefined {
    const key = this.keyOf(id);
    return key === undefined ? undefined : this.#format(this.#table.hashOf(id), key);
  }

  /** For logs and messages, where a miss must not matter. */
  handleForLog(id: ShapeId): string {
    return this.handleOf(id) ?? `unknown, id: ${id}`;
  }

  /** Whether `id`, found by definition, is the shape that the handle names. */
  isHandleOf(handle: ShapeHandle, id: ShapeId): boolean {
    return this.handleOf(id) === handle;
  }

  /** The catalog row that a handle names, whether or not there is one. */
  keyOfHandle(handle: ShapeHandle): StorageKey | undefined {
    const key = Number(handle.slice(handle.indexOf("-") + 1)) - this.#epochMicroseconds;
    return key >= 1 && key <= STORAGE_KEY_MAX ? (key as StorageKey) : undefined;
  }

  keyOf(id: ShapeId): StorageKey | undefined {
    return this.#table.keyOf(id);
  }

  /**
   * The storage keys of many ids at once, 0 for retired ones. Valid until the next call; allocates
   * nothing.
   */
  keysOf(ids: Uint32Array): Float64Array {
    return this.#table.keysOf(ids);
  }

  /** The first shape there is, or the one after another, in no order that means anything. */
  next(id: ShapeId | undefined): ShapeId | undefined {
    return this.#table.next(id);
  }

  /** What storage indexes the shape's log by. */
  slotOf(id: ShapeId): LogSlot {
    return id as number as LogSlot;
  }

  /** Tells one holder of an id from the next. */
  generationOf(id: ShapeId): number {
    return this.#table.generationOf(id);
  }

  /** Whether the shape that had this id and generation still has it. */
  isCurrent(id: ShapeId, generation: number): boolean {
    return this.keyOf(id) !== undefined && this.#table.generationOf(id) === generation;
  }

  /** Lets ids that were retired before the last call be minted again, see `ShapeTable`. */
  advanceEpoch(): void {
    this.#table.advanceEpoch();
  }

  /** The time by which last uses are told. */
  minutes(): number {
    return Math.floor(this.#clock.nowMilliseconds() / 60_000);
  }

  #format(hash: number, key: StorageKey): ShapeHandle {
    // Two whole numbers of ours make a handle; only what others say is one has to be looked at.
    return `${hash}-${this.#epochMicroseconds + key}` as ShapeHandle;
  }
}
