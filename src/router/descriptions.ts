/**
 * Relations and templates as the core is told of them: packed, little-endian, with every piece of
 * JSON that does not depend on a row already spelled out, so that the core only copies.
 *
 *     relation ┌─────┬─────────┬──────┬─────────────┬──────────────┬───────────┬──────────────┐
 *              │ oid │ columns │ keys │ prefix size │ headers size │ key[keys] │ (flags, size)│ ...
 *              └─────┴─────────┴──────┴─────────────┴──────────────┴───────────┴──────────────┘
 *                u32     u16     u16       u32            u32           u16     u16, u16 each
 *                followed by the texts: key prefix, headers, one member name per column
 *
 *     template ┌──────┬───────┬─────────┬───────┬───────────┬────────────────┬──────────┬──────┐
 *              │ mode │ terms │ columns │ flags │ tags size │ (column, kind) │ column   │ tags │
 *              └──────┴───────┴─────────┴───────┴───────────┴────────────────┴──────────┴──────┘
 *                u16    u16     u16       u16     u32         u16, u16 each    u16 each
 *
 * Tags are described in `tags.ts`. A template that is no conjunction has no terms but a plan,
 * behind the tags, in u32 words: exact, pattern kind, negated, column, constant, branches, listed,
 * dependent; and per access its size and itself, see `assembly/access.ts`. Entries of a shape are
 * described in `assembly/access-entry.ts`.
 *
 * The readers are `assembly/condition-tree.ts` and `assembly/plan.ts`.
 */

import type { Access, AccessPlan, AccessTerm, OrderKind } from "../model/access-plan.ts";
import type { TemplateId } from "../model/ids.ts";
import type { DependentFilter, RowFilter } from "../model/row-filter.ts";
import type { ReplicaMode } from "../model/shape-definition.ts";
import { quoteTable } from "../model/table.ts";
import { EQUALITY_KIND } from "./equality-kinds.ts";
import { describeTags, type TaggedForm } from "./tags.ts";

export interface RelationDescription {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** In catalog order: templates and layouts speak of them by index. */
  readonly columns: readonly { readonly name: string; readonly isBool: boolean }[];
  /** `keyColumnsOf(table)`. */
  readonly key: readonly number[];
}

export interface TemplateDescription {
  readonly plan: AccessPlan;
  /** Selected columns, ascending; of a view what the subquery names, in that order. */
  readonly columns: readonly number[];
  readonly replica: ReplicaMode;
  /** Evaluated for the candidates of a plan that is not exact. */
  readonly residual?: RowFilter;
  /** Its shapes are views of a subquery: what they get are deltas, `assembly/delta-writer.ts`. */
  readonly isView?: boolean;
  /** Its WHERE has subqueries. */
  readonly dependent?: DependentDescription;
}

export interface DependentDescription {
  readonly subqueries: TaggedForm;
  /** By dependency: the template of its views, which is known as a family. */
  readonly families: readonly TemplateId[];
  /** In place of a residual, be the plan exact or not. */
  readonly filter: DependentFilter;
  /** For the names of columns. */
  readonly table: { readonly columns: readonly { readonly name: string }[] };
}

/** Numbers of `assembly/order-code.ts`. */
const ORDER_KIND: Record<OrderKind, number> = {
  int: 1,
  date: 2,
  time: 3,
  timestamp: 4,
  decimal: 5,
  uuid: 6,
  text: 7,
};

/** Numbers of `assembly/access.ts`. */
const ACCESS_TYPE = {
  equality: 1,
  range: 2,
  null: 3,
  elements: 4,
  path: 5,
  all: 6,
  subquery: 8,
  grams: 10,
} as const;
/** A subquery in which rows are not looked up. */
const LISTED_TYPE = 9;

/** Numbers of `assembly/plan.ts`. */
const LIKE = 1;
const ILIKE = 2;

/** `assembly/path-key.ts` and `assembly/access.ts` have room for so many. */
const TERM_COUNT_MAX = 64;
const BRANCH_COUNT_MAX = 256;
/** `assembly/path-tree.ts` has. */
const STEP_COUNT_MAX = 32;

