/**
 * The meaning of clauses against Postgres.
 *
 * Goal: where a clause is accepted, its equalities hold for exactly the rows that Postgres selects
 * by it; where it is said to be never true, Postgres selects none; where it is said to be wrong,
 * Postgres says so as well. Only what is not supported is not compared.
 *
 * Method: clauses are grown from comparisons of every column with every form of constant, right
 * types and wrong ones, over rows of few values, so that many of them select something.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import type { Table } from "../../src/model/table.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { sample } from "../support/property.ts";

const UUIDS = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"];

let database: TestDatabase;
let client: pg.Client;
let table: Table;
let rows: readonly (string | null)[][];

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
  await database.query(`
    CREATE TABLE items (id int4 PRIMARY KEY, small int2, big int8, flag bool, name text,
                        short varchar(3), token uuid);
    INSERT INTO items
    SELECT row_number() OVER (), small, big, flag, name, nullif(name, ''), token
    FROM (VALUES (1::int2), (-32768), (NULL)) a (small), (VALUES (1::int8), (2147483648)) b (big),
         (VALUES (true), (false), (NULL)) c (flag), (VALUES ('1'), ('t'), ('')) d (name),
         (VALUES (NULL), ('${UUIDS[0]}'::uuid), ('${UUIDS[1]}')) e (token)`);
  const pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
  table = (await new Inspector(pool).findTable("public", "items"))!;
  await pool.close();
  const types = { getTypeParser: () => (text: unknown) => text };
  const result = await client.query({ text: "SELECT * FROM items", rowMode: "array", types });
  rows = result.rows as (string | null)[][];
});
afterAll(() => database.dispose());

/**
 * Parameters are given out in the order in which a clause asks for them, now and then an old one.
 */
interface Draft {
  readonly params: string[];
}
type Piece = (draft: Draft) => string;

const TYPES = ["int2", "int4", "int8", "bool", "text", "varchar", "uuid", "numeric"];
const value = fc.constantFrom(
  ...["1", "01", " 1 ", "0", "-32768", "32768", "2147483648", "-1", "0x1", "1_0", "99999999999999"],
  ...["t", "true", "FALSE", "off", "o", "", "x", "abc", "1.0"],
  ...[UUIDS[0]!, UUIDS[0]!.toUpperCase(), `{${UUIDS[1]!.replaceAll("-", "")}}`],
);
const literal = fc.oneof(
  value.map(
    (text): Piece =>
      () =>
        `'${text}'`,
  ),
  fc.constantFrom("1", "0", "-32768", "2147483648", "true", "false", "NULL").map((text) => {
    return (): string => text;
  }),
  fc.tuple(value, fc.nat(3)).map(([text, again]): Piece => {
    return ({ params }) => {
      if (again > 0 || params.length === 0) params.push(text);
      return `$${params.length}`;
    };
  }),
);
const cast = (inner: fc.Arbitrary<Piece>): fc.Arbitrary<Piece> => {
  return fc
    .tuple(inner, fc.constantFrom(...TYPES), fc.boolean())
    .map(([piece, type, isShort]): Piece => {
      return (draft) => (isShort ? `${piece(draft)}::${type}` : `CAST(${piece(draft)} AS ${type})`);
    });
};
const constant = fc.oneof(
  { weight: 6, arbitrary: literal },
  { weight: 2, arbitrary: cast(literal) },
  { weight: 1, arbitrary: cast(cast(literal)) },
);

const column = fc.constantFrom("id", "small", "big", "flag", "name", "short", "token", "nope").map(
  (name): Piece =>
    () =>
      name,
);
const likely = fc
  .constantFrom("small = 1", "big = '1'", "flag", "name = '1'", "token = token", "short = 't'")
  .map(
    (text): Piece =>
      () =>
        text,
  );

const comparison = (left: fc.Arbitrary<Piece>, right: fc.Arbitrary<Piece>): fc.Arbitrary<Piece> => {
  return fc.tuple(left, right).map(
    ([a, b]): Piece =>
      (draft) =>
        `${a(draft)} = ${b(draft)}`,
  );
};
const { condition } = fc.letrec<{ condition: Piece }>((tie) => ({
  condition: fc.oneof(
    { depthSize: "small" },
    { weight: 6, arbitrary: comparison(column, constant) },
    { weight: 3, arbitrary: comparison(constant, column) },
    { weight: 1, arbitrary: comparison(constant, constant) },
    { weight: 4, arbitrary: likely },
    { weight: 1, arbitrary: fc.oneof(column, constant) },
    {
      weight: 6,
      arbitrary: fc.tuple(tie("condition"), tie("condition")).map(([a, b]): Piece => {
        return (draft) => `(${a(draft)}) AND ${b(draft)}`;
      }),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom("NOT (?)", "(?) IS TRUE", "(?) IS FALSE"), tie("condition"))
        .map(
          ([form, piece]): Piece =>
            (draft) =>
              form.replace("?", () => piece(draft)),
        ),
    },
  ),
}));

type Outcome = { readonly ids: readonly string[] } | { readonly error: string };

function ask(where: string, params: readonly string[]): Outcome {
  const numbered = Object.fromEntries(params.map((text, index) => [String(index + 1), text]));
  try {
    const { template, constants } = defineShape(table, {
      where,
      params: numbered,
      columns: undefined,
      replica: "default",
      log: "full",
    });
    const selected = rows.filter((row) => {
      return template.terms.every((term, index) => row[term.column] === constants[index]);
    });
    return { ids: selected.map(([id]) => id!) };
  } catch (error) {
    assert.ok(error instanceof InvalidParameter && error.field === "where", String(error));
    return { error: error.message };
  }
}

async function askPostgres(where: string, params: readonly string[]): Promise<Outcome> {
  try {
    const sql = `SELECT id::text AS id FROM items WHERE ${where}`;
    const result = await client.query<{ id: string }>(sql, [...params]);
    return { ids: result.rows.map(({ id }) => id) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

test("a clause means what Postgres takes it for", async () => {
  const counts = { accepted: 0, selecting: 0, empty: 0, wrong: 0, unsupported: 0 };
  for (const piece of sample("meaning", condition, 800)) {
    const draft: Draft = { params: [] };
    const where = piece(draft);
    const ours = ask(where, draft.params);
    const theirs = await askPostgres(where, draft.params);
    const context = JSON.stringify({ where, params: draft.params, ours, theirs });
    if ("ids" in ours) {
      assert.ok("ids" in theirs, context);
      assert.deepEqual([...ours.ids].sort(), [...theirs.ids].sort(), context);
      counts.accepted += 1;
      if (ours.ids.length > 0) counts.selecting += 1;
    } else if (/never true|always false/.test(ours.error)) {
      // What is wrong further on in the clause is said by Postgres alone.
      assert.ok("error" in theirs || theirs.ids.length === 0, context);
      counts.empty += 1;
    } else if (/not supported|unsupported type/.test(ours.error)) {
      counts.unsupported += 1;
    } else {
      assert.ok("error" in theirs || isOurs(ours.error), context);
      counts.wrong += 1;
    }
  }
  for (const [name, count] of Object.entries(counts)) assert.ok(count > 10, `${count} ${name}`);
});

/** Stricter than Postgres, which does not carry out a cast behind a FALSE. */
function isOurs(error: string): boolean {
  return error.includes("could not cast value");
}
