/**
 * Which columns a shape has.
 *
 * Goal: `columns`, `queryable_columns` and generated columns as protocol 2.1, 3.3 and 7.10 have
 * them. Method: tables of examples.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { DROPPED_COLUMN } from "../../src/model/table.ts";
import { selectColumns, type ColumnRequest } from "../../src/where/column-selection.ts";
import { column, table } from "./tables.ts";

const users = table(
  column("id", "int4"),
  column("name", "text"),
  DROPPED_COLUMN,
  column("secret_token", "text"),
);
const computed = table(
  column("id", "int4"),
  column("stored", "int4", { generated: "stored" }),
  column("virtual", "int4", { generated: "virtual" }),
);

const request = (fields: Partial<ColumnRequest> = {}): ColumnRequest => ({
  columns: undefined,
  queryableColumns: undefined,
  publishesGeneratedColumns: false,
  ...fields,
});

test.for<[Partial<ColumnRequest>, number[]]>([
  [{}, [0, 1, 3]],
  [{ columns: "name,id,name" }, [0, 1]],
  [{ columns: ["id"] }, [0]],
  [{ queryableColumns: "id,name" }, [0, 1]],
  [{ queryableColumns: "id,name", columns: "id" }, [0]],
  [{ queryableColumns: ["id", "name", "secret_token"], columns: "id,secret_token" }, [0, 3]],
])("2.1: %j", ([fields, columns]) => {
  assert.deepEqual(selectColumns(users, request(fields)), columns);
});

const MISSING = "must include all primary key columns, missing: id";
const NOT_FOUND = "are not found on the table";

test.for<[Partial<ColumnRequest>, string, string]>([
  [{ columns: "name" }, "columns", `The list of columns ${MISSING}`],
  [{ columns: "id,x,y" }, "columns", `The following columns ${NOT_FOUND}: x, y`],
  [{ columns: [] }, "columns", "The list of columns must not be empty"],
  [{ columns: ["id", ""] }, "columns", "Invalid zero-length identifier"],
  [{ queryableColumns: "name" }, "queryable_columns", `The list of queryable columns ${MISSING}`],
  [
    { queryableColumns: "id,x" },
    "queryable_columns",
    `The following queryable columns ${NOT_FOUND}: x`,
  ],
  [
    { queryableColumns: [] },
    "queryable_columns",
    "The list of queryable columns must not be empty",
  ],
  [
    { queryableColumns: "id,name", columns: "id,secret_token" },
    "columns",
    `The following columns ${NOT_FOUND}: secret_token`,
  ],
])("3.3: %j", ([fields, field, message]) => {
  assert.throws(() => selectColumns(users, request(fields)), new InvalidParameter(field, message));
});

const GENERATED = "The following columns are generated and cannot be included in the shape:";
const ADVICE =
  ". You can exclude them from the shape by explicitly listing which columns to fetch in the " +
  "'columns' query param";

test.for<[Partial<ColumnRequest>, string | undefined]>([
  [{}, `${GENERATED} stored, virtual${ADVICE}`],
  [{ columns: "id,stored" }, `${GENERATED} stored`],
  [{ columns: "id" }, undefined],
  [{ publishesGeneratedColumns: true }, `${GENERATED} virtual${ADVICE}`],
  [{ publishesGeneratedColumns: true, columns: "id,virtual" }, `${GENERATED} virtual`],
  [{ publishesGeneratedColumns: true, columns: "id,stored" }, undefined],
])("7.10: %j", ([fields, message]) => {
  const select = (): unknown => selectColumns(computed, request(fields));
  if (message === undefined) select();
  else assert.throws(select, new InvalidParameter("columns", message));
});
