/**
 * Residuals: the part of routing that the core asks of TypeScript, once per change, for the shapes
 * whose WHERE its indexes do not decide (`assembly/verdicts.ts`).
 *
 *     list, in linear memory    ┌────────────┬─────────┐   rows: bit 24 the old one, 25 the new;
 *                               │ id, 24 bits│ rows, 2 │   which to look at before, for which the
 *                               └────────────┴─────────┘   WHERE is true after
 *
 * A value is decoded once per row, whoever reads it. An update that leaves the columns of a WHERE
 * alone is evaluated once.
 *
 * A WHERE that raises an error, as it would in Postgres, is true of nothing, and its shape has
 * failed: `takeFailures` tells, and whoever asks removes it. Nothing may be thrown through the
 * core.
 */

import { assert } from "../lib/assert.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import type { RowFilter, RowReader } from "../model/row-filter.ts";
import type { Core } from "./core.ts";

const ROW_OLD = 1 << 24;
const ROW_NEW = 1 << 25;
const ROWS = ROW_OLD | ROW_NEW;
/** The old row is still to be judged. */
const PENDING = 1 << 26;
const ID_MASK = 0xff_ffff;

/** Sides of the record, `assembly/record.ts`. */
const NEW = 0;
const OLD = 1;
const NULL = 0xffff_ffff;

/** The part of the ABI that a residual needs. */
interface ResidualExports {
  routerTemplateOf(id: number): number;
  routerReadConstants(id: number): number;
  routerConstantsAddress(): number;
  routerReadColumn(side: number, column: number): number;
  routerColumnAddress(): number;
}

/** A shape whose WHERE raised an error. */
export interface ShapeFailure {
  readonly id: ShapeId;
  readonly error: Error;
}

export class Residuals {
  readonly #core: Core;
  readonly #exports: ResidualExports;
  readonly #filters = new Map<TemplateId, RowFilter>();
  #failures = new Map<ShapeId, Error>();

  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports as unknown as ResidualExports;
    core.judgeResiduals = (list, count) => this.#judge(list, count);
  }

  set(template: TemplateId, filter: RowFilter): void {
    this.#filters.set(template, filter);
  }

  delete(template: TemplateId): void {
    this.#filters.delete(template);
  }

  /** Shapes that have failed since the last call, each once. */
  takeFailures(): readonly ShapeFailure[] {
    if (this.#failures.size === 0) return [];
    const failures = Array.from(this.#failures, ([id, error]) => ({ id, error }));
    this.#failures = new Map();
    return failures;
  }

  /** First all shapes of the new row, then all of the old one: filters remember the row at hand. */
  #judge(list: number, count: number): void {
    const change = new JudgedChange(this.#core, this.#exports);
    const { words } = this.#core;
    const first = list >>> 2;
    let isOldWanted = false;
    for (let index = first; index < first + count; index++) {
      const word = words[index]!;
      const id = (word & ID_MASK) as ShapeId;
      const filter = this.#filterOf(id);
      if ((word & ROWS) === ROWS && change.leavesAlone(filter)) {
        words[index] = id | (this.#matches(filter, change.newRow, id) ? ROWS : 0);
        continue;
      }
      if ((word & ROW_NEW) !== 0 && !this.#matches(filter, change.newRow, id)) {
        words[index] = word & ~ROW_NEW;
      }
      if ((word & ROW_OLD) !== 0) {
        words[index]! |= PENDING;
        isOldWanted = true;
      }
    }
    if (isOldWanted) this.#judgeOldRow(change, first, count);
  }

  #judgeOldRow(change: JudgedChange, first: number, count: number): void {
    const { words } = this.#core;
    for (let index = first; index < first + count; index++) {
      const word = words[index]! & ~PENDING;
      if (words[index] === word) continue;
      const id = (word & ID_MASK) as ShapeId;
      const isMatch = this.#matches(this.#filterOf(id), change.oldRow, id);
      words[index] = isMatch ? word : word & ~ROW_OLD;
    }
  }

  #filterOf(id: ShapeId): RowFilter {
    const template = (this.#exports.routerTemplateOf(id) >>> 0) as TemplateId;
    const filter = this.#filters.get(template);
    assert(filter !== undefined, `template ${template} has a residual`);
    return filter;
  }

  #matches(filter: RowFilter, row: RowReader, id: ShapeId): boolean {
    try {
      return filter.matches(row, this.#constantsOf(id));
    } catch (error) {
      this.#failures.set(id, error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #constantsOf(id: ShapeId): readonly string[] {
    const size = this.#exports.routerReadConstants(id) >>> 0;
    const address = this.#exports.routerConstantsAddress() >>> 0;
    return decodeConstants(this.#core.bytes.subarray(address, address + size));
  }
}

/** Both rows of the change that is being routed. */
class JudgedChange {
  readonly newRow: RowReader;
  readonly oldRow: RowReader;
  /** The filter that was asked last, and whether the columns that it reads are unchanged. */
  #filter: RowFilter | undefined;
  #isUnchanged = false;

  constructor(core: Core, exports: ResidualExports) {
    this.newRow = new JudgedRow(core, exports, NEW);
    this.oldRow = new JudgedRow(core, exports, OLD);
  }

  /** Whether what a filter reads is the same in both rows. */
  leavesAlone(filter: RowFilter): boolean {
    if (this.#filter === filter) return this.#isUnchanged;
    this.#filter = filter;
    this.#isUnchanged = filter.columns.every((column) => {
      return this.oldRow.text(column) === this.newRow.text(column);
    });
    return this.#isUnchanged;
  }
}

/** One of them. Valid while it is being judged. */
class JudgedRow implements RowReader {
  readonly #core: Core;
  readonly #exports: ResidualExports;
  readonly #side: number;
  readonly #texts = new Map<number, string | null>();

  constructor(core: Core, exports: ResidualExports, side: number) {
    this.#core = core;
    this.#exports = exports;
    this.#side = side;
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
    const size = this.#exports.routerReadColumn(this.#side, column) >>> 0;
    if (size === NULL) return null;
    const address = this.#exports.routerColumnAddress() >>> 0;
    const { buffer } = this.#core.bytes;
    return Buffer.from(buffer, address, size).toString("utf8");
  }
}
