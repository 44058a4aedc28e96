/**
 * Keeps the changes that a shape's snapshot shows already out of its log (protocol section 10).
 *
 * A shape is routed to from before its snapshot is taken, so nothing is missed; what arrives until
 * the snapshot is placed in time is held back, then sorted out by transaction id:
 *
 *     holding ──place(bounds)──> sorting ──a commit beyond bounds.lsn──> gone
 *
 *       holding   bounds unknown: every change is kept here, in memory, with its transaction
 *       sorting   a transaction is dropped if the snapshot shows it, else it is appended
 *
 * A WHERE that raises an error for a row is judged alike: of a row that the snapshot shows, it is
 * no business of the log.
 *
 * A gate exists only while there is something to decide. What it holds is bounded by `bytesMax`;
 * beyond that it lets go of everything, and the shape is given up: the client starts again.
 *
 * Invariants:
 *
 *   1. Held transactions are complete or the one being read, in the order of the stream.
 *   2. Nothing is held while sorting.
 */

import { assert } from "../lib/assert.ts";
import type { LogSlot, ShapeId, StorageKey } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import { isVisibleInSnapshot, type SnapshotBounds } from "../model/snapshot-bounds.ts";

/** What an object, its buffer and their places in lists come to, roughly. */
const CHANGE_OVERHEAD_BYTES = 200;

interface HeldTransaction {
  readonly xid: number;
  readonly lsn: Lsn;
  readonly changes: HeldChange[];
}

export interface HeldChange {
  readonly lsn: Lsn;
  readonly op: number;
  readonly body: Uint8Array;
}

interface HeldFailure {
  readonly xid: number;
  readonly lsn: Lsn;
  readonly error: Error;
}

export interface GatedShape {
  readonly id: ShapeId;
  readonly generation: number;
  readonly key: StorageKey;
  readonly slot: LogSlot;
  /** `Router.readCount` when the shape was registered. */
  readonly readCount: number;
}

export class SnapshotGate implements GatedShape {
  readonly id: ShapeId;
  readonly generation: number;
  readonly key: StorageKey;
  readonly slot: LogSlot;
  readonly readCount: number;
  readonly #bytesMax: number;
  #held: HeldTransaction[] = [];
  #failures: HeldFailure[] = [];
  #heldBytes = 0;
  #bounds: SnapshotBounds | undefined;

  constructor({ id, generation, key, slot, readCount }: GatedShape, bytesMax: number) {
    this.id = id;
    this.generation = generation;
    this.key = key;
    this.slot = slot;
    this.readCount = readCount;
    this.#bytesMax = bytesMax;
  }

  /** Undefined while it is holding. */
  get bounds(): SnapshotBounds | undefined {
    return this.#bounds;
  }

  /**
   * Whether a change of this transaction belongs into the log now. False: it was dropped, or is
   * held, in a copy. Throws nothing; see `isOverfull`.
   */
  admits(xid: number, lsn: Lsn, op: number, body: Uint8Array): boolean {
    if (this.#bounds !== undefined) return !isVisible(xid, lsn, this.#bounds);
    if (this.isOverfull) return false;
    let transaction = this.#held.at(-1);
    if (transaction?.lsn !== lsn) {
      transaction = { xid, lsn, changes: [] };
      this.#held.push(transaction);
    }
    transaction.changes.push({ lsn, op, body: new Uint8Array(body) });
    this.#heldBytes += body.length + CHANGE_OVERHEAD_BYTES;
    if (this.#heldBytes > this.#bytesMax) this.#held = [];
    return false;
  }

  /**
   * Whether the WHERE's error in a change of this transaction ends the shape now. False: the
   * snapshot shows the change, or it is not known yet and `place` will tell.
   */
  fails(failure: HeldFailure): boolean {
    if (this.#bounds !== undefined) return !isVisible(failure.xid, failure.lsn, this.#bounds);
    if (this.isOverfull) return true;
    this.#failures.push(failure);
    this.#heldBytes += CHANGE_OVERHEAD_BYTES;
    return this.isOverfull;
  }

  /** More is held than may be: the shape has to go. */
  get isOverfull(): boolean {
    return this.#heldBytes > this.#bytesMax;
  }

  /** The transaction being read will come again. */
  forget(lsn: Lsn): void {
    const before = this.#failures.length;
    this.#failures = this.#failures.filter((failure) => failure.lsn !== lsn);
    this.#heldBytes -= (before - this.#failures.length) * CHANGE_OVERHEAD_BYTES;
    if (this.#held.at(-1)?.lsn !== lsn) return;
    for (const { body } of this.#held.pop()!.changes) {
      this.#heldBytes -= body.length + CHANGE_OVERHEAD_BYTES;
    }
  }

  /**
   * The snapshot is placed in time. Returns what was held and is not in it, to be appended.
   *
   * @throws the error of the WHERE in a change that the snapshot does not show.
   */
  place(bounds: SnapshotBounds): readonly HeldChange[] {
    assert(this.#bounds === undefined, "a snapshot is placed once");
    this.#bounds = bounds;
    const changes = this.#held
      .filter(({ xid, lsn }) => !isVisible(xid, lsn, bounds))
      .flatMap((transaction) => transaction.changes);
    const failure = this.#failures.find(({ xid, lsn }) => !isVisible(xid, lsn, bounds));
    this.#held = [];
    this.#failures = [];
    this.#heldBytes = 0;
    if (failure !== undefined) throw failure.error;
    return changes;
  }

  /**
   * Whether nothing that comes after `received` can be in the snapshot. The commit record of what
   * it shows begins below its insert position, and so does what has been received when that is
   * reached: on a database where nothing is written, the two are equal.
   */
  isOver(received: Lsn): boolean {
    return this.#bounds !== undefined && received >= this.#bounds.lsn;
  }
}

/** Past the insert position that was read after the snapshot, xids need no test (protocol 10.4). */
function isVisible(xid: number, lsn: Lsn, bounds: SnapshotBounds): boolean {
  return lsn <= bounds.lsn && isVisibleInSnapshot(xid, bounds);
}
