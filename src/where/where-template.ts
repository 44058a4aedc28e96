/**
 * From a condition to what a million shapes share of it: the tree without its constants, and all
 * that follows from the tree.
 */

import { columnsOf, type Expression } from "../model/expression.ts";
import type { Constants, WhereTemplate } from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
import { lift, type ConstantSource } from "./lift.ts";
import { planAccess } from "./plan.ts";
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
export function liftWhere(condition: Expression, table: Table): LiftedWhere | undefined {
  if (condition.node === "value" && condition.text === "t") return undefined;
  const { expression, ...constants } = lift(condition);
  return { where: whereTemplate(expression, table), ...constants };
}

/** @throws {RangeError} the expression names something that there is not. */
export function whereTemplate(expression: Expression, table: Table): WhereTemplate {
  return {
    expression,
    columns: columnsOf(expression),
    ...planAccess(expression),
    sql: toSql(expression, table),
  };
}
