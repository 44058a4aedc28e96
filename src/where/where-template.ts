/**
 * From a condition to what a million shapes share of it: the tree without its constants, and all
 * that follows from the tree.
 */

import { columnsOf, countConstants, type Expression } from "../model/expression.ts";
import {
  constantCountOf,
  type Constants,
  type Dependency,
  type Subqueries,
  type SubselectTemplate,
  type WhereTemplate,
} from "../model/shape-definition.ts";
import type { Literal } from "../model/subquery.ts";
import type { Table } from "../model/table.ts";
import { memberKindOf } from "./access-of.ts";
import { disjunctsOf } from "./disjunctive-form.ts";
import { lift, type ConstantSource } from "./lift.ts";
import { planAccess } from "./plan.ts";
import { typeOfColumn } from "./sql-types.ts";
import { subquerySql } from "./subquery-sql.ts";
import { toSql } from "./to-sql.ts";

export interface LiftedWhere {
  readonly where: WhereTemplate;
  readonly constants: Constants;
  readonly sources: readonly ConstantSource[];
}

/**
 * Undefined: the WHERE is true of every row.
 *
 * @param condition normalised, its constants in place.
 */
export function liftWhere(
  condition: Expression,
  table: Table,
  subselects: readonly SubselectTemplate[] = [],
): LiftedWhere | undefined {
  if (condition.node === "value" && condition.text === "t") return undefined;
  const { expression, ...constants } = lift(condition);
  return { where: whereTemplate(expression, table, subselects), ...constants };
}

/**
 * @param subselects by the `dependency` of memberships.
 * @throws {RangeError} the expression names something that there is not.
 */
export function whereTemplate(
  expression: Expression,
  table: Table,
  subselects: readonly SubselectTemplate[] = [],
): WhereTemplate {
  const dependencies = dependenciesOf(subselects, countConstants(expression));
  return {
    expression,
    columns: columnsOf(expression),
    ...planAccess(expression, dependencies),
    sql: toSql(expression, table, dependencies),
    ...(dependencies.length === 0
      ? {}
      : { subqueries: subqueriesOf(expression, table, dependencies) }),
  };
}

function dependenciesOf(
  subselects: readonly SubselectTemplate[],
  own: number,
): readonly Dependency[] {
  let firstConstant = own;
  return subselects.map((template) => {
    const constantCount = constantCountOf(template.where);
    const kinds = template.projection.map((index) => {
      const kind = memberKindOf(typeOfColumn(template.table.columns[index]!));
      if (kind === undefined) throw new RangeError(`column ${index} cannot be selected`);
      return kind;
    });
    const dependency = { template, kinds, firstConstant, constantCount };
    firstConstant += constantCount;
    return dependency;
  });
}

function subqueriesOf(
  expression: Expression,
  table: Table,
  dependencies: readonly Dependency[],
): Subqueries {
  const literals: Literal[] = [];
  const disjuncts = disjunctsOf(expression).map((parts) => {
    return parts.map((part) => literals.push(literalOf(part)) - 1);
  });
  const sql = subquerySql(expression, table, { dependencies, literals, disjuncts });
  return { dependencies, literals, disjuncts, sql };
}

function literalOf(part: Expression): Literal {
  if (part.node !== "membership") return { is: "condition", condition: part };
  const { dependency, columns, isNegated } = part;
  return { is: "membership", dependency, columns, isNegated };
}