/** Modes of `assembly/projection.ts`. */
const MODE_DEFAULT = 0;
const MODE_FULL = 1;
const MODE_DELTA = 2;

/** Flags of `assembly/condition-tree.ts`. */
const FLAG_VIEW = 1;
const FLAG_DEPENDENT = 2;

const FLAG_BOOL = 1;
const FLAG_KEY = 2;

export function describeRelation(relation: RelationDescription): Uint8Array {
  const { oid, schema, name, columns, key } = relation;
  const prefix = Buffer.from(`{"key":${JSON.stringify(quoteTable(relation)).slice(0, -1)}`);
  const headers = Buffer.from(`,"relation":${JSON.stringify([schema, name])},"txids":[`);
  const members = columns.map((column) => Buffer.from(`${JSON.stringify(column.name)}:`));

  const head = Buffer.alloc(16 + 2 * key.length + 4 * columns.length);
  head.writeUInt32LE(oid, 0);
  head.writeUInt16LE(columns.length, 4);
  head.writeUInt16LE(key.length, 6);
  head.writeUInt32LE(prefix.length, 8);
  head.writeUInt32LE(headers.length, 12);
  let offset = 16;
  for (const column of key) offset = head.writeUInt16LE(column, offset);
  columns.forEach((column, index) => {
    const flags = (column.isBool ? FLAG_BOOL : 0) | (key.includes(index) ? FLAG_KEY : 0);
    offset = head.writeUInt16LE(flags, offset);
    offset = head.writeUInt16LE(members[index]!.length, offset);
  });
  return Buffer.concat([head, prefix, headers, ...members]);
}

/**
 * @returns `planOffset` is 0 for a template that has terms.
 * @throws {RangeError} when there are more terms or branches than the core takes, a plan that is
 *   not exact comes without a residual, or a subquery without the template of its views.
 */
export function describeTemplate(template: TemplateDescription): {
  readonly bytes: Uint8Array;
  readonly planOffset: number;
} {
  const { plan, columns } = template;
  check(template);
  const isConjunction = plan.isConjunction === true;
  const terms = isConjunction ? termsOf(plan) : [];
  const tags = tagsOf(template);
  const head = Buffer.alloc(12 + 4 * terms.length + 2 * columns.length);
  head.writeUInt16LE(modeOf(template), 0);
  head.writeUInt16LE(terms.length, 2);
  head.writeUInt16LE(columns.length, 4);
  head.writeUInt16LE(flagsOf(template), 6);
  head.writeUInt32LE(tags.length, 8);
  let offset = 12;
  for (const { column, kind } of terms) {
    offset = head.writeUInt16LE(column, offset);
    offset = head.writeUInt16LE(EQUALITY_KIND[kind], offset);
  }
  for (const column of columns) offset = head.writeUInt16LE(column, offset);
  if (isConjunction) return { bytes: head, planOffset: 0 };
  const planOffset = head.length + tags.length;
  return { bytes: Buffer.concat([head, tags, describePlan(template)]), planOffset };
}

/**
 * Whether rows of a shape are told apart by which literals are true of them, which the core does
 * not find out by itself: what is one AND has all of them true.
 */
export function hasClasses({ dependent, isView }: TemplateDescription): boolean {
  return dependent !== undefined && isView !== true && dependent.subqueries.disjuncts.length > 1;
}

function check({ plan, residual, dependent }: TemplateDescription): void {
  if (!plan.isExact && residual === undefined && dependent === undefined) {
    throw new RangeError("a plan that is not exact needs a residual");
  }
  const count = plan.branches.length + (plan.listed?.length ?? 0);
  if (count > BRANCH_COUNT_MAX) {
    throw new RangeError(`a plan has at most ${BRANCH_COUNT_MAX} branches, got ${count}`);
  }
}

function modeOf({ isView, replica }: TemplateDescription): number {
  if (isView === true) return MODE_DELTA;
  return replica === "full" ? MODE_FULL : MODE_DEFAULT;
}

