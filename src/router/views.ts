import type { EqualityKind } from "../model/access-plan.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import type { ViewPosition, ViewTransition } from "../model/view.ts";
import { assert } from "../lib/assert.ts";
import { EXCHANGE_SIZE, type Core, type CoreExports } from "./core.ts";
import { EQUALITY_KIND } from "./equality-kinds.ts";

/**
 * What became of inner rows that came or went. But for `applied`, nothing has changed:
 *
 *     refused     the budget forbids it; within a step, which nobody can refuse: there is no memory
 *     unusable    a value is none of its kind or longer than 1 MiB
 *     uncounted   there are fewer rows than were to be taken away: somebody has lost count
 */
export type ApplyOutcome = "applied" | ApplyFailure;
export type ApplyFailure = "refused" | "unusable" | "uncounted";

/** By code of `assembly/dependency-view.ts`. */
const OUTCOMES: readonly ApplyOutcome[] = ["refused", "applied", "unusable", "uncounted"];

/** The position of what is so now: `assembly/dependency-view.ts`. */
export const LIVE = 0xffff_ffff;

/** Bits of a membership. 2, that a value of the left side is NULL, is for who knows that side. */
export const ViewBit = { member: 1, hasNull: 4, isEmpty: 8 } as const;

/** `assembly/index-views.ts`. */
interface ViewExports extends CoreExports {
  routerReserveScratch(size: number): number;
  viewAddFamily(template: number, kinds: number, termCount: number): number;
  viewRemoveFamily(family: number): void;
  viewAdd(view: number, family: number): void;
  viewRemove(view: number): void;
  viewForget(view: number): number;
  viewsSweep(pairs: number): number;
  viewCountOf(view: number): number;
  viewBeginStep(position: number): void;
  viewApply(view: number, tuple: number, count: number): number;
  viewEndStep(): number;
  viewCopyTransitions(cursor: number, out: number, capacity: number): number;
  viewTransitionsCopiedTo(): number;
  viewKeepSince(position: number): void;
  viewKeepNothing(): void;
  viewHistoryLength(): number;
  viewFindRow(view: number, tuple: number): number;
  viewMembership(view: number, row: number, position: number): number;
  viewListRows(view: number, after: number, out: number, capacity: number): number;
  viewListedUpTo(): number;
  viewTermCount(row: number): number;
  viewWriteTerm(row: number, index: number): number;
  viewTermAddress(): number;
  viewValueCount(): number;
}

const NULL_ROW = 1;
const EMPTY_ROW = 2;
const ENTERING = 0x8000_0000;
/** Pairs of words that are copied at a time. */
const SLICE = EXCHANGE_SIZE / 8;

/**
 * Dependency views: the value set of each distinct subquery, kept in the core once for all shapes
 * that use it, with as much of its history as shapes in the middle of a move need.
 *
 *     addFamily(template) ── addView(view) ── apply(view, tuple, +1) ...           filled
 *     beginStep(7) ── apply(view, tuple, ±n) ... ── endStep(): transitions         at each commit
 *     removeView(view) ── sweep(n) ... ── isSwept(view): its id may be retired
 *
 * Positions are numbers of steps, of 32 bits; they may start again at 0, and LIVE is none of them.
 */
