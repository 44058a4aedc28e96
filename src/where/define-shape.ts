/**
 * From what a client asks for to what the engine works with: names become column indexes, the WHERE
 * becomes terms and constants, and requests that mean the same become equal (protocol 11.1).
 *
 * What comes first is reported first: columns, the form of the clause, parameters, its meaning.
 */

import { InvalidParameter } from "../lib/errors.ts";
import type {
  LogMode,
  ReplicaMode,
  ShapeDefinition,
  ShapeTemplate,
} from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
import { kindOf, type TypeName } from "./canonical.ts";
import { readEqualities, type Equality } from "./equalities.ts";
import { parseColumnList } from "./identifiers.ts";
import { readParameters } from "./parameters.ts";
import { parseWhere } from "./parser.ts";
import { checkReferences } from "./references.ts";
import { templateText } from "./template-text.ts";

/** The parameters of protocol 2.1 that define a shape on a table that is known, not yet checked. */
export interface ShapeRequest {
  readonly where: string | undefined;
  /** `params[n]`: keys as the client wrote them. Not even looked at without a `where`. */
  readonly params: Readonly<Record<string, string>>;
  /** Comma-separated identifiers, or a list. Undefined: every column. */
  readonly columns: string | readonly string[] | undefined;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
}

/** Of all constants together. The core takes a megabyte; a `where` of this size is the largest. */
const CONSTANTS_SIZE_MAX = 65_536;

/**
 * @throws {InvalidParameter} naming the parameter (protocol 3.3).
 * @throws {LitzError} PARSER_RESTARTING (503).
 */
export function defineShape(table: Table, request: ShapeRequest): ShapeDefinition {
  const columns = selectColumns(table, request.columns);
  const equalities = request.where === undefined ? [] : readWhere(table, request, request.where);
  const parts: Omit<ShapeTemplate, "text"> = {
    table,
    terms: equalities.map(({ column, type }) => ({
      column,
      kind: kindOf(type),
      castSql: CASTS[type],
    })),
    columns,
    hasExplicitColumns: request.columns !== undefined,
    replica: request.replica,
    log: request.log,
  };
  return {
    template: { text: templateText(parts), ...parts },
    constants: equalities.map(({ constant }) => constant),
  };
}

/** `varchar` has no operators but those of `text`. */
const CASTS: Record<TypeName, string> = {
  int2: "int2",
  int4: "int4",
  int8: "int8",
  bool: "bool",
  text: "text",
  varchar: "text",
  uuid: "uuid",
};

function readWhere(table: Table, request: ShapeRequest, where: string): readonly Equality[] {
  const clause = parseWhere(where);
  const parameters = readParameters(request.params);
  checkReferences(clause, table, parameters.length);
  const equalities = readEqualities(clause, table, parameters);
  const size = equalities.reduce((sum, { constant }) => sum + Buffer.byteLength(constant), 0);
  if (size > CONSTANTS_SIZE_MAX) {
    const limit = `maximum size of ${CONSTANTS_SIZE_MAX} bytes`;
    throw new InvalidParameter("params", `constants of ${size} bytes are bigger than ${limit}`);
  }
  return equalities;
}

/** Ascending indexes. Neither order nor repetition means anything. */
function selectColumns(table: Table, columns: ShapeRequest["columns"]): readonly number[] {
  const selected =
    columns === undefined
      ? table.columns.map((_, index) => index)
      : findColumns(table, parseColumnList(columns, "columns"));
  const generated = selected.filter((index) => table.columns[index]!.generated !== undefined);
  if (generated.length > 0) {
    const names = generated.map((index) => table.columns[index]!.name).join(", ");
    const message =
      "The following columns are generated and cannot be included in the shape: " + names;
    const advice =
      ". You can exclude them from the shape by explicitly listing which columns to fetch in the " +
      "'columns' query param";
    throw invalidColumns(columns === undefined ? message + advice : message);
  }
  return selected;
}

function findColumns(table: Table, names: readonly string[]): readonly number[] {
  if (names.length === 0) throw invalidColumns("The list of columns must not be empty");
  const wanted = new Set(names);
  const missing = table.columns.filter(
    ({ name, keyIndex }) => keyIndex !== undefined && !wanted.has(name),
  );
  if (missing.length > 0) {
    throw invalidColumns(
      `The list of columns must include all primary key columns, missing: ${nameAll(missing)}`,
    );
  }
  const known = new Set(table.columns.map(({ name }) => name));
  const unknown = [...wanted].filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw invalidColumns(`The following columns are not found on the table: ${unknown.join(", ")}`);
  }
  return [...table.columns.keys()].filter((index) => wanted.has(table.columns[index]!.name));
}

function nameAll(columns: readonly { readonly name: string }[]): string {
  return columns.map(({ name }) => name).join(", ");
}

function invalidColumns(message: string): InvalidParameter {
  return new InvalidParameter("columns", message);
}
