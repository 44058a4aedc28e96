/**
 * Residuals: the part of routing that the core asks of TypeScript, once per change, for the shapes
 * whose WHERE its indexes do not decide (`assembly/verdicts.ts`).
 *
 *     list, in linear memory    ┌────────────┬─────────┐   rows: bit 24 the old one, 25 the new;
 *                               │ id, 24 bits│ rows, 2 │   which to look at before, for which the
 *                               └────────────┴─────────┘   WHERE is true after
 *     classes                   ┌────────────────┬─────┐
 *                               │ class, 0: none │  -  │   of the row that the shape gets
 *                               └────────────────┴─────┘
 *
 * An update that leaves the columns of a WHERE alone is evaluated once.
 *
 * In a replay each shape sees the views of its subqueries at positions of its own, which
 * `positionsOf` tells; otherwise at the one where they are now.
 *
 * A WHERE that raises an error, as it would in Postgres, is true of nothing, and its shape has
 * failed: `takeFailures` tells, and whoever asks removes it. Nothing may be thrown through the
 * core.
 */

import { assert } from "../lib/assert.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Constants } from "../model/shape-definition.ts";
import type { ViewPosition } from "../model/view.ts";
import type { Core } from "./core.ts";
import type { TemplateDescription } from "./descriptions.ts";
import { JudgedChange, type JudgedRow, type RowExports } from "./judged-change.ts";
import { DependentJudge, EVERYTHING, ResidualJudge, type Judge } from "./judges.ts";

const ROW_OLD = 1 << 24;
const ROW_NEW = 1 << 25;
const ROWS = ROW_OLD | ROW_NEW;
/** The old row is still to be judged. */
const PENDING = 1 << 26;
const ID_MASK = 0xff_ffff;

/** Words from one class to the next. */
const CLASS_STRIDE = 2;

/** The part of the ABI that a residual needs. */
interface ResidualExports extends RowExports {
  routerTemplateOf(id: number): number;
  routerReadConstants(id: number): number;
  routerConstantsAddress(): number;
}

/** At which positions of the views a shape sees the rows of a change. */
export interface ReplayPositions {
  readonly old: ViewPosition;
  readonly new: ViewPosition;
  /**
   * A literal is true of the old row only if it is at both positions: what leaves has been told to
   * leave before what enters is given (protocol 14.6), so who belongs by another literal than
   * before is given the row again.
   */
  readonly leavesFirst?: boolean;
}

/** Of every shape but in a replay: `LIVE` of `assembly/dependency-view.ts`. */
const LIVE = 0xffff_ffff as ViewPosition;
const NOW: ReplayPositions = { old: LIVE, new: LIVE };

/** Which transaction is being routed. */
export interface RoutedTransaction {
  readonly xid: number;
  readonly transactionLsn: Lsn;
}

/** A shape whose WHERE raised an error, and the transaction in which it did. */
export interface ShapeFailure {
  readonly id: ShapeId;
  readonly error: Error;
  readonly xid: number;
  readonly lsn: Lsn;
}

export class Residuals {
  /** Asked in replays. Undefined: the change does not concern the shape. */
  positionsOf: (id: ShapeId) => ReplayPositions | undefined = () => undefined;
  /** Whether the core is replaying. */
  isReplay = false;
  readonly #core: Core;
  readonly #exports: ResidualExports;
  readonly #judges = new Map<TemplateId, Judge>();
  readonly #transaction: RoutedTransaction;
  #failures: ShapeFailure[] = [];
  /** The last of them, by shape. */
  readonly #failed = new Map<ShapeId, ShapeFailure>();

  constructor(core: Core, transaction: RoutedTransaction) {
    this.#core = core;
    this.#transaction = transaction;
    this.#exports = core.exports as unknown as ResidualExports;
    core.judgeResiduals = (list, count, classes) => this.#judge(list, count, classes);
  }