export class Views {
  readonly #core: Core;
  readonly #exports: ViewExports;
  /** Numbers in the core. */
  readonly #families = new Map<TemplateId, number>();

  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports as ViewExports;
  }

  /** Makes the family of all views of a template. False: the budget forbids it. */
  addFamily(template: TemplateId, kinds: readonly EqualityKind[]): boolean {
    assert(!this.#families.has(template), `template ${template} has a family`);
    const words = kinds.map((kind) => EQUALITY_KIND[kind]);
    this.#core.words.set(words, this.#core.exchange >>> 2);
    const number = this.#exports.viewAddFamily(template, this.#core.exchange, kinds.length) >>> 0;
    if (number === 0) return false;
    this.#families.set(template, number);
    return true;
  }

  /** REQUIRES: all its views were removed. They need not have been swept. */
  removeFamily(template: TemplateId): void {
    this.#exports.viewRemoveFamily(this.#familyOf(template));
    this.#families.delete(template);
  }

  /** Makes an id of `ShapeTable.mintView` an empty view. Takes no memory. */
  addView(view: ShapeId, template: TemplateId): void {
    this.#exports.viewAdd(view, this.#familyOf(template));
  }

  /** Nobody asks for the view any more. Takes no longer the more there is. */
  removeView(view: ShapeId): void {
    this.#exports.viewRemove(view);
  }

  /**
   * Goes on with taking out the values of removed views, and with forgetting what no position
   * needs: about so many pairs of a value and a view. True: there is nothing to do for now. A few
   * removed views may be left for when there are more, or none but they.
   */
  sweep(pairs: number): boolean {
    return this.#exports.viewsSweep(pairs) !== 0;
  }

  /** Whether the core has forgotten a removed view: its id may be retired. */
  isSwept(view: ShapeId): boolean {
    return this.#exports.viewForget(view) !== 0;
  }

  /** Begins a step, which comes after those before it. REQUIRES: it is not LIVE. */
  beginStep(position: ViewPosition): void {
    this.#exports.viewBeginStep(position);
  }

  /**
   * `count` more (or, negative, fewer) inner rows give the view a tuple: of each column, in order,
   * the u32 size of its text (0xffffffff: NULL) and the text. Outside of a step this has neither
   * transitions nor history.
   */
  apply(view: ShapeId, tuple: Uint8Array, count: number): ApplyOutcome {
    const address = this.#write(tuple);
    return address === 0 ? "refused" : OUTCOMES[this.#exports.viewApply(view, address, count)]!;
  }

  /** Ends the step. What has changed on the whole, in the order of the last changes. */
  endStep(): readonly ViewTransition[] {
    const count = this.#exports.viewEndStep() >>> 0;
    const words = this.#copyTransitions(count);
    return Array.from({ length: count }, (_, index) =>
      this.#transitionOf(words[index * 2]!, words[index * 2 + 1]!),
    );
  }

  /**
   * What was so at this position and later can be asked for from now on: it is the oldest that
   * somebody needs, so it does not descend. Undefined: nobody needs any.
   */
  keepSince(position: ViewPosition | undefined): void {
    if (position === undefined) this.#exports.viewKeepNothing();
    else this.#exports.viewKeepSince(position);
  }

  /** How many changes of views are kept. */
  get historyLength(): number {
    return this.#exports.viewHistoryLength() >>> 0;
  }

  /** How many values the views have, each once for all views of a template. */
  get valueCount(): number {
    return this.#exports.viewValueCount() >>> 0;
  }

  /** How many different values a view has, tuples with a NULL not counted. */
  countOf(view: ShapeId): number {
    return this.#exports.viewCountOf(view) >>> 0;
  }

  /** Whether a view has a tuple with a NULL in it. */
  hasNull(view: ShapeId): boolean {
    return (this.#exports.viewMembership(view, 0, LIVE) & ViewBit.hasNull) !== 0;
  }

  /** What a view says of a tuple at a position: see `ViewBit`. For tests and the admin. */
  membershipBits(view: ShapeId, tuple: Uint8Array, position: number): number {
    const row = this.#exports.viewFindRow(view, this.#write(tuple));
    return this.#exports.viewMembership(view, row, position);
  }

  /**
   * Values of a view, at most `limit`, in no order; `next` is what to give as `after` to go on, and
   * undefined when that was all. A page may be short, or empty, before the last one.
   */
  valuesOf(
    view: ShapeId,
    after = 0,
    limit = SLICE,
  ): { readonly values: readonly (readonly string[])[]; readonly next: number | undefined } {
    const { exchange } = this.#core;
    const count = this.#exports.viewListRows(view, after, exchange, Math.min(limit, SLICE));
    const rows = this.#core.words.slice(exchange >>> 2, (exchange >>> 2) + count);
    const next = this.#exports.viewListedUpTo() >>> 0;
    return {
      values: Array.from(rows, (row) => this.#textsOf(row)),
      next: next === 0 ? undefined : next,
    };
  }

  #familyOf(template: TemplateId): number {
    const family = this.#families.get(template);
    assert(family !== undefined, `template ${template} has no family`);
    return family;
  }

  /** Puts a tuple where the core can read it. 0: the budget forbids it. */
  #write(tuple: Uint8Array): number {
    const address =
      tuple.length <= EXCHANGE_SIZE
        ? this.#core.exchange
        : this.#exports.routerReserveScratch(tuple.length) >>> 0;
    if (address !== 0) this.#core.bytes.set(tuple, address);
    return address;
  }

  #copyTransitions(count: number): Uint32Array {
    const words = new Uint32Array(count * 2);
    const { exchange } = this.#core;
    let copied = 0;
    while (copied < count) {
      const cursor = copied === 0 ? 0 : this.#exports.viewTransitionsCopiedTo();
      const size = this.#exports.viewCopyTransitions(cursor, exchange, SLICE);
      const slice = this.#core.words.subarray(exchange >>> 2, (exchange >>> 2) + size * 2);
      words.set(slice, copied * 2);
      copied += size;
    }
    return words;
  }

  #transitionOf(view: number, word: number): ViewTransition {
    const isEntering = word >= ENTERING;
    const row = isEntering ? word - ENTERING : word;
    const id = view as ShapeId;
    if (row === NULL_ROW) return { view: id, kind: "null", isEntering };
    if (row === EMPTY_ROW) return { view: id, kind: "empty", isEntering };
    return { view: id, kind: "value", isEntering, values: this.#textsOf(row) };
  }

  #textsOf(row: number): readonly string[] {
    const length = this.#exports.viewTermCount(row);
    return Array.from({ length }, (_, index) => {
      const size = this.#exports.viewWriteTerm(row, index) >>> 0;
      const address = this.#exports.viewTermAddress() >>> 0;
      return this.#core.buffer.toString("utf8", address, address + size);
    });
  }
}
