/**
 * Which columns a shape has (protocol 2.1, 3.3): those that `columns` names, or all; of these only
 * what `queryable_columns` allows, if it is given.
 *
 * What comes first is reported first: the allow-list, the columns, generated columns.
 */

import { InvalidParameter } from "../lib/errors.ts";
import { liveColumnsOf, type Table, type TableColumn } from "../model/table.ts";
import { parseColumnList } from "./identifiers.ts";

export type ColumnList = string | readonly string[];

export interface ColumnRequest {
  /** Comma-separated identifiers, or a list. Undefined: every column that may be selected. */
  readonly columns: ColumnList | undefined;
  /** The columns that may be selected. Undefined: all of them. */
  readonly queryableColumns: ColumnList | undefined;
  /** Whether Postgres replicates stored generated columns (protocol 7.10). */
  readonly publishesGeneratedColumns: boolean;
}

/** The words for one of the two lists. */
interface ListName {
  readonly field: "columns" | "queryable_columns";
  readonly text: "columns" | "queryable columns";
}

const COLUMNS: ListName = { field: "columns", text: "columns" };
const QUERYABLE: ListName = { field: "queryable_columns", text: "queryable columns" };

/**
 * Ascending indexes into `table.columns`. Neither order nor repetition means anything.
 *
 * @throws {InvalidParameter} naming `columns` or `queryable_columns`.
 */
export function selectColumns(table: Table, request: ColumnRequest): readonly number[] {
  const queryable = queryableColumns(table, request.queryableColumns);
  const { columns } = request;
  const selected = columns === undefined ? queryable : findColumns(table, columns, COLUMNS);
  const forbidden = selected.filter((index) => !queryable.includes(index));
  if (forbidden.length > 0) throw notFound(namesOf(table, forbidden), COLUMNS);
  refuseGenerated(table, selected, request);
  return selected;
}

/**
 * The columns that may be spoken of, as ascending indexes into `table.columns`.
 *
 * @throws {InvalidParameter} naming `queryable_columns`.
 */
export function queryableColumns(table: Table, list: ColumnList | undefined): readonly number[] {
  return list === undefined ? liveColumnsOf(table) : findColumns(table, list, QUERYABLE);
}

function findColumns(table: Table, list: ColumnList, { field, text }: ListName): readonly number[] {
  const wanted = new Set(parseColumnList(list, field));
  if (wanted.size === 0) throw invalid(field, `The list of ${text} must not be empty`);
  const missing = table.columns.filter(
    ({ name, keyIndex }) => keyIndex !== undefined && !wanted.has(name),
  );
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(", ");
    throw invalid(
      field,
      `The list of ${text} must include all primary key columns, missing: ${names}`,
    );
  }
  const known = new Set(table.columns.map(({ name }) => name));
  const unknown = [...wanted].filter((name) => !known.has(name));
  if (unknown.length > 0) throw notFound(unknown, { field, text });
  return liveColumnsOf(table).filter((index) => wanted.has(table.columns[index]!.name));
}

function refuseGenerated(table: Table, selected: readonly number[], request: ColumnRequest): void {
  const isRefused = ({ generated }: TableColumn): boolean =>
    generated === "virtual" || (generated === "stored" && !request.publishesGeneratedColumns);
  const refused = selected.filter((index) => isRefused(table.columns[index]!));
  if (refused.length === 0) return;
  const message =
    "The following columns are generated and cannot be included in the shape: " +
    namesOf(table, refused).join(", ");
  const advice =
    ". You can exclude them from the shape by explicitly listing which columns to fetch in the " +
    "'columns' query param";
  throw invalid("columns", request.columns === undefined ? message + advice : message);
}

function namesOf(table: Table, indexes: readonly number[]): string[] {
  return indexes.map((index) => table.columns[index]!.name);
}

function notFound(names: readonly string[], { field, text }: ListName): InvalidParameter {
  const list = names.join(", ");
  return invalid(field, `The following ${text} are not found on the table: ${list}`);
}

function invalid(field: ListName["field"], message: string): InvalidParameter {
  return new InvalidParameter(field, message);
}
