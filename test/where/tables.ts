/** Tables as the catalog would describe them, by as little as a test has to say. */

import type { Table, TableColumn } from "../../src/model/table.ts";

const OIDS: Record<string, number> = {
  bool: 16,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  varchar: 1043,
  date: 1082,
  uuid: 2950,
  bytea: 17,
  name: 19,
  json: 114,
  float4: 700,
  float8: 701,
  bpchar: 1042,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  numeric: 1700,
  jsonb: 3802,
};

export function column(
  name: string,
  typeName: string,
  overrides: Partial<TableColumn> = {},
): TableColumn {
  return {
    name,
    typeOid: OIDS[typeName] ?? 99_999,
    typeName,
    typeKind: "b",
    typeModifier: -1,
    dimensionCount: 0,
    isNotNull: false,
    hasByteEquality: true,
    ...overrides,
  };
}

/** The first column is the key unless one says so itself. */
export function table(...columns: readonly TableColumn[]): Table {
  const hasKey = columns.some(({ keyIndex }) => keyIndex !== undefined);
  return {
    oid: 16_384,
    schema: "public",
    name: "items",
    columns: hasKey
      ? columns
      : columns.map((each, at) => (at === 0 ? { ...each, keyIndex: 0 } : each)),
    replicaIdentity: "f",
  };
}

/** The columns of `TABLE_SQL` and more, which no clause may compare. */
export const items = table(
  column("id", "int4"),
  column("small", "int2"),
  column("big", "int8"),
  column("flag", "bool"),
  column("name", "text"),
  column("short", "varchar", { typeModifier: 8 }),
  column("token", "uuid"),
  column("day", "date"),
  column("tags", "text", { typeOid: 1009, dimensionCount: 1 }),
  column("loose", "text", { hasByteEquality: false }),
  column('Odd "name', "int4"),
  column("odd", "money"),
);
