/**
 * Operations against Postgres.
 *
 * Goal: an operation of the catalogue gives what Postgres gives, or fails where it fails. Method:
 * calls of every operation with generated arguments, NULL among them, written out with their types
 * so that Postgres finds the same operation. The text of the results is compared, which shows what
 * equality would hide: the scale of a numeric, the sign of a zero.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { ASCII_CASE_MAPPING, type CaseMapping } from "../../../src/model/case-mapping.ts";
import { readCaseMapping } from "../../../src/postgres/case-mapping.ts";
import { runQuery } from "../../../src/postgres/pool.ts";
import { ARRAY_OPERATIONS } from "../../../src/where/operations/array.ts";
import { COMPARISONS } from "../../../src/where/operations/comparison.ts";
import { CONCAT } from "../../../src/where/operations/concat.ts";
import { FLOAT_OPERATIONS } from "../../../src/where/operations/float.ts";
import { INTEGER_OPERATIONS } from "../../../src/where/operations/integer.ts";
import { LIKE_OPERATIONS } from "../../../src/where/operations/like.ts";
import { NUMBER_CASTS } from "../../../src/where/operations/number-casts.ts";
import { NUMERIC_OPERATIONS } from "../../../src/where/operations/numeric.ts";
import type { Operation } from "../../../src/where/operations/operation.ts";
import {
  BYTEA_OPERATIONS,
  TEXT_CASTS,
  TEXT_OPERATIONS,
} from "../../../src/where/operations/text.ts";
import { typeNamed } from "../../../src/where/type-table.ts";
import type { TypeName } from "../../../src/where/values/scalar-type.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { seededRandom } from "../../support/random.ts";
import { patienceFactor, runsOf } from "../../support/runs.ts";
import { arrayText } from "./array-texts.ts";
import { compare, quoteLiteral, type Case } from "./differential.ts";
import { integerBetween, pick, textOf, type GeneratedName, type Random } from "./value-texts.ts";

const NULL_SHARE = 0.03;
/** Postgres would make a text of a gigabyte, and does so in earnest. */
const MAKES_LONG_TEXT = new Set(["repeat", "lpad", "rpad"]);

let database: TestDatabase;
let caseMapping: CaseMapping;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`CREATE TYPE enum AS ENUM ('ok', 'sad', '')`);
  const client = await database.connect();
  caseMapping = (await readCaseMapping({ query: (sql) => runQuery(client, sql) }))!;
});
afterAll(() => database.dispose());

const families: Record<string, { operations: readonly Operation[]; count: number }> = {
  comparisons: { operations: COMPARISONS, count: 3_000 },
  integers: { operations: INTEGER_OPERATIONS, count: 3_000 },
  floats: { operations: FLOAT_OPERATIONS, count: 3_000 },
  numerics: { operations: NUMERIC_OPERATIONS, count: 1_500 },
  "casts of numbers": { operations: NUMBER_CASTS, count: 3_000 },
  texts: { operations: [...TEXT_OPERATIONS, ...TEXT_CASTS], count: 4_000 },
  byteas: { operations: BYTEA_OPERATIONS, count: 200 },
  patterns: { operations: LIKE_OPERATIONS, count: 3_000 },
  concatenation: { operations: CONCAT, count: 500 },
  arrays: { operations: ARRAY_OPERATIONS, count: 4_000 },
};

for (const [name, { operations, count }] of Object.entries(families)) {
  test(`${name} as in Postgres`, { timeout: 60_000 * patienceFactor() }, async () => {
    const random = seededRandom(`operations on ${name}`);
    const offered = operations.filter(({ refusal }) => refusal === undefined);
    const next = () => caseOf(pick(random, offered), random);
    assert.equal(await compare(database, runsOf(count), next), 0, "operations not offered");
  });
}

const ANY_TYPES = ["bool", "int4", "float8", "numeric", "text", "bpchar"] as const;
const ELEMENT_TYPES = ["int4", "text", "float8", "numeric", "bool", "bpchar"] as const;

function caseOf(operation: Operation, random: Random): Case {
  const element = pick(random, ELEMENT_TYPES);
  const types = typesOf(operation, random).map((type) => concreteOf(type, element, random));
  const texts = types.map((type) => {
    if (random() < NULL_SHARE) return null;
    return MAKES_LONG_TEXT.has(operation.name) && type === "int4"
      ? `${integerBetween(random, -3, 20)}`
      : argumentText(type, random);
  });
  const args = texts.map((text, index) => {
    return `${text === null ? "NULL" : quoteLiteral(text)}::${types[index]!}`;
  });
  // The collation of a name is "C"; which mapping that means is the analysis's to say.
  const evaluate = operation.bind({
    types,
    caseMapping: types[0] === "name" ? ASCII_CASE_MAPPING : caseMapping,
  });
  return {
    sql: sqlOf(operation, args),
    evaluate: () => {
      const values = texts.map((text, index) => {
        return text === null ? null : typeNamed(types[index]!).parse(text);
      });
      if (operation.isStrict && values.includes(null)) return null;
      const result = evaluate(...values);
      return result === null ? null : typeNamed(resultOf(operation, element)).format(result);
    },
  };
}

function typesOf({ args, isVariadic }: Operation, random: Random): readonly string[] {
  if (!isVariadic) return args;
  return [...args, ...Array.from({ length: pick(random, [0, 1, 2]) }, () => args.at(-1)!)];
}

function concreteOf(type: string, element: GeneratedName, random: Random): TypeName {
  if (type === "any") return pick(random, ANY_TYPES);
  if (type === "anyenum") return "enum";
  if (!type.startsWith("any")) return type as TypeName;
  return type.endsWith("array") ? `${element}[]` : element;
}

function resultOf({ result }: Operation, element: GeneratedName): TypeName {
  return result.startsWith("any") ? `${element}[]` : (result as TypeName);
}

function argumentText(type: TypeName, random: Random): string {
  if (type === "enum") return pick(random, ["ok", "sad", ""]);
  if (!type.endsWith("[]")) return textOf(type as GeneratedName, random);
  return arrayText(type.slice(0, -2) as GeneratedName, random);
}

function sqlOf(operation: Operation, args: readonly string[]): string {
  if (operation.sql !== undefined) return operation.sql(args);
  switch (operation.kind) {
    case "binary":
      return `(${args[0]!} OPERATOR(pg_catalog.${operation.name}) ${args[1]!})`;
    case "prefix":
      return `(OPERATOR(pg_catalog.${operation.name}) ${args[0]!})`;
    case "function":
      return `pg_catalog.${operation.name}(${args.join(", ")})`;
    case "cast":
      return `CAST(${args[0]!} AS ${operation.name})`;
  }
}
