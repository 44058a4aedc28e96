/**
 * From a parsed clause to its template and constants, and to those of its subselects, and of
 * theirs: a subselect's WHERE is analysed as if it were a request of its own, with the same
 * parameters.
 */

import type { Table } from "../model/table.ts";
import { analyseWhere } from "./analyse.ts";
import { errorAt } from "./clause-error.ts";
import { usedAgain, type Traces } from "./definition-cache.ts";
import { resolveDependencies } from "./dependencies.ts";
import { checkSize, expandLists } from "./disjunctive-form.ts";
import { normalise } from "./normalise.ts";
import type { WhereClause } from "./parser.ts";
import type { RequestValues, WhereFacts } from "./scope.ts";
import type { FoundSubselect } from "./subselect.ts";
import { liftWhere, type LiftedWhere } from "./where-template.ts";

export interface DefinedWhere {
  /** Undefined: the clause is true of every row. */
  readonly lifted: LiftedWhere | undefined;
  readonly traces: Traces;
}

/** Subselects in subselects. Each level is a step that a change takes through the views. */
const DEPTH_MAX = 5;

/**
 * REQUIRES: the parameters are those of `readParameters`.
 *
 * @throws {InvalidParameter} naming `where`, with the texts of protocol 3.3, 13.7 and 14.1.
 */
export function defineWhere(
  clause: WhereClause,
  table: Table,
  values: RequestValues,
  facts: WhereFacts,
  depth = 0,
): DefinedWhere {
  const { parameters, literals } = values;
  const analysis = analyseWhere(clause, table, parameters, facts, literals);
  const { expression, subselects } = analysis;
  let { reads } = analysis;
  if (subselects.length === 0) {
    const lifted = liftWhere(normalise(expression, facts), table);
    return { lifted, traces: { sources: lifted?.sources ?? [], reads } };
  }
  const condition = normalise(expandLists(expression), facts);
  checkSize(condition);
  const define = (subselect: FoundSubselect): LiftedWhere | undefined => {
    refuseTooDeep(clause.text, subselect, depth);
    if (subselect.where === undefined) return undefined;
    const inner = { text: clause.text, expression: subselect.where };
    const { lifted, traces } = defineWhere(inner, subselect.table, values, facts, depth + 1);
    reads = [...reads, ...traces.reads];
    return lifted;
  };
  const resolved = resolveDependencies(clause.text, table, condition, subselects, define);
  if (resolved.dependsOnValues) reads = usedAgain(reads);
  const lifted = liftWhole(resolved, table);
  return { lifted, traces: { sources: lifted?.sources ?? [], reads } };
}

/** The constants of subselects stand behind those of the clause itself. */
function liftWhole(
  { condition, dependencies }: ReturnType<typeof resolveDependencies>,
  table: Table,
): LiftedWhere | undefined {
  const templates = dependencies.map(({ template }) => template);
  const lifted = liftWhere(condition, table, templates);
  if (lifted === undefined) return undefined;
  return {
    where: lifted.where,
    constants: [...lifted.constants, ...dependencies.flatMap(({ constants }) => constants)],
    sources: [...lifted.sources, ...dependencies.flatMap(({ sources }) => sources)],
  };
}

function refuseTooDeep(text: string, { location }: FoundSubselect, depth: number): void {
  if (depth < DEPTH_MAX) return;
  throw errorAt(text, location, `subqueries may be nested ${DEPTH_MAX} levels deep`);
}
