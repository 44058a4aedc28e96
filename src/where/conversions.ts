/**
 * Which type becomes which, and how: chapter 10.3 to 10.5 of the Postgres manual, `pg_cast`.
 *
 * What the catalogue has no cast for may still be a relabelling (`varchar` is `text`), go through
 * text by the output or input function, or be done element by element.
 */

import type { ConvertNode, OperationName } from "../model/expression.ts";
import { CATALOGUE } from "./operations/catalogue.ts";
import type { CastContext, Operation } from "./operations/operation.ts";
import {
  arrayOf,
  categoryOf,
  elementOf,
  isArray,
  isEnum,
  isPreferred,
  isString,
  isUntyped,
  UNKNOWN,
  type SqlType,
} from "./sql-types.ts";

/** How a value gets from one type to another. */
export type Pathway =
  | { readonly how: "none" }
  | { readonly how: "call"; readonly operation: OperationName }
  | { readonly how: "relabel" | "output" | "input" }
  | { readonly how: "elements"; readonly element: NonNullable<ConvertNode["element"]> };

const RANK: Record<CastContext, number> = { implicit: 0, assignment: 1, explicit: 2 };

const CASTS: ReadonlyMap<string, Operation> = new Map(
  CATALOGUE.filter(({ kind }) => kind === "cast").map((cast) => [
    `${cast.args[0]!} ${cast.name}`,
    cast,
  ]),
);

/** Binary coercible, both ways where both are listed. */
const RELABELS: ReadonlySet<string> = new Set([
  "text varchar",
  "text bpchar",
  "varchar text",
  "varchar bpchar",
]);

/** Undefined: no cast in this context. REQUIRES: `from` is not unknown. */
export function pathway(from: SqlType, to: SqlType, context: CastContext): Pathway | undefined {
  if (from === to) return { how: "none" };
  if (isUntyped(from)) return undefined;
  if (RELABELS.has(`${from} ${to}`)) return { how: "relabel" };
  const cast = CASTS.get(`${from} ${to}`);
  if (cast !== undefined && RANK[cast.castContext!] <= RANK[context]) {
    const { kind, name, args } = cast;
    return { how: "call", operation: { kind, name, args } };
  }
  if (isArray(from) && isArray(to)) return elementPathway(from, to, context);
  if (context !== "implicit" && isString(to)) return { how: "output" };
  // The labels of an enum are only known to Postgres, which reads those that are constants.
  if (context === "explicit" && isString(from) && !isEnum(to) && !isEnumArray(to)) {
    return { how: "input" };
  }
  return undefined;
}

function elementPathway(from: SqlType, to: SqlType, context: CastContext): Pathway | undefined {
  const element = pathway(elementOf(from), elementOf(to), context);
  if (element === undefined || element.how === "none" || element.how === "elements") {
    return undefined;
  }
  return { how: "elements", element: element.how === "call" ? element.operation : element.how };
}

/** Whether a value of one type may stand, as it is, where the other is wanted. */
export function isImplicit(from: SqlType, to: SqlType): boolean {
  return from === UNKNOWN || pathway(from, to, "implicit") !== undefined;
}

/**
 * The type in which several values meet, section 10.5 of the manual. Text, if nothing has a type.
 *
 * @returns the two types that do not match, if there is none.
 */
export function commonType(types: readonly SqlType[]): SqlType | readonly [SqlType, SqlType] {
  let common: SqlType = UNKNOWN;
  for (const type of types) {
    if (type === UNKNOWN || type === common) continue;
    if (common === UNKNOWN) {
      common = type;
    } else if (categoryOf(type) !== categoryOf(common)) {
      return [common, type];
    } else if (!isPreferred(common) && isImplicit(common, type) && !isImplicit(type, common)) {
      common = type;
    }
  }
  const odd = types.find((type) => !isImplicit(type, common));
  if (odd !== undefined && common !== UNKNOWN) return [common, odd];
  return common === UNKNOWN ? "text" : common;
}

/** The type of an array of what is an element or an array itself: dimensions are of one type. */
export function arrayTypeOver(type: SqlType): SqlType {
  return isArray(type) ? type : arrayOf(type);
}

function isEnumArray(type: SqlType): boolean {
  return isArray(type) && isEnum(elementOf(type));
}
