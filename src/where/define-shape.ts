/**
 * From what a client asks for to what the engine works with: names become column indexes, the WHERE
 * becomes a template and constants, and requests that mean the same become equal (protocol 11.1).
 *
 * What comes first is reported first: columns, the form of the clause, parameters, its meaning.
 */

import { InvalidParameter } from "../lib/errors.ts";
import type {
  Constants,
  LogMode,
  ReplicaMode,
  ShapeDefinition,
  ShapeTemplate,
  WhereTemplate,
} from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
import { entriesSizeMax } from "./access-entries.ts";
import { analyseWhere } from "./analyse.ts";
import { selectColumns, type ColumnList } from "./column-selection.ts";
import { DefinitionCache } from "./definition-cache.ts";
import { normalise } from "./normalise.ts";
import { readParameters } from "./parameters.ts";
import { parseWhere } from "./parser.ts";
import type { WhereFacts } from "./scope.ts";
import { templateText } from "./template-text.ts";
import { liftWhere, type LiftedWhere } from "./where-template.ts";

/** The parameters of protocol 2.1 that define a shape on a table that is known, not yet checked. */
export interface ShapeRequest {
  readonly where: string | undefined;
  /** `params[n]`: keys as the client wrote them. Not even looked at without a `where`. */
  readonly params: Readonly<Record<string, string>>;
  /** Comma-separated identifiers, or a list. Undefined: every column. */
  readonly columns: ColumnList | undefined;
  /** The columns that may be selected. Undefined: all of them. */
  readonly queryableColumns?: ColumnList | undefined;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
}

const NO_FACTS: WhereFacts = { publishesGeneratedColumns: false };

/** Of all constants together. The core takes a megabyte; a `where` of this size is the largest. */
const CONSTANTS_SIZE_MAX = 65_536;

/** Of all entries of a shape: `a = ANY ($1) AND b = $2` repeats the text in each entry. */
const ENTRIES_SIZE_MAX = 1024 * 1024;

const definitions = new DefinitionCache();

/**
 * @throws {InvalidParameter} naming the parameter (protocol 3.3).
 * @throws {LitzError} PARSER_RESTARTING (503).
 */
export function defineShape(
  table: Table,
  request: ShapeRequest,
  facts: WhereFacts = NO_FACTS,
): ShapeDefinition {
  const parameters = numberedParameters(request);
  const key = keyOf(request, facts, parameters);
  const known = definitions.find(table, key, parameters ?? []);
  if (known !== undefined && isSmall(known.template.where, known.constants)) return known;

  const columns = columnsOf(table, request, facts);
  const filter = request.where === undefined ? undefined : readWhere(table, request, facts);
  const parts: Omit<ShapeTemplate, "text"> = {
    table,
    where: filter?.lifted?.where,
    columns,
    hasExplicitColumns: request.columns !== undefined || request.queryableColumns !== undefined,
    replica: request.replica,
    log: request.log,
  };
  const definition = {
    template: { text: templateText(parts), ...parts },
    constants: filter?.lifted?.constants ?? [],
  };
  const sources = filter?.lifted?.sources ?? [];
  definitions.add(table, key, definition, sources, filter?.parameterCount ?? 0);
  return definition;
}

/** Undefined: they are in disorder, which is not the first thing to complain of. */
function numberedParameters({ where, params }: ShapeRequest): readonly string[] | undefined {
  if (where === undefined) return [];
  try {
    return readParameters(params);
  } catch {
    return undefined;
  }
}

/** All that decides on the template, except for the values of parameters. */
function keyOf(
  { where, columns, queryableColumns, replica, log }: ShapeRequest,
  { publishesGeneratedColumns, caseMapping }: WhereFacts,
  parameters: readonly string[] | undefined,
): string {
  const facts = [publishesGeneratedColumns, caseMapping !== undefined];
  const count = parameters?.length ?? -1;
  return JSON.stringify([where, count, columns, queryableColumns, replica, log, facts]);
}

function columnsOf(
  table: Table,
  { columns, queryableColumns }: ShapeRequest,
  { publishesGeneratedColumns }: WhereFacts,
): readonly number[] {
  return selectColumns(table, { columns, queryableColumns, publishesGeneratedColumns });
}

interface ReadWhere {
  /** Undefined: the clause is true of every row. */
  readonly lifted: LiftedWhere | undefined;
  readonly parameterCount: number;
}

function readWhere(table: Table, { where, params }: ShapeRequest, facts: WhereFacts): ReadWhere {
  const clause = parseWhere(where!);
  const parameters = readParameters(params);
  const { expression, parameterCount } = analyseWhere(clause, table, parameters, facts);
  const lifted = liftWhere(normalise(expression, facts), table);
  if (lifted !== undefined && !isSmall(lifted.where, lifted.constants)) {
    const limit = `bigger than maximum size of ${CONSTANTS_SIZE_MAX} bytes`;
    const reason = `the constants are ${limit}, or a long list stands beside a long text`;
    throw new InvalidParameter("params", reason);
  }
  return { lifted, parameterCount };
}

function isSmall(where: WhereTemplate | undefined, constants: Constants): boolean {
  const size = constants.reduce((sum, constant) => sum + Buffer.byteLength(constant), 0);
  if (size > CONSTANTS_SIZE_MAX) return false;
  return where === undefined || entriesSizeMax(where, constants) <= ENTRIES_SIZE_MAX;
}
