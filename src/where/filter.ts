/** The residual of a template: its WHERE as a function of a row and a shape's constants. */

import type { Expression } from "../model/expression.ts";
import type { RowFilter, RowReader } from "../model/row-filter.ts";
import type { WhereTemplate } from "../model/shape-definition.ts";
import { compile, emptyFrame, type Compute, type EvaluationFacts, type Frame } from "./evaluate.ts";
import { EvaluationError } from "./values/errors.ts";

/** @param facts are asked at the first evaluation, and never again. */
export function compileFilter(where: WhereTemplate, facts: EvaluationFacts): RowFilter {
  // Templates whose shapes are found exactly are never asked.
  let parts: readonly Compute[] | undefined;
  const frame = emptyFrame();
  return {
    columns: where.columns,
    matches(row: RowReader, constants: readonly string[]): boolean {
      if (frame.row !== row) {
        frame.row = row;
        for (const column of where.columns) frame.decoded[column] = undefined;
      }
      frame.constants = constants;
      parts ??= partsOf(where.expression).map((part) => compile(part, facts));
      return areAllTrue(parts, frame);
    },
  };
}

function partsOf(expression: Expression): readonly Expression[] {
  return expression.node === "and" ? expression.args : [expression];
}

/**
 * The parts of a WHERE in whatever order Postgres may evaluate them (manual, 4.2.14): the cheapest
 * first, as a rule, and none after one that is not true. So an error counts only if all other parts
 * are true; otherwise Postgres would have answered, perhaps.
 */
function areAllTrue(parts: readonly Compute[], frame: Frame): boolean {
  let failure: EvaluationError | undefined;
  for (const part of parts) {
    try {
      if (part(frame) !== true) return false;
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return true;
}
