/**
 * LITZ_STORAGE_MAX_BYTES: how large the storage directory may become.
 *
 * A shape that goes leaves its bytes where they are, until segments are rewritten and the catalog
 * gives pages back. So nothing is guessed: what is dead already is given back first, then a part of
 * the shapes goes, and the directory is measured again.
 *
 *     measured ─> over HIGH? ─> reclaim ─> measured ─> still over LOW? ─> an eighth of them at most
 *         ^                                                                        │
 *         └────────────────────────────────────────────────────────────────────────┘
 *
 * Between two measurements what has been written counts on top. Above the maximum itself nothing
 * new is begun; what happens to the shapes there are is written all the same.
 */

import type { Budget } from "./eviction.ts";
import type { ShapeRegistry } from "./registry.ts";

const HIGH = 15 / 16;
const LOW = 7 / 8;
/** The most of all shapes that go before the directory is measured again. */
const SHARE_MAX = 1 / 8;

/** What storage tells of itself and can do about it. */
export interface ReclaimableStore {
  /** Bytes that were ever written to the journal and to snapshots by this process. */
  readonly writtenBytes: number;
  /** Bytes of all files. */
  diskBytes(): Promise<number>;
  /** Gives the disk back what no shape needs any more. */
  reclaim(): Promise<void>;
}

export class StorageBudget implements Budget {
  readonly name = "disk";
  readonly setting = "LITZ_STORAGE_MAX_BYTES";
  readonly #registry: Pick<ShapeRegistry, "count">;
  readonly #store: ReclaimableStore;
  readonly #bytesMax: number;
  #measuredBytes = 0;
  #writtenBefore = 0;
  /** From HIGH on, until LOW is reached. */
  #isFalling = false;

  constructor(registry: Pick<ShapeRegistry, "count">, store: ReclaimableStore, bytesMax: number) {
    this.#registry = registry;
    this.#store = store;
    this.#bytesMax = bytesMax;
  }

  get isPressed(): boolean {
    return this.#bytes >= HIGH * this.#bytesMax;
  }

  get isExhausted(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  async excess(): Promise<number> {
    await this.#measure();
    if (this.#isLow()) return 0;
    await this.#store.reclaim();
    await this.#measure();
    if (this.#isLow()) return 0;
    const share = 1 - (LOW * this.#bytesMax) / this.#bytes;
    return Math.max(1, Math.ceil(Math.min(share, SHARE_MAX) * this.#registry.count));
  }

  get #bytes(): number {
    return this.#measuredBytes + this.#store.writtenBytes - this.#writtenBefore;
  }

  #isLow(): boolean {
    this.#isFalling = this.#bytes >= (this.#isFalling ? LOW : HIGH) * this.#bytesMax;
    return !this.#isFalling;
  }

  async #measure(): Promise<void> {
    // What is written meanwhile counts twice rather than not at all.
    const written = this.#store.writtenBytes;
    this.#measuredBytes = await this.#store.diskBytes();
    this.#writtenBefore = written;
  }
}
