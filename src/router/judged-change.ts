/**
 * The rows of the change that is being judged, as `residuals.ts` reads them out of the core. A
 * value is decoded once per row, whoever reads it.
 */

import type { RowReader } from "../model/row-filter.ts";
import type { Core } from "./core.ts";

/** Sides of the record, `assembly/record.ts`. */
export const NEW = 0;
export const OLD = 1;
export type Side = typeof NEW | typeof OLD;

const NULL = 0xffff_ffff;

/** The part of the ABI that reads a row. */
export interface RowExports {
  routerReadColumn(side: number, column: number): number;
  routerColumnAddress(): number;
}

/** Both rows of the change that is being routed. */
export class JudgedChange {
  readonly newRow: JudgedRow;
  readonly oldRow: JudgedRow;
  /** The columns that were asked about last, and whether they are unchanged. */
  #columns: readonly number[] | undefined;
  #isUnchanged = false;

  constructor(core: Core, exports: RowExports) {
    this.newRow = new JudgedRow(core, exports, NEW);
    this.oldRow = new JudgedRow(core, exports, OLD);
  }

  /** Whether columns are the same in both rows. */
  leavesAlone(columns: readonly number[]): boolean {
    if (this.#columns === columns) return this.#isUnchanged;
    this.#columns = columns;
    this.#isUnchanged = columns.every((column) => {
      return this.oldRow.text(column) === this.newRow.text(column);
    });
    return this.#isUnchanged;
  }
}

/** One of them. Valid while it is being judged. */
export class JudgedRow implements RowReader {
  readonly side: Side;
  readonly #core: Core;
  readonly #exports: RowExports;
  readonly #texts = new Map<number, string | null>();

  constructor(core: Core, exports: RowExports, side: Side) {
    this.side = side;
    this.#core = core;
    this.#exports = exports;
  }

  text(column: number): string | null {
    let text = this.#texts.get(column);
    if (text === undefined) {
      text = this.#read(column);
      this.#texts.set(column, text);
    }
    return text;
  }

  #read(column: number): string | null {
    const size = this.#exports.routerReadColumn(this.side, column) >>> 0;
    if (size === NULL) return null;
    const address = this.#exports.routerColumnAddress() >>> 0;
    return this.#core.buffer.toString("utf8", address, address + size);
  }
}