  /** @throws {RangeError} when the template's plan lacks a subquery of its WHERE. */
  set(id: TemplateId, template: TemplateDescription): void {
    const { residual, dependent } = template;
    if (dependent !== undefined) this.#judges.set(id, new DependentJudge(this.#core, id, template));
    else if (residual !== undefined) this.#judges.set(id, new ResidualJudge(residual));
  }

  delete(template: TemplateId): void {
    this.#judges.delete(template);
  }

  /** Shapes that have failed since the last call, each once for a transaction. */
  takeFailures(): readonly ShapeFailure[] {
    const failures = this.#failures;
    if (failures.length === 0) return failures;
    this.#failures = [];
    this.#failed.clear();
    return failures;
  }

  #fail(id: ShapeId, error: Error): void {
    const { xid, transactionLsn: lsn } = this.#transaction;
    if (this.#failed.get(id)?.lsn === lsn) return;
    const failure = { id, error, xid, lsn };
    this.#failed.set(id, failure);
    this.#failures.push(failure);
  }

  /** First all shapes of the new row, then all of the old one: filters remember the row at hand. */
  #judge(list: number, count: number, classes: number): void {
    const change = new JudgedChange(this.#core, this.#exports);
    const { words } = this.#core;
    const first = list >>> 2;
    let isOldWanted = false;
    for (let place = 0; place < count; place++) {
      const word = words[first + place]!;
      const id = (word & ID_MASK) as ShapeId;
      const judge = this.#judgeOf(id);
      const positions = this.isReplay ? this.positionsOf(id) : NOW;
      let rows = positions === undefined ? 0 : word & ROWS;
      const isOnce = rows === ROWS && positions!.old === positions!.new;
      const isBoth = isOnce && change.leavesAlone(judge.columns);
      if ((rows & ROW_NEW) !== 0) {
        if (this.#matches(judge, change.newRow, id, positions!.new)) {
          words[(classes >>> 2) + CLASS_STRIDE * place] = judge.classIn(change);
        } else {
          rows &= isBoth ? 0 : ~ROW_NEW;
        }
      }
      if ((rows & ROW_OLD) !== 0 && !isBoth) {
        rows |= PENDING;
        isOldWanted = true;
      }
      words[first + place] = id | rows;
    }
    if (isOldWanted) this.#judgeOldRow(change, first, count, classes);
  }

  #judgeOldRow(change: JudgedChange, first: number, count: number, classes: number): void {
    const { words } = this.#core;
    for (let place = 0; place < count; place++) {
      const word = words[first + place]! & ~PENDING;
      if (words[first + place] === word) continue;
      const id = (word & ID_MASK) as ShapeId;
      const judge = this.#judgeOf(id);
      const positions = this.isReplay ? this.positionsOf(id)! : NOW;
      const also = positions.leavesFirst === true ? positions.new : undefined;
      const isMatch = this.#matches(judge, change.oldRow, id, positions.old, also);
      words[first + place] = isMatch ? word : word & ~ROW_OLD;
      // What is deleted has the class of the old row, what is there that of the new one.
      if (isMatch && (word & ROW_NEW) === 0) {
        words[(classes >>> 2) + CLASS_STRIDE * place] = judge.classIn(change);
      }
    }
  }

  #judgeOf(id: ShapeId): Judge {
    const template = (this.#exports.routerTemplateOf(id) >>> 0) as TemplateId;
    const judge = this.#judges.get(template);
    if (judge !== undefined) return judge;
    assert(this.isReplay, `template ${template} has a residual`);
    return EVERYTHING;
  }

  #matches(
    judge: Judge,
    row: JudgedRow,
    id: ShapeId,
    position: ViewPosition,
    also?: ViewPosition,
  ): boolean {
    if (judge === EVERYTHING) return true;
    try {
      return judge.matches(row, this.#constantsOf(id), position, also);
    } catch (error) {
      this.#fail(id, error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  #constantsOf(id: ShapeId): Constants {
    const size = this.#exports.routerReadConstants(id) >>> 0;
    const address = this.#exports.routerConstantsAddress() >>> 0;
    return decodeConstants(this.#core.buffer, address, address + size);
  }
}
