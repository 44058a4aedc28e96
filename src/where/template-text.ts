/**
 * A template as text: the name under which it is interned, and all that a restart is told of it, so
 * that no catalog needs to be asked for shapes that nobody has asked for yet.
 *
 *     {"v":4,
 *      "table":[oid,schema,name,[[name,type oid,type name,type kind,modifier,dims,flags,key index],
 *               0,...]],
 *      "where":null|expression,"columns":[...],"explicit":0|1,"replica":...,"log":...,
 *      "projection":[...],"subselects":[template,...]}
 *
 * The last member is there only if the WHERE has subselects, which are templates themselves, and
 * the one before only in these. An expression is written as it lies in memory
 * (`model/expression.ts`), its members in the order of their names.
 *
 * 1. Equal templates have equal text: members have a fixed order, lists are sorted as templates
 *    are.
 * 2. `parseTemplate` gives back the template of which the text was made. A text that is not written
 *    exactly like this is refused.
 *
 * Columns that the template does not depend on stand as 0, the last of them not at all: a shape
 * goes on when such a column comes, goes or changes (protocol 7.9). So it does when a column
 * becomes nullable, or no longer is, which is left out too.
 *
 * The replica identity is left out. It is set to FULL between a shape's definition and its
 * snapshot, and the shape must be found under the same name before and after. Tables with shapes
 * have it.
 */

import { LitzError } from "../lib/errors.ts";
import type { Expression } from "../model/expression.ts";
import type {
  LogMode,
  ReplicaMode,
  ShapeTemplate,
  SubselectTemplate,
  WhereTemplate,
} from "../model/shape-definition.ts";
import { DROPPED_COLUMN, type Table, type TableColumn } from "../model/table.ts";
import { usedColumnsOf } from "../model/template-columns.ts";
import { whereTemplate } from "./where-template.ts";

const VERSION = 4;
const REPLICA_IDENTITY = "f";

export type TemplateParts = Omit<ShapeTemplate, "text">;

type EncodedColumn = [string, number, string, string, number, number, number, number?];
type EncodedTable = [number, string, string, (EncodedColumn | 0)[]];

interface Encoded {
  readonly v: number;
  readonly table: EncodedTable;
  readonly where: Expression | null;
  readonly columns: number[];
  readonly explicit: 0 | 1;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
  readonly projection?: readonly number[];
  readonly subselects?: readonly Encoded[];
}

const FLAG_BYTE_EQUALITY = 1;
const FLAG_STORED = 2;
const FLAG_VIRTUAL = 4;

/**
 * The catalog hands out one object per table, and most of a text is its table: some 40 B a column.
 * Kept for templates of all columns, which have the longest.
 */
const tableTexts = new WeakMap<Table, string>();

export function templateText(parts: TemplateParts): string {
  const { table, where, columns, hasExplicitColumns, replica, log, projection } = parts;
  let tableText = hasExplicitColumns ? undefined : tableTexts.get(table);
  if (tableText === undefined) {
    tableText = JSON.stringify(encodeTable(table, usedColumnsOf(parts)));
    if (!hasExplicitColumns) tableTexts.set(table, tableText);
  }
  const rest: Omit<Encoded, "v" | "table" | "subselects"> = {
    where: where === undefined ? null : where.expression,
    columns: [...columns],
    explicit: hasExplicitColumns ? 1 : 0,
    replica,
    log,
    ...(projection === undefined ? {} : { projection }),
  };
  const members = JSON.stringify(rest, sortMembers).slice(1, -1);
  return `{"v":${VERSION},"table":${tableText},${members}${subselectsText(where)}}`;
}

function subselectsText(where: WhereTemplate | undefined): string {
  if (where?.subqueries === undefined) return "";
  const texts = where.subqueries.dependencies.map(({ template }) => template.text);
  return `,"subselects":[${texts.join(",")}]`;
}

