/**
 * What a shape takes of linear memory, from the sizes that the structures of the core are built of.
 * What it may share with others is counted in full, as if it were alone: the upper bound that one
 * more such shape costs. What all of them really take, `GET /admin/memory` says to the byte.
 */

import type { AccessEntry } from "../model/access-plan.ts";
import { encodeConstants } from "../model/constants-codec.ts";
import type { Constants, ShapeTemplate } from "../model/shape-definition.ts";

export interface ShapeCost {
  /** `assembly/shape-table.ts`, `assembly/handle-table.ts`. */
  readonly rowBytes: number;
  /** Constants, and the entry by which the shape is found by its definition. */
  readonly definitionBytes: number;
  /** Entries in the indexes by which rows find it. */
  readonly entryBytes: number;
  readonly totalBytes: number;
}

const ROW_BYTES = 28;
/** A bucket of 64 bytes holds 12 entries and is 0.83 full (`assembly/leaf-table.ts`). */
const LEAF_ENTRY_BYTES = 6.4;
/** `assembly/value-store.ts`: a row of 8 bytes and its entry. */
const VALUE_BYTES = 8 + LEAF_ENTRY_BYTES;
const UUID_BYTES = 16;
/** `assembly/membership-index.ts`. */
const MEMBERSHIP_BYTES = 16 + LEAF_ENTRY_BYTES;
/** `assembly/range-index.ts`: 20 bytes in a leaf that is three quarters full. */
const RANGE_BYTES = 27;
/** An id among the neighbours that are looked at for every row. */
const MEMBER_BYTES = 2;

export function costOf(
  { where }: ShapeTemplate,
  constants: Constants,
  entries: readonly AccessEntry[],
): ShapeCost {
  const isConjunction = where === undefined || where.plan.isConjunction === true;
  const definitionBytes = isConjunction
    ? LEAF_ENTRY_BYTES + conjunctionBytes(where?.plan.branches[0], constants)
    : LEAF_ENTRY_BYTES + padded(encodeConstants(constants).length);
  // Subqueries in which rows are not looked up have their entries behind those of the plan.
  const accesses = isConjunction ? [] : [...where.plan.branches, ...(where.plan.listed ?? [])];
  const entryBytes = isConjunction
    ? 0
    : entries.reduce((sum, entry) => sum + bytesOf(entry, accesses[entry.branch]!), 0);
  const totalBytes = Math.round(ROW_BYTES + definitionBytes + entryBytes);
  return { rowBytes: ROW_BYTES, definitionBytes, entryBytes, totalBytes };
}

type Branch = NonNullable<ShapeTemplate["where"]>["plan"]["branches"][number];

/** One integer lies in the row; several terms are a tuple (`assembly/equality-index.ts`). */
function conjunctionBytes(branch: Branch | undefined, constants: Constants): number {
  if (branch?.type !== "equality") return 0;
  const isInt = branch.terms.map(({ kind }) => kind === "int");
  const values = branch.terms.reduce((sum, { kind }, index) => {
    return kind === "int" ? sum : sum + VALUE_BYTES + padded(sizeOf(kind, constants[index]!));
  }, 0);
  if (isInt.length <= 1) return values;
  return values + VALUE_BYTES + padded(isInt.reduce((sum, int) => sum + (int ? 8 : 4), 0));
}

function bytesOf(entry: AccessEntry, branch: Branch): number {
  if (branch.type === "all") return MEMBER_BYTES;
  if (branch.type === "range") return RANGE_BYTES;
  if (!("values" in entry)) return MEMBERSHIP_BYTES;
  const size = entry.values.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const isNumber =
    branch.type === "equality" && branch.terms.every(({ kind }) => NUMBERS.has(kind));
  const isInline = branch.type === "null" || (isNumber && entry.values.length === 1);
  return MEMBERSHIP_BYTES + (isInline ? 0 : VALUE_BYTES + padded(size));
}

/** Kinds whose key is a number of 64 bits. */
const NUMBERS: ReadonlySet<string> = new Set(["int", "date", "time", "timestamp"]);

function sizeOf(kind: string, text: string): number {
  return kind === "uuid" ? UUID_BYTES : Buffer.byteLength(text);
}

/** Blocks are multiples of 8 bytes. */
function padded(size: number): number {
  return Math.ceil(size / 8) * 8;
}
