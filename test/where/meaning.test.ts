/**
 * Clauses whose meaning is easily got wrong, against Postgres.
 *
 * Goal: what `differential.test.ts` has found, and what is known to be a trap, stays as it is in
 * Postgres. Method: each clause is asked of Postgres, of the evaluator, of the SQL that is written
 * and of the plan, over rows of every type.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { mulberry32 } from "../support/random.ts";
import { Comparison, explainDifference } from "./comparison.ts";

let comparison: Comparison;

beforeAll(async () => {
  comparison = await Comparison.open(mulberry32(1));
});
afterAll(() => comparison.close());

type Expected = "agreed" | "bothRefuse" | "onlyTheyAnswer";

test.each<[string, string[], Expected]>([
  // Operators that Postgres has for points, lines or hardware addresses as well.
  ["'[]' ?| '{}'", [], "bothRefuse"],
  ["c_int8 = trunc('1')", [], "bothRefuse"],
  ["c_int4s = ANY ('{}')", [], "bothRefuse"],
  ["$1 IN (c_int4, c_float8)", ["1"], "bothRefuse"],
  // A text and anything that is no array.
  ["('{}' || c_int8) = '{}1'", [], "agreed"],
  ["c_bool || c_text = 'truea'", [], "agreed"],
  ["c_text || c_bpchar = 'aab'", [], "agreed"],
  // A parameter adopts one type, whichever comes first.
  ["c_int4 = $1 AND c_int8 = $1", ["1"], "agreed"],
  ["c_int4 = $1 AND c_text = $1", ["1"], "bothRefuse"],
  ["$1 = CAST($1 AS varchar)", ["1"], "bothRefuse"],
  ["$1 = $1", ["x"], "agreed"],
  ["c_int4 IN ($1, c_int8, $2)", ["1", "2"], "agreed"],
  // Constants of enum types, whose names are not written.
  ["c_text LIKE concat(d_text, '{}'::mood[], 'x'::text)", [], "agreed"],
  ["c_moods @> ARRAY['sad', c_mood]", [], "agreed"],
  ["coalesce(c_mood, 'ok') = 'ok'", [], "agreed"],
  ["'sad' = ANY (c_moods)", [], "agreed"],
  // One part of a conjunction is not true; another raises an error.
  ["c_varchar = 'none' AND d_text::jsonb #>> '{a}' = 'x'", [], "agreed"],
  ["1 / c_int4 = 1 AND c_int4 = 1", [], "agreed"],
  ["1 / c_int4 = 1 OR c_int4 = 1", [], "bothRefuse"],
  // NULL, three-valued logic.
  ["NOT (c_int4 = 1)", [], "agreed"],
  ["NOT (c_int4 IN (1, NULL))", [], "agreed"],
  ["c_int4 NOT IN (1, 2)", [], "agreed"],
  ["(c_int4 = NULL) IS NULL", [], "agreed"],
  ["NOT (c_bool AND d_bool)", [], "agreed"],
  ["d_bool = (NOT NULL)", [], "agreed"],
  ["c_bool <> (NULL OR 'a' ILIKE 'b')", [], "agreed"],
  ["(c_bool = (NOT NULL)) IS UNKNOWN", [], "agreed"],
  ["(c_bool OR d_bool) IS NOT TRUE", [], "agreed"],
  ["c_text::bool IS NOT TRUE OR (d_bool OR true) IS NOT UNKNOWN", [], "agreed"],
  ["c_int4 = ANY ('{}') OR c_int4 <> ALL ('{}')", [], "agreed"],
  ["(NULL = ANY ('{}'::int4[])) IS FALSE", [], "agreed"],
  ["c_int4s @> '{}'", [], "agreed"],
  ["NOT (c_int4s @> '{}')", [], "agreed"],
  ["c_int4s @> '{NULL}'", [], "agreed"],
  ["(c_int4s @> '{NULL}') IS FALSE", [], "agreed"],
  ["c_int4s <@ '{1,2}'", [], "agreed"],
  // Numbers.
  ["c_numeric = 1.00", [], "agreed"],
  ["c_numeric IN (1, 'NaN', 'Infinity')", [], "agreed"],
  ["c_float8 = '-0'", [], "agreed"],
  ["c_float8 > 'Infinity'", [], "agreed"],
  ["c_float4 = 0.1", [], "agreed"],
  ["c_float4 = '0.1'", [], "agreed"],
  ["c_int4 = 1.0", [], "agreed"],
  ["c_int8 = 5::float8", [], "agreed"],
  // A narrowing cast may raise an error: rows are not found by the column.
  ["c_int8::int4 = 1", [], "bothRefuse"],
  ["c_int4::int8 = 1 AND c_int2::int8 IN (1, 2)", [], "agreed"],
  ["c_int4 = 9223372036854775808", [], "agreed"],
  ["c_numerics = '{1.0}'", [], "agreed"],
  ["c_float8s = '{0,0}'", [], "agreed"],
  // Text.
  ["c_text LIKE 'a\\%'", [], "agreed"],
  ["c_text LIKE '%\\'", [], "bothRefuse"],
  ["c_text LIKE 'a_b'", [], "agreed"],
  ["c_text LIKE '_'", [], "agreed"],
  ["c_text ILIKE 'STRASSE'", [], "agreed"],
  ["lower(c_text) = 'é'", [], "agreed"],
  ["c_text > '日'", [], "agreed"],
  ["c_text > '\u{ff5e}'", [], "agreed"],
  ["c_bpchar = 'a '", [], "agreed"],
  ["c_bpchar = 'a '::text", [], "agreed"],
  ["c_bpchar LIKE 'a'", [], "agreed"],
  ["c_bpchar < 'a  '", [], "agreed"],
  ["c_name = c_text", [], "agreed"],
  // A text that is made a name is cut, and keeps its collation; a constant name has that of names.
  ["c_text::name NOT ILIKE 'é'", [], "agreed"],
  ["d_text::name NOT ILIKE '%é'", [], "agreed"],
  ["c_text::name ILIKE $1", ["É"], "agreed"],
  ["upper('é'::name) LIKE c_text", [], "agreed"],
  ["c_text ILIKE 'é'::name::text", [], "agreed"],
  ["c_varchar ILIKE lower('É'::name)", [], "agreed"],
  ["concat(c_name, c_text) ILIKE 'éé'", [], "agreed"],
  // One constant among the members of a list is compared by itself, two meet in one type.
  ["c_float4 IN (0.1)", [], "agreed"],
  ["c_float4 IN (0.1, 0.25)", [], "agreed"],
  ["c_varchar IN ('a  '::bpchar, c_bpchar)", [], "agreed"],
  ["c_varchar NOT IN ('a  '::bpchar)", [], "agreed"],
  ["c_varchar IN ('a  '::bpchar, 'b '::bpchar)", [], "agreed"],
  ["c_int4 IN (1.0)", [], "agreed"],
  ["NOT (c_bpchar IN (' a '::text))", [], "agreed"],
  ["$1 IN ('\\x616263' || (c_bytea || NULL), '\\x')", ["\\x"], "bothRefuse"],
  // Postgres' planner takes out what does not matter, whatever error it would raise.
  ["c_bool OR (c_jsonb ?& (c_texts || c_text) AND c_bool)", [], "onlyTheyAnswer"],
  ["d_text::name::bool OR coalesce(true, c_bool)", [], "onlyTheyAnswer"],
  // Dates.
  ["c_date = c_timestamp", [], "agreed"],
  ["c_date > '2024-01-31 12:00'::timestamp", [], "agreed"],
  ["c_timestamp = '2024-01-01T00:00:00.000Z'", [], "agreed"],
  ["c_timestamptz = '2024-01-31 00:00:00'", [], "agreed"],
  ["c_interval = '1 mon'", [], "agreed"],
  ["c_interval = '24:00:00'", [], "agreed"],
  // JSON.
  ["c_jsonb = '{\"a\": 1}'", [], "agreed"],
  ["c_jsonb @> '{\"a\": 1.0}'", [], "agreed"],
  ["c_jsonb ->> '0' = 'zero'", [], "agreed"],
  ["c_jsonb ->> 0 = '1'", [], "agreed"],
  ["c_json ->> 'a' = 'y'", [], "agreed"],
  ["c_jsonb -> 'a' ->> 'b' = 'x'", [], "agreed"],
])("%s", async (text, parameters, expected) => {
  const outcome = await comparison.compare({ text, parameters });
  const told = outcome.is === "different" ? explainDifference({ text, parameters }, outcome) : "";
  assert.equal(outcome.is, expected, told);
});
