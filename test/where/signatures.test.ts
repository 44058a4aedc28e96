/**
 * The catalogue of operations against Postgres' own.
 *
 * Goal: a call means the operation that Postgres takes it for, or is refused. Method: (a) every
 * operator and function of `pg_operator` and `pg_proc` whose name we know and whose types we know
 * is in the catalogue, and every implicit cast; (b) for calls of everything with arguments of
 * random types, known and unknown, the type of the result is the one of Postgres. RUNS asks for
 * more calls.
 */

import assert from "node:assert/strict";
import type pg from "pg";
import { afterAll, beforeAll, test } from "vitest";
import { pathway } from "../../src/where/conversions.ts";
import { CATALOGUE } from "../../src/where/operations/catalogue.ts";
import type { Operation } from "../../src/where/operations/operation.ts";
import { resolve } from "../../src/where/resolve.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
});
afterAll(() => database.dispose());

const SCALARS = [
  ...["bool", "bytea", "name", "int8", "int2", "int4", "text", "json", "float4", "float8"],
  ...["bpchar", "varchar", "date", "time", "timestamp", "timestamptz", "interval", "numeric"],
  ...["uuid", "jsonb"],
];
const PSEUDO = [
  ...["any", "anyarray", "anyelement", "anynonarray", "anyenum", "anycompatible"],
  "anycompatiblearray",
];
const KNOWN: ReadonlySet<string> = new Set([...SCALARS, ...PSEUDO]);

/** `_int4` is `int4[]`. */
function typeOf(typname: string): string {
  return typname.startsWith("_") ? `${typname.slice(1)}[]` : typname;
}

function isKnown(type: string): boolean {
  return KNOWN.has(type.replace("[]", ""));
}

const callOf = (kind: string, name: string, args: readonly string[]) =>
  `${kind} ${name}(${args.join(", ")})`;
const ours = new Set(CATALOGUE.map(({ kind, name, args }) => callOf(kind, name, args)));
const namesOf = (kind: Operation["kind"]) => [
  ...new Set(CATALOGUE.filter((operation) => operation.kind === kind).map(({ name }) => name)),
];

test("whatever Postgres has under our names is in the catalogue", async () => {
  const operators = await client.query<{ name: string; kind: string; types: string[] }>(
    `SELECT oprname AS name, oprkind AS kind,
            array_remove(ARRAY[l.typname::text, r.typname::text], NULL) AS types
     FROM pg_operator LEFT JOIN pg_type l ON l.oid = oprleft JOIN pg_type r ON r.oid = oprright`,
  );
  const functions = await client.query<{ name: string; types: string[] | null }>(
    `SELECT proname AS name,
            (SELECT array_agg(typname::text ORDER BY position)
             FROM unnest(proargtypes) WITH ORDINALITY AS a (oid, position)
             JOIN pg_type t ON t.oid = a.oid) AS types
     FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'`,
  );
  const theirs = [
    ...operators.rows.map(({ name, kind, types }) => {
      return { kind: kind === "b" ? "binary" : "prefix", name, types: types.map(typeOf) };
    }),
    ...functions.rows.map(({ name, types }) => {
      return { kind: "function", name, types: (types ?? []).map(typeOf) };
    }),
  ];
  const missing = theirs
    .filter(({ kind, name }) => namesOf(kind as Operation["kind"]).includes(name))
    .filter(({ types }) => types.every(isKnown))
    .map(({ kind, name, types }) => callOf(kind, name, types))
    .filter((call) => !ours.has(call));
  assert.deepEqual(missing, []);
});

test("implicit casts are those of Postgres", async () => {
  const { rows } = await client.query<{ source: string; target: string }>(
    `SELECT s.typname AS source, t.typname AS target FROM pg_cast
     JOIN pg_type s ON s.oid = castsource JOIN pg_type t ON t.oid = casttarget
     WHERE castcontext = 'i' AND s.oid <> t.oid`,
  );
  const theirs = new Set(rows.map(({ source, target }) => `${source} ${target}`));
  for (const source of SCALARS) {
    for (const target of SCALARS.filter((type) => type !== source)) {
      const isImplicit = pathway(source, target, "implicit") !== undefined;
      assert.equal(isImplicit, theirs.has(`${source} ${target}`), `${source} to ${target}`);
    }
  }
});

const CALLS = runsOf(2_500);
const UNDEFINED_TYPE_OR_CALL = /^42/;
/** Ours alone: Postgres has the operator only. */
const NOT_FUNCTIONS = new Set(["ilike"]);

test("a call means what Postgres takes it for", async () => {
  const random = seededRandom("signatures");
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)]!;
  const types = [...SCALARS, "int4[]", "text[]", "numeric[]"];
  const callable = CATALOGUE.filter(
    ({ kind, name }) => kind !== "cast" && !NOT_FUNCTIONS.has(name),
  );
  const differences: string[] = [];
  for (let done = 0; done < CALLS; done += 1) {
    const { kind, name, args } = pick(callable);
    const given = args.map((type) => {
      const roll = random();
      if (roll < 0.3) return "unknown";
      return roll < 0.6 && !PSEUDO.includes(type) ? type : pick(types);
    });
    const resolution = resolve(kind, name, given);
    if (resolution?.operation.refusal !== undefined) continue;
    const mine = resolution?.result ?? "none";
    const sql = sqlOf(kind, name, given);
    const theirs = await resultOf(sql);
    if (theirs !== "unclear" && theirs !== mine) differences.push(`${sql}: ${theirs}, not ${mine}`);
  }
  assert.deepEqual(differences, []);
});

function sqlOf(kind: string, name: string, types: readonly string[]): string {
  const args = types.map((type) => (type === "unknown" ? "NULL" : `NULL::${type}`));
  if (kind === "binary") return `${args[0]!} ${name} ${args[1]!}`;
  return kind === "prefix" ? `${name} ${args[0]!}` : `pg_catalog.${name}(${args.join(", ")})`;
}

async function resultOf(sql: string): Promise<string> {
  try {
    const { rows } = await client.query<{ type: string }>(
      `SELECT typname AS type FROM pg_type WHERE oid = pg_typeof(${sql})`,
    );
    const type = typeOf(rows[0]!.type);
    return isKnown(type) ? type : "none";
  } catch (error) {
    // It is found, and raises an error for these values.
    return UNDEFINED_TYPE_OR_CALL.test((error as pg.DatabaseError).code ?? "") ? "none" : "unclear";
  }
}
