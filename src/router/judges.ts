/**
 * Judges: how the shapes of a template are judged that the core cannot judge itself.
 *
 *     residual      a WHERE without subqueries: a test of the row
 *     dependent     one with subqueries: the views are asked too, at a position in their history,
 *                   and which literals are true decides which body a shape gets
 *     everything    the indexes decide: in replays, where nothing is left to the core
 */

import { assert } from "../lib/assert.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import type { DependentFilter, RowFilter } from "../model/row-filter.ts";
import type { Constants } from "../model/shape-definition.ts";
import type { Membership } from "../model/subquery.ts";
import type { Core } from "./core.ts";
import { hasClasses, type DependentDescription, type TemplateDescription } from "./descriptions.ts";
import type { JudgedChange, JudgedRow, Side } from "./judged-change.ts";
import { NEW } from "./judged-change.ts";

/** The part of the ABI that a judge needs. */
export interface JudgeExports {
  routerReadMembership(
    side: number,
    template: number,
    access: number,
    view: number,
    position: number,
  ): number;
  routerAddClass(template: number): number;
}

export interface Judge {
  /** Columns that it reads. */
  readonly columns: readonly number[];

  /**
   * @param also a second position: what is true is so at both.
   * @throws {Error} when Postgres would raise one.
   */
  matches(row: JudgedRow, constants: Constants, position: number, also?: number): boolean;

  /** The class of the row that matched last, 0 for none: see `assembly/verdicts.ts`. */
  classIn(change: JudgedChange): number;
}

export class ResidualJudge implements Judge {
  readonly #filter: RowFilter;

  constructor(filter: RowFilter) {
    this.#filter = filter;
  }

  get columns(): readonly number[] {
    return this.#filter.columns;
  }

  matches(row: JudgedRow, constants: Constants): boolean {
    return this.#filter.matches(row, constants);
  }

  classIn(): number {
    return 0;
  }
}

/** For templates whose plan is exact. */
export const EVERYTHING: Judge = { columns: [], matches: () => true, classIn: () => 0 };

export class DependentJudge implements Judge {
  readonly #core: Core;
  readonly #exports: JudgeExports;
  readonly #template: TemplateId;
  readonly #filter: DependentFilter;
  /** How many views stand behind the constants of the WHERE. */
  readonly #viewCount: number;
  /** By literal: its dependency, and the number of its access in the plan. -1 for conditions. */
  readonly #dependencies: readonly number[];
  readonly #accesses: readonly number[];
  readonly #disjuncts: readonly (readonly number[])[];
  readonly #hasClasses: boolean;
  /** What is true of the row at hand. */
  readonly #active: Buffer;
  /** Classes of a change, by what is true in them. */
  #change: JudgedChange | undefined;
  readonly #classes = new Map<string, number>();
  #side: Side = NEW;
  #position = 0;
  #constants: Constants = [];

  /** @throws {RangeError} when the plan has no access for a membership. */
  constructor(core: Core, id: TemplateId, template: TemplateDescription) {
    assert(template.dependent !== undefined, "the template is dependent");
    const { subqueries, filter } = template.dependent;
    this.#core = core;
    this.#exports = core.exports as unknown as JudgeExports;
    this.#template = id;
    this.#filter = filter;
    this.#viewCount = subqueries.dependencies.length;
    this.#accesses = accessesOf(template, template.dependent);
    this.#dependencies = subqueries.literals.map((literal) => {
      return literal.is === "membership" ? literal.dependency : -1;
    });
    this.#disjuncts = subqueries.disjuncts;
    this.#hasClasses = hasClasses(template);
    this.#active = Buffer.alloc(subqueries.literals.length);
  }

  get columns(): readonly number[] {
    return this.#filter.columns;
  }

  matches(row: JudgedRow, constants: Constants, position: number, also?: number): boolean {
    this.#side = row.side;
    this.#position = position;
    this.#constants = constants;
    const isMatch = this.#filter.judge(row, constants, this.#membership, this.#active);
    if (also === undefined || !isMatch) return isMatch;
    const first = Buffer.from(this.#active);
    this.#position = also;
    this.#filter.judge(row, constants, this.#membership, this.#active);
    for (const [literal, isTrue] of first.entries()) this.#active[literal]! &= isTrue;
    return this.#disjuncts.some((literals) => {
      return literals.every((literal) => this.#active[literal] === 1);
    });
  }

  classIn(change: JudgedChange): number {
    if (!this.#hasClasses) return 0;
    if (this.#change !== change) {
      this.#change = change;
      this.#classes.clear();
    }
    const name = this.#active.toString("latin1");
    let found = this.#classes.get(name);
    if (found === undefined) {
      found = this.#addClass();
      this.#classes.set(name, found);
    }
    return found;
  }

  #addClass(): number {
    const address = this.#exports.routerAddClass(this.#template) >>> 0;
    // The core does without the change then, and starts it again with more room.
    if (address !== NO_ROOM_FOR_CLASS) this.#core.bytes.set(this.#active, address);
    return address;
  }

  readonly #membership = (literal: number): number => {
    const constants = this.#constants;
    const place = constants.length - this.#viewCount + this.#dependencies[literal]!;
    const view = Number(constants[place]!) as ShapeId;
    const access = this.#accesses[literal]!;
    const [side, position] = [this.#side, this.#position];
    return this.#exports.routerReadMembership(side, this.#template, access, view, position);
  };
}

/** Of `assembly/verdicts.ts`. */
const NO_ROOM_FOR_CLASS = 0xffff_ffff;

function accessesOf(
  { plan }: TemplateDescription,
  { subqueries }: DependentDescription,
): readonly number[] {
  const accesses = [...plan.branches, ...(plan.listed ?? [])];
  return subqueries.literals.map((literal, index) => {
    if (literal.is !== "membership") return -1;
    const found = accesses.findIndex((access) => {
      return access.type === "subquery" && isOf(access, literal);
    });
    if (found < 0)
      throw new RangeError(`the plan has no access for the subquery of literal ${index}`);
    return found;
  });
}

function isOf(
  access: { readonly dependency: number; readonly terms: readonly { readonly column: number }[] },
  { dependency, columns }: Membership,
): boolean {
  const { terms } = access;
  return (
    access.dependency === dependency &&
    terms.length === columns.length &&
    terms.every(({ column }, place) => column === columns[place])
  );
}
