import type { Core, CoreExports } from "./core.ts";

/** In the order of `assembly/owners.ts`. */
export const OWNERS = [
  "free",
  "static",
  "page pool",
  "input and output",
  "handle table",
  "shape table",
  "equality index",
  "id sets",
  "value store",
  "condition tree",
  "consumer registry",
  "flush tracker",
  "pending postings",
  "membership index",
  "range index",
  "definition index",
  "accesses",
  "partition map",
  "subquery index",
  "value counts",
  "view history",
] as const;

export type Owner = (typeof OWNERS)[number];

/** What holds no more for more shapes: the rest grows and shrinks with them. */
const NOT_OF_SHAPES: ReadonlySet<Owner> = new Set([
  "free",
  "static",
  "page pool",
  "input and output",
  "consumer registry",
  "flush tracker",
  "pending postings",
  "view history",
]);
const OF_SHAPES = OWNERS.flatMap((owner, number) => (NOT_OF_SHAPES.has(owner) ? [] : [number]));
const FREE = OWNERS.indexOf("free");

export interface OwnerReport {
  readonly owner: Owner;
  /** How many things it keeps; pages, where it keeps no things. */
  readonly entries: number;
  readonly liveBytes: number;
  readonly committedBytes: number;
  /** Committed and not live: what rounding and fragmentation cost. */
  readonly wastedBytes: number;
}

/**
 * What every structure of the core holds. The committed bytes of all owners are the size of linear
 * memory, to the byte.
 */
export class Accounting {
  readonly #exports: CoreExports;

  constructor(core: Core) {
    this.#exports = core.exports;
  }

  /** Size of linear memory. */
  get totalBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Bytes of pages that somebody has. */
  get usedBytes(): number {
    return this.totalBytes - this.#exports.accountingCommittedBytes(FREE);
  }

  /** Live bytes of what grows with the number of shapes. Some 0.3 us. */
  get shapeBytes(): number {
    return OF_SHAPES.reduce((sum, owner) => sum + this.#exports.accountingLiveBytes(owner), 0);
  }

  report(): readonly OwnerReport[] {
    return OWNERS.map((owner, number) => {
      const liveBytes = this.#exports.accountingLiveBytes(number);
      const committedBytes = this.#exports.accountingCommittedBytes(number);
      return {
        owner,
        entries: this.#exports.accountingEntries(number) >>> 0,
        liveBytes,
        committedBytes,
        wastedBytes: committedBytes - liveBytes,
      };
    });
  }
}
