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
 *     template ┌─────────┬───────┬─────────┬──────────┬────────────────┬──────────┐
 *              │ replica │ terms │ columns │ reserved │ (column, kind) │ column   │ ...
 *              └─────────┴───────┴─────────┴──────────┴────────────────┴──────────┘
 *                u16       u16     u16       u16        u16, u16 each    u16 each
 *
 * A template that is no conjunction has no terms but a plan, behind the columns, in u32 words:
 * exact, pattern kind, negated, column, constant, branches; and per branch the size of an access
 * and the access, see `assembly/access.ts`. Entries of a shape are described in
 * `assembly/access-entry.ts`.
 *
 * The readers are `assembly/condition-tree.ts` and `assembly/plan.ts`.
 */

import type {
  Access,
  AccessPlan,
  AccessTerm,
  EqualityKind,
  OrderKind,
} from "../model/access-plan.ts";
import type { RowFilter } from "../model/row-filter.ts";
import type { ReplicaMode } from "../model/shape-definition.ts";
import { quoteTable } from "../model/table.ts";

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
  /** Selected columns, ascending. */
  readonly columns: readonly number[];
  readonly replica: ReplicaMode;
  /** Evaluated for the candidates of a plan that is not exact. */
  readonly residual?: RowFilter;
}

/** Numbers of `assembly/literal.ts`. */
const EQUALITY_KIND: Record<EqualityKind, number> = {
  int: 1,
  uuid: 2,
  text: 3,
  decimal: 4,
  padded: 5,
  timestamp: 6,
  date: 7,
  time: 8,
};

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
const ACCESS_TYPE = { equality: 1, range: 2, null: 3, elements: 4, path: 5, all: 6 } as const;

/** Numbers of `assembly/plan.ts`. */
const LIKE = 1;
const ILIKE = 2;

/** `assembly/path-key.ts` and `assembly/access.ts` have room for so many. */
const TERM_COUNT_MAX = 64;
const BRANCH_COUNT_MAX = 256;

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
 * @throws {RangeError} when there are more terms or branches than the core takes, or a plan that is
 *   not exact comes without a residual.
 */
export function describeTemplate({ plan, columns, replica, residual }: TemplateDescription): {
  readonly bytes: Uint8Array;
  readonly planOffset: number;
} {
  if (!plan.isExact && residual === undefined) {
    throw new RangeError("a plan that is not exact needs a residual");
  }
  if (plan.branches.length > BRANCH_COUNT_MAX) {
    const count = plan.branches.length;
    throw new RangeError(`a plan has at most ${BRANCH_COUNT_MAX} branches, got ${count}`);
  }
  const isConjunction = plan.isConjunction === true;
  const terms = isConjunction ? termsOf(plan) : [];
  const head = Buffer.alloc(8 + 4 * terms.length + 2 * columns.length);
  head.writeUInt16LE(replica === "full" ? 1 : 0, 0);
  head.writeUInt16LE(terms.length, 2);
  head.writeUInt16LE(columns.length, 4);
  let offset = 8;
  for (const { column, kind } of terms) {
    offset = head.writeUInt16LE(column, offset);
    offset = head.writeUInt16LE(EQUALITY_KIND[kind], offset);
  }
  for (const column of columns) offset = head.writeUInt16LE(column, offset);
  if (isConjunction) return { bytes: head, planOffset: 0 };
  return { bytes: Buffer.concat([head, describePlan(plan)]), planOffset: head.length };
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

function describePlan({ branches, isExact, pattern }: AccessPlan): Uint8Array {
  const kind = pattern === undefined ? 0 : pattern.ignoresCase ? ILIKE : LIKE;
  const isNegated = pattern?.isNegated === true ? 1 : 0;
  const { column = 0, constant = 0 } = pattern ?? {};
  const head = words(isExact ? 1 : 0, kind, isNegated, column, constant, branches.length);
  const accesses = branches.map(describeAccess);
  return Buffer.concat([head, ...accesses.flatMap((access) => [words(access.length), access])]);
}

function describeAccess(access: Access): Uint8Array {
  const type = ACCESS_TYPE[access.type];
  switch (access.type) {
    case "equality": {
      const terms = checkedTerms(access.terms);
      const kinds = terms.flatMap(({ column, kind }) => [column, EQUALITY_KIND[kind]]);
      return words(type, terms.length, ...kinds);
    }
    case "range":
      return words(type, access.column, ORDER_KIND[access.order]);
    case "null":
      return words(type, access.column);
    case "elements":
      return words(type, access.column, EQUALITY_KIND[access.kind]);
    case "path": {
      const head = words(type, access.column, access.path.length);
      return Buffer.concat([head, ...access.path.flatMap(sizedText)]);
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
