/**
 * A template as text: the name under which it is interned, and all that a restart is told of it, so
 * that no catalog needs to be asked for shapes that nobody has asked for yet.
 *
 *     {"v":1,
 *      "table":[oid,schema,name,[[name,type oid,type name,type kind,modifier,dims,flags,key index],
 *               ...]],
 *      "terms":[[column,kind,cast],...],"columns":[...],"explicit":0|1,"replica":...,"log":...}
 *
 * 1. Equal templates have equal text: members have a fixed order, lists are sorted as templates
 *    are.
 * 2. `parseTemplate` gives back the template of which the text was made. A text that is not written
 *    exactly like this is refused.
 *
 * The replica identity is left out. It is set to FULL between a shape's definition and its
 * snapshot, and the shape must be found under the same name before and after. Tables with shapes
 * have it.
 */

import { LitzError } from "../lib/errors.ts";
import type {
  ConstantKind,
  EqualityTerm,
  LogMode,
  ReplicaMode,
  ShapeTemplate,
} from "../model/shape-definition.ts";
import type { Table, TableColumn } from "../model/table.ts";

const VERSION = 1;
const REPLICA_IDENTITY = "f";

export type TemplateParts = Omit<ShapeTemplate, "text">;

type EncodedColumn = [string, number, string, string, number, number, number, number?];
type EncodedTable = [number, string, string, EncodedColumn[]];
type EncodedTerm = [number, ConstantKind, string];

interface Encoded {
  readonly v: number;
  readonly table: EncodedTable;
  readonly terms: EncodedTerm[];
  readonly columns: number[];
  readonly explicit: 0 | 1;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
}

const FLAG_NOT_NULL = 1;
const FLAG_BYTE_EQUALITY = 2;
const FLAG_STORED = 4;
const FLAG_VIRTUAL = 8;

/**
 * The catalog hands out one object per table, and most of a text is its table: some 40 B a column.
 */
const tableTexts = new WeakMap<Table, string>();

export function templateText(parts: TemplateParts): string {
  const { table, terms, columns, hasExplicitColumns, replica, log } = parts;
  let tableText = tableTexts.get(table);
  if (tableText === undefined) {
    tableText = JSON.stringify(encodeTable(table));
    tableTexts.set(table, tableText);
  }
  const rest: Omit<Encoded, "v" | "table"> = {
    terms: terms.map(({ column, kind, castSql }) => [column, kind, castSql]),
    columns: [...columns],
    explicit: hasExplicitColumns ? 1 : 0,
    replica,
    log,
  };
  return `{"v":${VERSION},"table":${tableText},${JSON.stringify(rest).slice(1)}`;
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
  return {
    table: decodeTable(encoded.table),
    terms: encoded.terms.map(([column, kind, castSql]): EqualityTerm => ({
      column,
      kind,
      castSql,
    })),
    columns: encoded.columns,
    hasExplicitColumns: encoded.explicit === 1,
    replica: oneOf(encoded.replica, ["default", "full"]),
    log: oneOf(encoded.log, ["full", "changes_only"]),
  };
}

/** Members that are absent would be left out again when the text is compared. */
function oneOf<Value extends string>(value: Value | undefined, values: readonly Value[]): Value {
  if (value === undefined || !values.includes(value)) {
    throw new RangeError(`expected ${values.join(" or ")}, got ${value ?? "nothing"}`);
  }
  return value;
}

function encodeTable({ oid, schema, name, columns }: Table): EncodedTable {
  return [oid, schema, name, columns.map(encodeColumn)];
}

function decodeTable([oid, schema, name, columns]: EncodedTable): Table {
  return {
    oid,
    schema,
    name,
    columns: columns.map(decodeColumn),
    replicaIdentity: REPLICA_IDENTITY,
  };
}

function encodeColumn(column: TableColumn): EncodedColumn {
  const flags =
    (column.isNotNull ? FLAG_NOT_NULL : 0) |
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
    isNotNull: (flags & FLAG_NOT_NULL) !== 0,
    hasByteEquality: (flags & FLAG_BYTE_EQUALITY) !== 0,
    ...(keyIndex === undefined ? {} : { keyIndex }),
    ...((flags & FLAG_STORED) === 0 ? {} : { generated: "stored" }),
    ...((flags & FLAG_VIRTUAL) === 0 ? {} : { generated: "virtual" }),
  };
}

function unreadable(message: string, cause?: unknown): LitzError {
  return new LitzError(message, { code: "TEMPLATE_UNREADABLE", cause });
}
