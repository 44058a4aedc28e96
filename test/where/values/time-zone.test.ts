/**
 * Named time zones against Postgres: AT TIME ZONE, `date_trunc` in a zone, and zones in the input
 * of timestamptz.
 *
 * Method: `differential.ts`, over zones of every kind of name, in upper and lower case, and moments
 * near changes of their offsets, where a local time is missing or comes twice. That the offsets are
 * right at all other times is for `time-zone-transitions.test.ts`.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import { parseConnectionOptions } from "../../../src/postgres/connection-options.ts";
import { Pool } from "../../../src/postgres/pool.ts";
import { ServerTimeZones } from "../../../src/postgres/time-zone-transitions.ts";
import { DATE_TIME_OPERATIONS } from "../../../src/where/operations/date-time.ts";
import { inputTypeNamed, typeNamed } from "../../../src/where/type-table.ts";
import { SQL_STATE } from "../../../src/where/values/errors.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { sample } from "../../support/property.ts";
import { calling, hesitantly, SESSION_SETTINGS } from "./calls.ts";
import { compare, quoteLiteral, type Case } from "./differential.ts";
import { timestampText, timestamptzText, unitText } from "./temporal-values.ts";

/** Names with a slash, a hyphen, digits, signs; abbreviations of one offset and of several. */
const NAMES = [
  ...["Europe/Berlin", "America/Port-au-Prince", "America/Argentina/Buenos_Aires", "EST5EDT"],
  ...["Etc/GMT+5", "GB", "W-SU", "NZ-CHAT", "Pacific/Apia", "Australia/Lord_Howe", "GMT+0"],
  ...["EST", "MET", "PDT", "MSK", "CEST"],
];
const OTHER_NAMES = ["UTC", "zulu", "+05:30", "Nowhere/Land", "Berlin", "FOO5", "ad", ""];

let database: TestDatabase;
let pool: Pool;
let zones: ServerTimeZones;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(SESSION_SETTINGS);
  pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
  zones = new ServerTimeZones(pool);
  for (const name of NAMES) await zones.load(name);
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

const zoneName = fc
  .oneof(
    { weight: 6, arbitrary: fc.constantFrom(...NAMES) },
    { weight: 1, arbitrary: fc.constantFrom(...OTHER_NAMES) },
  )
  .chain((name) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase()));

const twoDigits = (min: number, max: number) => {
  return fc.integer({ min, max }).map((value) => String(value).padStart(2, "0"));
};
/** In hours in which clocks have been changed somewhere, and half of them on Sundays of rules. */
const nearChange = fc
  .tuple(
    fc.oneof(
      fc.constantFrom("2024-03-31", "2024-10-27", "2024-03-10", "2024-11-03", "2091-10-28"),
      fc.constantFrom("2024-04-07", "2024-10-06", "2011-12-29", "2011-12-30", "2011-12-31"),
      fc.constantFrom("1945-05-24", "1940-04-01", "1893-04-01", "2014-10-26", "2011-03-27"),
      fc
        .tuple(fc.integer({ min: 1850, max: 2400 }), twoDigits(1, 12), twoDigits(1, 28))
        .map((parts) => parts.join("-")),
    ),
    twoDigits(0, 4),
    twoDigits(0, 59),
    fc.constantFrom("00", "59", "59.999999", "30.5"),
  )
  .map(([day, hour, minute, second]) => `${day} ${hour}:${minute}:${second}`);

async function compareAll(cases: readonly Case[]): Promise<number> {
  const rest = cases.values();
  return (await compare(database, cases.length, () => rest.next().value!)) / cases.length;
}

for (const type of ["timestamp", "timestamptz"] as const) {
  test(`a ${type} at a named time zone is Postgres'`, async () => {
    const far = type === "timestamp" ? timestampText : timestamptzText;
    const args = fc.tuple(zoneName, fc.oneof(nearChange, nearChange, nearChange, far));
    const operation = operationNamed("timezone", ["text", type]);
    const cases = sample(type, args, 3_000).map((texts) => calling(operation, texts, zones));
    assert.ok((await compareAll(cases)) < 0.1);
  });
}

test("date_trunc cuts by the clocks of a zone as Postgres does", async () => {
  const unit = fc.oneof(fc.constantFrom("hour", "day", "week", "month", "year"), unitText);
  const moment = fc.oneof(nearChange, nearChange, timestamptzText);
  const operation = operationNamed("date_trunc", ["text", "timestamptz", "text"]);
  const cases = sample("date_trunc", fc.tuple(unit, moment, zoneName), 3_000).map((texts) => {
    return calling(operation, texts, zones);
  });
  // Abbreviations are refused.
  assert.ok((await compareAll(cases)) < 0.4);
});

test("a zone in the input of timestamptz is read as by Postgres", async () => {
  const space = fc.constantFrom(" ", " ", "", "  ");
  const text = fc.tuple(
    nearChange,
    fc.constantFrom("", "", " am", " PM"),
    space,
    zoneName,
    fc.constantFrom("", "", "", " BC"),
  );
  const texts = [
    ...sample("input", text, 3_000).map((parts) => parts.join("")),
    ...NAMES.flatMap((name) => [
      `2024-07-01 ${name}`,
      `20240701 ${name}`,
      `2024-07-01T12:00${name}`,
    ]),
    ...NAMES.map((name) => `2024-07-01${name}`),
    "2024-07-01 24:00 Europe/Berlin",
    "294276-12-31 23:59:59 America/Port-au-Prince",
    "4714-11-24 00:00 Europe/Berlin BC",
  ];
  const { parse, format } = inputTypeNamed("timestamptz", zones);
  const cases = texts.map((text): Case => {
    const sql = `${quoteLiteral(text)}::timestamptz`;
    return hesitantly({ sql, evaluate: () => format(parse(text)) });
  });
  assert.ok((await compareAll(cases)) < 0.1);
});

test("arrays know zones; what comes with a row does not", () => {
  const text = '{"2024-07-01 12:00 Europe/Berlin",NULL}';
  const type = inputTypeNamed("timestamptz[]", zones);
  assert.equal(type.format(type.parse(text)), '{"2024-07-01 10:00:00+00",NULL}');
  const sqlState = SQL_STATE.featureNotSupported;
  assert.throws(() => typeNamed("timestamptz[]").parse(text), { sqlState });
});

test("no zone but the server's is known", () => {
  const evaluate = operationNamed("timezone", ["text", "timestamptz"]).bind({
    types: ["text", "timestamptz"],
    caseMapping: undefined as never,
    timeZones: zones,
  });
  assert.throws(() => evaluate("Nowhere/Land", 0n), /^EvaluationError: .* not recognized$/);
  assert.throws(() => evaluate("CET-1CEST", 0n), /is not supported: use a name/);
});

function operationNamed(name: string, args: readonly string[]) {
  return DATE_TIME_OPERATIONS.find((operation) => {
    return operation.name === name && operation.args.join() === args.join();
  })!;
}
