import type { ShapeId } from "../model/ids.ts";
import { lsnOf, type Lsn } from "../model/lsn.ts";
import type { Core, CoreExports } from "./core.ts";

/**
 * Which shapes hold the WAL back, and from where on: see `assembly/flush-tracker.ts`.
 *
 * `sent` may grow linear memory; nothing else does.
 */
export class FlushTracker {
  readonly #exports: CoreExports;

  constructor(core: Core) {
    this.#exports = core.exports;
  }

  /** How many shapes hold something back. */
  get count(): number {
    return this.#exports.flushCount() >>> 0;
  }

  /**
   * Something of this LSN was sent to the shape and is not durable. No effect if it holds something
   * back already. False: no memory is left. REQUIRES: the shape is live.
   */
  sent(id: ShapeId, lsn: Lsn): boolean {
    const low = Number(lsn & 0xffff_ffffn) | 0;
    return this.#exports.flushSent(id, low, Number(lsn >> 32n) | 0) !== 0;
  }

  /** All that was sent to the shape is durable. REQUIRES: the id was minted once. */
  flushed(id: ShapeId): void {
    this.#exports.flushFlushed(id);
  }

  /** The lowest LSN that is held back. */
  lowest(): Lsn | undefined {
    if (this.count === 0) return undefined;
    return lsnOf(this.#exports.flushMinimumHigh(), this.#exports.flushMinimumLow());
  }
}
