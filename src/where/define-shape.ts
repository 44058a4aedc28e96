/**
 * From what a client asks for to what the engine works with: names become column indexes, the WHERE
 * becomes a template and constants, and requests that mean the same become equal (protocol 11.1).
 *
 * What comes first is reported first: columns, the form of the clause, parameters, its meaning.
 */

import { InvalidParameter } from "../lib/errors.ts";
import {
  tablesOf,
  type Constants,
  type LogMode,
  type ReplicaMode,
  type ShapeDefinition,
  type ShapeTemplate,
  type WhereTemplate,
} from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
import { entriesSizeMax, withUnknownViews } from "./access-entries.ts";
import { selectColumns, type ColumnList } from "./column-selection.ts";
import { defineWhere, type DefinedWhere } from "./define-where.ts";
import { areLiteralsTraced, DefinitionCache, isTraced, NO_TRACES } from "./definition-cache.ts";
import type { ConstantSource } from "./lift.ts";
import { liftLiterals, type LiftedText, type Literal } from "./literals.ts";
import { readParameters } from "./parameters.ts";
import { parseWhere } from "./parser.ts";
import { hasLongPattern, PATTERN_LENGTH_MAX } from "./pattern-limit.ts";
import type { WhereFacts } from "./scope.ts";
import { templateText } from "./template-text.ts";

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
  const lifted = request.where === undefined ? undefined : liftLiterals(request.where);
  const known = findKnown(table, request, facts, { parameters, lifted });
  if (known !== undefined) return known;

  const literals = lifted?.literals ?? [];
  const columns = columnsOf(table, request, facts);
  const filter =
    request.where === undefined ? undefined : readWhere(table, request, facts, literals);
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
  const traces = filter?.traces ?? NO_TRACES;
  const given = parameters?.length ?? 0;
  const { sources } = traces;
  const add = (clause: KnownClause, sources: readonly ConstantSource[]) =>
    definitions.add(table, keyOf(request, clause, facts, parameters), definition, sources);
  if (!isTraced(traces, given)) {
    add({ text: request.where, values: parameters }, withoutValues(sources, 0));
  } else if (lifted !== undefined && areLiteralsTraced(traces, given, literals.length)) {
    add({ form: lifted.form }, sources);
  } else {
    add({ text: request.where }, withoutValues(sources, given));
  }
  return definition;
}

/**
 * A clause as it is known: by its form, as it is written, or with its parameters, if the template
 * depends on them; who polls sends the same ones again. A client may write what looks like a form,
 * and it is none.
 */
type KnownClause =
  | { readonly form: string }
  | { readonly text: string | undefined; readonly values?: readonly string[] | undefined };

/** Leaves the first values as sources alone: the others are in the text that the clause has. */
function withoutValues(
  sources: readonly ConstantSource[],
  first: number,
): readonly ConstantSource[] {
  return sources.map(({ value, type }) => {
    return { type, value: value !== undefined && value.index < first ? value : undefined };
  });
}

/** What a request says beside its text. Undefined parameters: they are in disorder. */
interface Said {
  readonly parameters: readonly string[] | undefined;
  readonly lifted: LiftedText | undefined;
}

/** By the form of the clause, or by the clause. */
function findKnown(
  table: Table,
  request: ShapeRequest,
  facts: WhereFacts,
  { parameters, lifted }: Said,
): ShapeDefinition | undefined {
  const values = parameters ?? [];
  const find = (clause: KnownClause, given: readonly string[]) => {
    const known = definitions.find(table, keyOf(request, clause, facts, parameters), given);
    if (known === undefined || !restsOn(known.template, facts.innerTables)) return undefined;
    const { where } = known.template;
    // What is refused is analysed again, and says why.
    return where === undefined || isAllowed(where, known.constants) ? known : undefined;
  };
  if (lifted !== undefined) {
    const texts = lifted.literals.map(({ text }) => text);
    const known = find({ form: lifted.form }, [...values, ...texts]);
    if (known !== undefined) return known;
  }
  return find({ text: request.where }, values) ?? find({ text: request.where, values }, []);
}

/** Whether its subselects are about these very tables. */
function restsOn(template: ShapeTemplate, innerTables: readonly Table[] = []): boolean {
  const { table, where } = template;
  if (where?.subqueries === undefined) return true;
  return tablesOf(template).every((each) => each === table || innerTables.includes(each));
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

/** All that decides on the template, except for values. */
function keyOf(
  { columns, queryableColumns, replica, log }: ShapeRequest,
  clause: KnownClause,
  { publishesGeneratedColumns, caseMapping }: WhereFacts,
  parameters: readonly string[] | undefined,
): string {
  const facts = [publishesGeneratedColumns, caseMapping !== undefined];
  const count = parameters?.length ?? -1;
  return JSON.stringify([clause, count, columns, queryableColumns, replica, log, facts]);
}

function columnsOf(
  table: Table,
  { columns, queryableColumns }: ShapeRequest,
  { publishesGeneratedColumns }: WhereFacts,
): readonly number[] {
  return selectColumns(table, { columns, queryableColumns, publishesGeneratedColumns });
}

function readWhere(
  table: Table,
  { where, params }: ShapeRequest,
  facts: WhereFacts,
  literals: readonly Literal[],
): DefinedWhere {
  const clause = parseWhere(where!);
  const parameters = readParameters(params);
  const defined = defineWhere(clause, table, { parameters, literals }, facts);
  const { lifted } = defined;
  if (lifted === undefined || isAllowed(lifted.where, lifted.constants)) return defined;
  if (!isSmall(lifted.where, lifted.constants)) {
    const limit = `bigger than maximum size of ${CONSTANTS_SIZE_MAX} bytes`;
    const reason = `the constants are ${limit}, or a long list stands beside a long text`;
    throw new InvalidParameter("params", reason);
  }
  const limit = `more than ${PATTERN_LENGTH_MAX} characters`;
  throw new InvalidParameter("where", `a LIKE pattern has ${limit}, and wildcards before its end`);
}

function isAllowed(where: WhereTemplate, constants: Constants): boolean {
  return isSmall(where, constants) && !hasLongPattern(where, constants);
}

function isSmall(where: WhereTemplate, constants: Constants): boolean {
  const size = constants.reduce((sum, constant) => sum + Buffer.byteLength(constant), 0);
  if (size > CONSTANTS_SIZE_MAX) return false;
  return entriesSizeMax(where, withUnknownViews(where, constants)) <= ENTRIES_SIZE_MAX;
}
