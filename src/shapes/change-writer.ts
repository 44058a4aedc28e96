/**
 * From what the router found to what storage keeps: each body is appended once, for all the shapes
 * it reaches, ids translated to storage keys in bulk. Nothing here is done per idle shape, and
 * nothing but a few views is made per body.
 *
 *     router output            gates                      storage
 *     (body, ids) ──────────> ungated ids ─────────────> append(body, keys, slots)
 *                └─ GATED_BIT ─> held, dropped or admitted ─┘
 */

import { assert } from "../lib/assert.ts";
import { TransientMap } from "../lib/transient-map.ts";
import type { ShapeId } from "../model/ids.ts";
import { LSN_ZERO, maxLsn, type Lsn } from "../model/lsn.ts";
import { areVisibleInSnapshot, type SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { FlushTracker } from "../router/flush-tracker.ts";
import type { ShapeFailure } from "../router/residuals.ts";
import { matchedShape, type Router } from "../router/router.ts";
import type { BehindSince, ShapeStore } from "../storage/storage.ts";
import type { MoveLog } from "../subqueries/replayer.ts";
import type { ShapeRegistry } from "./registry.ts";
import { SnapshotGate } from "./snapshot-gate.ts";

export interface ChangeWriterOptions {
  readonly router: Router;
  readonly registry: ShapeRegistry;
  readonly flushTracker: FlushTracker;
  readonly store: ShapeStore;
  /** Bytes that one gate may hold. */
  readonly gateBytesMax: number;
  /** A gate holds more than it may, or the core has no memory to track it. */
  readonly onOverfull: (id: ShapeId) => void;
  /** An inner row has changed the values of these views. The body is valid during the call. */
  readonly onDelta: (body: Uint8Array, views: readonly ShapeId[]) => void;
  /** Something that was held back has become durable. */
  readonly onReleased: () => void;
}

export class ChangeWriter implements MoveLog {
  readonly #options: ChangeWriterOptions;
  readonly #router: Router;
  readonly #registry: ShapeRegistry;
  readonly #store: ShapeStore;
  readonly #gates = new TransientMap<ShapeId, SnapshotGate>();
  /** Those of them that are sorting, in the order of their placing. */
  readonly #placed: SnapshotGate[] = [];
  /** Commit LSN of the last transaction that was handed to storage. */
  #committed: Lsn = LSN_ZERO;
  /** What was committed when the registry's epoch began. */
  #epochCommitted: Lsn = LSN_ZERO;
  /** Ids of one body without those that a gate kept; grows to the largest body. */
  #admitted = new Uint32Array(64);
  #bodyCount = 0;
  #matchCount = 0;

  constructor(options: ChangeWriterOptions) {
    this.#options = options;
    this.#router = options.router;
    this.#registry = options.registry;
    this.#store = options.store;
    this.#committed = options.store.position;
  }

  /** Takes the bodies in the router's output. Returns whether any has to become durable. */
  takeBodies(): boolean {
    const { bytes, matches, transactionLsn } = this.#router;
    let isAppended = false;
    for (let index = 0; index < this.#router.bodyCount; index++) {
      const address = this.#router.bodyAddress(index);
      const body = bytes.subarray(address, address + this.#router.bodySize(index));
      const first = this.#router.bodyFirstMatch(index);
      let ids = matches.subarray(first, first + this.#router.bodyMatchCount(index));
      if (this.#router.bodyIsDelta(index)) {
        this.#options.onDelta(body, Array.from(ids, matchedShape));
        continue;
      }
      if (this.#router.bodyIsGated(index)) ids = this.#admit(index, body, ids);
      if (ids.length === 0) continue;
      this.#bodyCount += 1;
      this.#matchCount += ids.length;
      const keys = this.#registry.keysOf(ids);
      this.#store.append(transactionLsn, this.#router.bodyOp(index), body, keys, ids, ids.length);
      isAppended = true;
    }
    return isAppended;
  }

  commit(commitLsn: Lsn): void {
    this.#committed = maxLsn(this.#committed, commitLsn);
    this.#store.commit(this.#committed);
  }

  append(lsn: Lsn, op: number, body: Uint8Array, ids: Uint32Array): void {
    this.#store.append(lsn, op, body, this.#registry.keysOf(ids), ids, ids.length);
    this.#committed = maxLsn(this.#committed, lsn);
  }

  appendMoved(lsn: Lsn, op: number, body: Uint8Array, ids: Uint32Array): void {
    this.#store.appendMoved(lsn, op, body, this.#registry.keysOf(ids), ids, ids.length);
  }

  recordBehind(ids: readonly ShapeId[], behind: BehindSince | undefined): void {
    const keys = ids.flatMap((id) => this.#registry.keyOf(id) ?? []);
    this.#store.recordBehind(keys, behind);
  }

  commitMoved(lsn: Lsn): void {
    this.commit(lsn);
  }

  flushed(): Promise<void> {
    return this.#store.flushed();
  }

  relieved(): Promise<void> | undefined {
    return this.#store.isCongested ? this.#store.relieved() : undefined;
  }

  forgetAppended(): void {
    this.#store.rollback();
  }

  nextOp(ids: readonly ShapeId[], lsn: Lsn): number {
    let next = 0;
    for (const id of ids) {
      const key = this.#registry.keyOf(id);
      if (key === undefined) continue;
      const { tx, op } = this.#store.openLog(key, this.#registry.slotOf(id)).latestOffset();
      if (tx === lsn) next = Math.max(next, op + 1);
    }
    return next;
  }

  rollback(commitLsn: Lsn): void {
    for (const gate of this.#gates.values()) gate.forget(commitLsn);
    this.#store.rollback();
  }

  /** Begins to hold back what the shape is sent. To be called in the boundary that adds it. */
  gate(id: ShapeId): void {
    const key = this.#registry.keyOf(id);
    assert(key !== undefined, "a shape is gated while it is registered");
    const shape = {
      id,
      generation: this.#registry.generationOf(id),
      key,
      slot: this.#registry.slotOf(id),
      readCount: this.#router.readCount,
    };
    this.#gates.set(id, new SnapshotGate(shape, this.#options.gateBytesMax));
    this.#router.setGated(id, true);
  }

  /**
   * Whether the snapshot shows every transaction that was read before the shape was registered. If
   * not it was taken too early, and has to be taken again: nobody would ever send the shape what
   * that transaction did (`assembly/commit-ring.ts`).
   */
  isRecentEnough(id: ShapeId, bounds: SnapshotBounds): boolean {
    const gate = this.#gates.get(id);
    if (gate === undefined) return true;
    return areVisibleInSnapshot(this.#router.xidsRead(gate.readCount), bounds);
  }

  /**
   * Places the shape's snapshot in time and appends what was held and is not in it. Resolves when
   * that is durable: until then the shape's log must not be said to be complete.
   * REQUIRES: a transaction boundary.
   *
   * @throws the error of the WHERE in a change that the snapshot does not show.
   */
  async place(id: ShapeId, bounds: SnapshotBounds): Promise<void> {
    const gate = this.#gates.get(id);
    if (gate === undefined) return;
    const changes = gate.place(bounds);
    this.#placed.push(gate);
    for (const { lsn, op, body } of changes) {
      const keys = Float64Array.of(gate.key);
      this.#store.append(lsn, op, body, keys, Uint32Array.of(gate.slot), 1);
      // Or a restart would have these transactions sent again, and find them not yet stored.
      this.#committed = maxLsn(this.#committed, lsn);
    }
    if (changes.length > 0) {
      this.#store.commit(this.#committed);
      await this.#store.flushed();
    }
    this.#release(gate);
  }

  /** Whether a shape ends because its WHERE raised an error: see `SnapshotGate.fails`. */
  fails(failure: ShapeFailure): boolean {
    return this.#gates.get(failure.id)?.fails(failure) ?? true;
  }

  /** The shape is going: nothing is held for it any longer. */
  drop(id: ShapeId): void {
    if (!this.#gates.delete(id)) return;
    this.#options.flushTracker.flushed(id);
    this.#options.onReleased();
  }

  /** No transaction that begins to be read from now on committed at or before `received`. */
  progressed(received: Lsn): void {
    // Snapshots are placed in the order of their positions, or nearly so.
    let overCount = 0;
    while (this.#placed[overCount]?.isOver(received) === true) overCount += 1;
    for (const gate of this.#placed.splice(0, overCount)) {
      if (this.#gates.get(gate.id) !== gate) continue;
      this.#gates.delete(gate.id);
      this.#router.setGated(gate.id, false);
    }
    this.#advanceEpoch();
  }

  /**
   * Retired ids rest for two epochs. One ends when everything is durable that was handed to storage
   * before it began; so after the second nothing is in flight that knew the id's last shape.
   */
  #advanceEpoch(): void {
    if (this.#store.position < this.#epochCommitted) return;
    this.#registry.advanceEpoch();
    this.#epochCommitted = this.#committed;
  }

  /** Bodies that went to storage: changes, once for each form that their shapes want. */
  get bodyCount(): number {
    return this.#bodyCount;
  }

  /** Shapes that they went to, added up. */
  get matchCount(): number {
    return this.#matchCount;
  }

  get gateCount(): number {
    return this.#gates.size;
  }

  /** Asks the gates about one body; returns the ids that are to have it. */
  #admit(index: number, body: Uint8Array, ids: Uint32Array): Uint32Array {
    const { xid, transactionLsn } = this.#router;
    const op = this.#router.bodyOp(index);
    if (this.#admitted.length < ids.length) this.#admitted = new Uint32Array(2 * ids.length);
    let count = 0;
    for (const match of ids) {
      const id = matchedShape(match);
      const gate = match === id ? undefined : this.#gates.get(id);
      if (gate === undefined || gate.admits(xid, transactionLsn, op, body)) {
        this.#admitted[count++] = id;
      } else if (gate.bounds === undefined) {
        const isTracked = this.#options.flushTracker.sent(id, transactionLsn);
        if (!isTracked || gate.isOverfull) this.#options.onOverfull(id);
      }
    }
    return this.#admitted.subarray(0, count);
  }

  /** What was held is durable: Postgres may forget it. */
  #release(gate: SnapshotGate): void {
    if (!this.#registry.isCurrent(gate.id, gate.generation)) return;
    this.#options.flushTracker.flushed(gate.id);
    this.#options.onReleased();
  }
}
