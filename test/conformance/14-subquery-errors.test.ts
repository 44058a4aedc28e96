/** Protocol 14.1 and 3.3: what a WHERE with a subquery is refused for, and in which words. */

import { expect, test } from "vitest";
import { errorsIn, serveLitz } from "./subject.ts";

const subject = serveLitz({
  schema: `
    CREATE TABLE tasks (id int PRIMARY KEY, org int, owner bigint, title text);
    CREATE TABLE orgs (id int PRIMARY KEY, plan text, parent int);`,
});

const SUBLINK = "only `value IN (SELECT ...)` sublinks are supported right now";
const CLAUSES = "SELECT statement must not contain any clauses";

const anyOf = (count: number) => `(${Array(count).fill("org = 1").join(" OR ")})`;

test.each([
  ["EXISTS (SELECT 1 FROM orgs)", `At location 0: ${SUBLINK}`],
  ["org = ANY (SELECT id FROM orgs)", `At location 4: ${SUBLINK}`],
  ["org = (SELECT 1)", `At location 6: ${SUBLINK}`],
  [
    "org + 1 IN (SELECT id FROM orgs)",
    "At location 8: currently, left side of `IN (SELECT ...)` can only be a column reference " +
      "or a list of column references",
  ],
  [
    "owner IN (SELECT id FROM orgs)",
    "At location 6: left side of `IN (SELECT ...)` has type int8 but subquery returns int4[]",
  ],
  ["org IN (SELECT DISTINCT id FROM orgs)", CLAUSES],
  ["org IN (SELECT id FROM orgs LIMIT 1)", CLAUSES],
  ["org IN (SELECT id FROM orgs ORDER BY id)", CLAUSES],
  ["org IN (SELECT id FROM orgs, tasks)", "Expected a single table reference"],
  ["org IN (SELECT orgs.id FROM orgs)", "At location 15: Expected a plain column reference"],
  ["org IN (SELECT id FROM orgs WHERE org = 1)", "At location 34: unknown reference org"],
  [
    "org IN (SELECT id FROM orgs) OR org NOT IN (SELECT id FROM orgs)",
    "a subquery dependency cannot be used with both positive and negative polarity in the same " +
      "filter",
  ],
  [
    `org IN (SELECT id FROM orgs) AND ${anyOf(10)} AND ${anyOf(11)}`,
    "WHERE clause too complex for DNF decomposition (110 disjuncts exceeds limit of 100)",
  ],
])("§14.1 %s", async (where, message) => {
  const answer = await subject.get({ table: "tasks", offset: "-1", where });
  expect(errorsIn(answer)).toEqual({ where: [message] });
});

test("§3.3 a subquery from an unknown table", async () => {
  const where = "org IN (SELECT id FROM nothing)";
  const message =
    'Table "public"."nothing" does not exist. If the table name contains capitals or special ' +
    "characters you must quote it.";
  const answer = await subject.get({ table: "tasks", offset: "-1", where });
  expect(errorsIn(answer)).toEqual({ table: [message] });
});

test("§12 no subqueries in subsets", async () => {
  const answer = await subject.get({
    ...{ table: "tasks", offset: "-1" },
    subset__where: "org IN (SELECT id FROM orgs)",
  });
  const message = "Subqueries are not allowed in subsets";
  expect(errorsIn(answer)).toEqual({ subset: { where: [message] } });
});