/** Of objects below the root, so that equal expressions have equal text however they were made. */
function sortMembers(name: string, value: unknown): unknown {
  if (name === "" || typeof value !== "object" || value === null || Array.isArray(value)) {
    return value;
  }
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * @throws {LitzError} TEMPLATE_UNREADABLE: of another version, or not written by `templateText`.
 */
export function parseTemplate(text: string): ShapeTemplate {
  const { v, ...encoded } = parseJson(text) as Partial<Encoded>;
  if (v !== VERSION) {
    throw unreadable(`a stored shape template has version ${v ?? "none"}, expected ${VERSION}`);
  }
  let template: ShapeTemplate;
  try {
    template = { text, ...decode(encoded as Encoded) };
  } catch (error) {
    throw unreadable("a stored shape template is malformed", error);
  }
  if (templateText(template) !== text) throw unreadable("a stored shape template is malformed");
  return template;
}

function parseJson(text: string): object {
  try {
    return Object(JSON.parse(text)) as object;
  } catch (error) {
    throw unreadable("a stored shape template is no JSON", error);
  }
}

function decode(encoded: Encoded): TemplateParts {
  const table = decodeTable(encoded.table, encoded.explicit === 1);
  const subselects = (encoded.subselects ?? []).map(decodeSubselect);
  return {
    table,
    where: encoded.where === null ? undefined : whereTemplate(encoded.where, table, subselects),
    columns: encoded.columns,
    hasExplicitColumns: encoded.explicit === 1,
    replica: oneOf(encoded.replica, ["default", "full"]),
    log: oneOf(encoded.log, ["full", "changes_only"]),
    ...(encoded.projection === undefined ? {} : { projection: encoded.projection }),
  };
}

function decodeSubselect(encoded: Encoded): SubselectTemplate {
  const { projection, ...parts } = decode(encoded);
  if (projection === undefined) throw new RangeError("a subselect selects nothing");
  return { text: templateText({ ...parts, projection }), ...parts, projection };
}

/** Members that are absent would be left out again when the text is compared. */
function oneOf<Value extends string>(value: Value | undefined, values: readonly Value[]): Value {
  if (value === undefined || !values.includes(value)) {
    throw new RangeError(`expected ${values.join(" or ")}, got ${value ?? "nothing"}`);
  }
  return value;
}

function encodeTable({ oid, schema, name, columns }: Table, used: readonly number[]): EncodedTable {
  const encoded: (EncodedColumn | 0)[] = [];
  for (const index of used) {
    while (encoded.length < index) encoded.push(0);
    encoded.push(encodeColumn(columns[index]!));
  }
  return [oid, schema, name, encoded];
}

function decodeTable([oid, schema, name, columns]: EncodedTable, isPartial: boolean): Table {
  return {
    oid,
    schema,
    name,
    columns: columns.map((column) => (column === 0 ? DROPPED_COLUMN : decodeColumn(column))),
    replicaIdentity: REPLICA_IDENTITY,
    ...(isPartial ? { isPartial } : {}),
  };
}

function encodeColumn(column: TableColumn): EncodedColumn {
  const flags =
    (column.hasByteEquality ? FLAG_BYTE_EQUALITY : 0) |
    (column.generated === "stored" ? FLAG_STORED : 0) |
    (column.generated === "virtual" ? FLAG_VIRTUAL : 0);
  const { name, typeOid, typeName, typeKind, typeModifier, dimensionCount, keyIndex } = column;
  return [
    name,
    typeOid,
    typeName,
    typeKind,
    typeModifier,
    dimensionCount,
    flags,
    ...(keyIndex === undefined ? ([] as const) : ([keyIndex] as const)),
  ];
}

function decodeColumn(encoded: EncodedColumn): TableColumn {
  const [name, typeOid, typeName, typeKind, typeModifier, dimensionCount, flags, keyIndex] =
    encoded;
  return {
    name,
    typeOid,
    typeName,
    typeKind,
    typeModifier,
    dimensionCount,
    isNotNull: false,
    hasByteEquality: (flags & FLAG_BYTE_EQUALITY) !== 0,
    ...(keyIndex === undefined ? {} : { keyIndex }),
    ...((flags & FLAG_STORED) === 0 ? {} : { generated: "stored" }),
    ...((flags & FLAG_VIRTUAL) === 0 ? {} : { generated: "virtual" }),
  };
}

function unreadable(message: string, cause?: unknown): LitzError {
  return new LitzError(message, { code: "TEMPLATE_UNREADABLE", cause });
}