function flagsOf({ isView, dependent }: TemplateDescription): number {
  return (isView === true ? FLAG_VIEW : 0) | (dependent === undefined ? 0 : FLAG_DEPENDENT);
}

function tagsOf({ isView, dependent }: TemplateDescription): Uint8Array {
  if (dependent === undefined || isView === true) return new Uint8Array();
  const { subqueries, filter, table } = dependent;
  return describeTags(subqueries, filter.columns, table.columns);
}

function termsOf({ branches }: AccessPlan): readonly AccessTerm[] {
  const [branch] = branches;
  if (branches.length !== 1 || (branch?.type !== "equality" && branch?.type !== "all")) {
    throw new RangeError("a conjunction is one equality, or all rows");
  }
  return branch.type === "all" ? [] : checkedTerms(branch.terms);
}

function checkedTerms(terms: readonly AccessTerm[]): readonly AccessTerm[] {
  if (terms.length > TERM_COUNT_MAX) {
    throw new RangeError(`a template has at most ${TERM_COUNT_MAX} terms, got ${terms.length}`);
  }
  return terms;
}

function describePlan(template: TemplateDescription): Uint8Array {
  const { plan, dependent } = template;
  const { branches, listed = [], pattern } = plan;
  const kind = pattern === undefined ? 0 : pattern.ignoresCase ? ILIKE : LIKE;
  const isNegated = pattern?.isNegated === true ? 1 : 0;
  const { column = 0, constant = 0 } = pattern ?? {};
  const isExact = plan.isExact && !hasClasses(template) ? 1 : 0;
  const isDependent = dependent === undefined ? 0 : 1;
  const counts = [branches.length, listed.length];
  const head = words(isExact, kind, isNegated, column, constant, ...counts, isDependent);
  const families = dependent?.families ?? [];
  const accesses = [
    ...branches.map((access) => describeAccess(access, families)),
    ...listed.map((access) => describeListed(access, families)),
  ];
  return Buffer.concat([head, ...accesses.flatMap((access) => [words(access.length), access])]);
}

function describeListed(access: Access, families: readonly TemplateId[]): Uint8Array {
  if (access.type !== "subquery") throw new RangeError("only subqueries are listed");
  return describeViews(LISTED_TYPE, access, families);
}

function describeViews(
  type: number,
  { terms, dependency }: Extract<Access, { type: "subquery" }>,
  families: readonly TemplateId[],
): Uint8Array {
  const family = families[dependency];
  if (family === undefined) throw new RangeError(`dependency ${dependency} has no views`);
  return words(type, terms.length, ...wordsOf(checkedTerms(terms)), family);
}

function wordsOf(terms: readonly AccessTerm[]): readonly number[] {
  return terms.flatMap(({ column, kind }) => [column, EQUALITY_KIND[kind]]);
}

function describeAccess(access: Access, families: readonly TemplateId[]): Uint8Array {
  const type = ACCESS_TYPE[access.type];
  switch (access.type) {
    case "equality": {
      const terms = checkedTerms(access.terms);
      return words(type, terms.length, ...wordsOf(terms));
    }
    case "subquery":
      return describeViews(type, access, families);
    case "range":
      return words(type, access.column, ORDER_KIND[access.order]);
    case "null":
      return words(type, access.column);
    case "elements":
      return words(type, access.column, EQUALITY_KIND[access.kind]);
    case "grams":
      return words(type, access.column, access.size, access.ignoresCase ? 1 : 0);
    case "path": {
      const { column, path } = access;
      if (path.length === 0 || path.length > STEP_COUNT_MAX) {
        throw new RangeError(`a path has 1 to ${STEP_COUNT_MAX} steps, got ${path.length}`);
      }
      const head = words(type, column, path.length);
      return Buffer.concat([head, ...path.flatMap(sizedText)]);
    }
    case "all":
      return words(type);
  }
}

function sizedText(text: string): Uint8Array[] {
  const bytes = Buffer.from(text, "utf8");
  return [words(bytes.length), bytes];
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
  return bytes;
}
