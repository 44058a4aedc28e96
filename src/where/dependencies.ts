/**
 * The subselects of a clause become the dependencies of its template (`model/subquery.ts`).
 *
 *     a IN (SELECT x FROM t WHERE y = 1) OR b IN (SELECT x FROM t WHERE y = 1)     one dependency
 *     a IN (SELECT x FROM t WHERE y = 1) OR b IN (SELECT x FROM t WHERE y = 2)     two
 *     a IN (SELECT x FROM t) OR b IN (SELECT z FROM t)                             two
 *
 * They are counted in the order in which the clause, once normalised, first has them; what
 * normalising has removed is none.
 */

import {
  membershipsOf,
  withChildren,
  childrenOf,
  type Expression,
  type MembershipNode,
} from "../model/expression.ts";
import type { Constants, SubselectTemplate } from "../model/shape-definition.ts";
import { keyColumnsOf, type Table } from "../model/table.ts";
import { errorAt, invalidWhere } from "./clause-error.ts";
import type { ConstantSource } from "./lift.ts";
import type { FoundSubselect } from "./subselect.ts";
import { templateText } from "./template-text.ts";
import type { LiftedWhere } from "./where-template.ts";

export interface DefinedDependency {
  readonly template: SubselectTemplate;
  readonly constants: Constants;
  readonly sources: readonly ConstantSource[];
}

export interface Resolved {
  /** Memberships in it count `dependencies`. */
  readonly condition: Expression;
  readonly dependencies: readonly DefinedDependency[];
  /** Whether the same clause with other values may have more dependencies, or fewer. */
  readonly dependsOnValues: boolean;
}

/** Of one clause. Each takes a view, and a place in the index of its family. */
const MEMBERSHIP_COUNT_MAX = 64;

/**
 * @param condition normalised; memberships count `subselects`.
 * @param define reads the WHERE of a subselect; undefined: it is true of every row.
 * @throws {InvalidParameter} naming `where`.
 */
export function resolveDependencies(
  text: string,
  table: Table,
  condition: Expression,
  subselects: readonly FoundSubselect[],
  define: (subselect: FoundSubselect) => LiftedWhere | undefined,
): Resolved {
  const memberships = membershipsOf(condition);
  if (memberships.length > MEMBERSHIP_COUNT_MAX) {
    throw invalidWhere(
      `WHERE clause is too complex: it may have ${MEMBERSHIP_COUNT_MAX} subqueries`,
    );
  }
  for (const membership of memberships) {
    refuseNullableRow(text, table, membership, subselects[membership.dependency]!);
  }
  const dependencies: DefinedDependency[] = [];
  const numbers = new Map<string, number>();
  const texts = new Set<string>();
  const numberOf = new Map<number, number>();
  for (const { dependency } of memberships) {
    if (numberOf.has(dependency)) continue;
    const found = subselects[dependency]!;
    const defined = dependencyOf(found, define(found));
    const { template, constants } = defined;
    const key = JSON.stringify([template.text, ...constants]);
    if (!numbers.has(key)) numbers.set(key, dependencies.push(defined) - 1);
    texts.add(template.text);
    numberOf.set(dependency, numbers.get(key)!);
  }
  const resolved = renumber(condition, numberOf);
  refuseBothPolarities(membershipsOf(resolved));
  const dependsOnValues = texts.size < dependencies.length;
  return { condition: resolved, dependencies, dependsOnValues };
}

function dependencyOf(
  { table, projection }: FoundSubselect,
  lifted: LiftedWhere | undefined,
): DefinedDependency {
  const columns = [...new Set([...projection, ...keyColumnsOf(table)])].sort((a, b) => a - b);
  const parts: Omit<SubselectTemplate, "text"> = {
    table,
    where: lifted?.where,
    columns,
    hasExplicitColumns: true,
    replica: "default",
    log: "full",
    projection,
  };
  return {
    template: { text: templateText(parts), ...parts },
    constants: lifted?.constants ?? [],
    sources: lifted?.sources ?? [],
  };
}

function renumber(expression: Expression, numbers: ReadonlyMap<number, number>): Expression {
  if (expression.node === "membership") {
    return { ...expression, dependency: numbers.get(expression.dependency)! };
  }
  const children = childrenOf(expression);
  return withChildren(
    expression,
    children.map((child) => renumber(child, numbers)),
  );
}

/**
 * What `(a, b) NOT IN` says of a row depends on each tuple that has a NULL, and on which side it
 * is: a view tells of whole tuples only.
 */
function refuseNullableRow(
  text: string,
  table: Table,
  { columns, isNegated }: MembershipNode,
  { table: inner, projection, location }: FoundSubselect,
): void {
  if (!isNegated || columns.length === 1) return;
  const all = [
    ...columns.map((index) => table.columns[index]!),
    ...projection.map((index) => inner.columns[index]!),
  ];
  const nullable = all.find(({ isNotNull, keyIndex }) => !isNotNull && keyIndex === undefined);
  if (nullable === undefined) return;
  const message =
    "NOT IN (SELECT ...) of several columns needs columns that are NOT NULL on both sides; " +
    `${nullable.name} may be NULL`;
  throw errorAt(text, location, message);
}

function refuseBothPolarities(memberships: readonly MembershipNode[]): void {
  const polarities = new Map<number, boolean>();
  for (const { dependency, isNegated } of memberships) {
    if ((polarities.get(dependency) ?? isNegated) !== isNegated) {
      throw invalidWhere(
        "a subquery dependency cannot be used with both positive and negative polarity in the " +
          "same filter",
      );
    }
    polarities.set(dependency, isNegated);
  }
}
