/**
 * Dates, times, timestamps and intervals against Postgres.
 *
 * Goal: what we take for a date Postgres takes for the same date, and every operation gives what
 * Postgres gives, or both raise an error.
 *
 * Method: `differential.ts`, over texts grown from pieces that are right, wrong and at the limits.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { DATE_TIME_OPERATIONS } from "../../../src/where/operations/date-time.ts";
import { INTERVAL_OPERATIONS } from "../../../src/where/operations/interval.ts";
import { typeNamed } from "../../../src/where/type-table.ts";
import { SQL_STATE } from "../../../src/where/values/errors.ts";
import type { TypeName } from "../../../src/where/values/scalar-type.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { sample } from "../../support/property.ts";
import { calling, hesitantly, reading, SESSION_SETTINGS } from "./calls.ts";
import { compare, type Case } from "./differential.ts";
import {
  dateText,
  dateTimeText,
  intervalInput,
  intervalText,
  timestampText,
  timestamptzText,
  timeText,
  unitText,
  zoneText,
} from "./temporal-values.ts";

const texts: Partial<Record<TypeName, fc.Arbitrary<string>>> = {
  date: dateText,
  float8: fc.oneof(
    fc.constantFrom(
      "0",
      "-0",
      "1",
      "-1",
      "0.5",
      "1.5",
      "30",
      "NaN",
      "Infinity",
      "-Infinity",
      "1e300",
    ),
    fc.double({ noNaN: true, min: -1000, max: 1000 }).map(String),
    fc.double({ noNaN: true }).map(String),
  ),
  int4: fc.oneof(fc.integer({ min: -13, max: 32 }), fc.integer()).map(String),
  interval: intervalText,
  time: timeText,
  timestamp: timestampText,
  timestamptz: timestamptzText,
};

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(SESSION_SETTINGS);
});
afterAll(() => database.dispose());

/** @returns how many of the cases we do not support. */
async function compareAll(cases: readonly Case[]): Promise<number> {
  const rest = cases.values();
  return compare(database, cases.length, () => rest.next().value!);
}

describe("input", () => {
  const inputs: readonly (readonly [TypeName, fc.Arbitrary<string>])[] = [
    ["date", dateTimeText],
    ["time", dateTimeText],
    ["timestamp", dateTimeText],
    ["timestamptz", dateTimeText],
    ["interval", intervalInput],
  ];
  for (const [type, text] of inputs) {
    test(`what is read as ${type} is what Postgres reads`, async () => {
      const cases = sample(type, text, 2000).map((text) => {
        return type === "interval" ? reading(type, text) : hesitantly(reading(type, text));
      });
      const unsupportedShare = (await compareAll(cases)) / cases.length;
      assert.ok(unsupportedShare < 0.2, `${unsupportedShare} of them are not supported`);
    });
  }

  test("the forms that clients and drivers write are read", async () => {
    const moments = [
      ...["2024-01-31T10:20:30.000Z", "2024-01-31 10:20:30", "2024-01-31 10:20:30.123456+00"],
      ...["2024-01-31T10:20:30+02:00", "2024-01-31 10:20:30 UTC", "2024-01-31", "20240131"],
      ...["2024/01/31 10:20", "2024-01-31 24:00:00", "2024-02-29 23:59:60", "0044-03-15 12:00 BC"],
      ...["epoch", "infinity", "-infinity", "2024-01-31 10:20 PM", "2024-1-31", "  2024-01-31\n"],
    ];
    const times = [
      "10:20:30.5",
      "10:20",
      "24:00:00",
      "10:20:30Z",
      "T10:20",
      "12:00 AM",
      "10:20+02",
    ];
    const intervals = [
      ...["1 day", "1 year 2 mons -3 days 04:05:06.7", "@ 1 minute ago", "1-2 3 4:05:06", "1.5h"],
      ...["P1Y2M3DT4H5M6.7S", "P0001-02-03T04:05:06", "PT0S", "infinity", "90", "-00:00:01"],
      ...[
        "2 weeks",
        "1 month",
        "3 months 1 day",
        "100000000 hours",
        "1 millennium 1 us",
        "1.5 mon",
      ],
    ];
    const cases = [
      ...(["date", "timestamp", "timestamptz"] as const).flatMap((type) => {
        return moments.map((text) => reading(type, text));
      }),
      ...times.map((text) => reading("time", text)),
      ...intervals.map((text) => reading("interval", text)),
    ];
    assert.equal(await compareAll(cases), 0);
    for (const { evaluate } of cases) assert.doesNotThrow(evaluate);
  });

  test("what depends on the clock, a setting or a file is refused, with the reason", () => {
    const refusals: readonly (readonly [TypeName, string, RegExp])[] = [
      ["timestamptz", "now", /depends on the current time/],
      ["date", "tomorrow", /depends on the current time/],
      ["timestamp", "yesterday 10:00", /depends on the current time/],
      ["time", "now", /depends on the current time/],
      ["date", "01/02/2024", /depends on DateStyle/],
      ["date", "1-2-24", /depends on DateStyle/],
      ["timestamptz", "2024-01-31 10:00 Europe/Paris", /numeric offset/],
      ["timestamptz", "2024-01-31 10:00 PST", /numeric offset/],
      ["date", "January 8, 1999", /ISO 8601/],
    ];
    for (const [type, text, message] of refusals) {
      const sqlState = SQL_STATE.featureNotSupported;
      assert.throws(() => typeNamed(type).parse(text), { message, sqlState });
    }
  });

  test("differences that were found stay away", async () => {
    const cases: readonly (readonly [TypeName, string])[] = [
      // A word that is passed over ends the unit that was given.
      ["interval", "1 at 2 days"],
      ["interval", "- 4 at 45.8828259 mil 28msec"],
      // In a time with a sign, minutes and seconds may have one too.
      ["interval", "+111:0:-0.5 ago"],
      // The local time is beyond the last timestamp, the instant is not.
      ["timestamptz", "294277-01-01 00:00:00+15:59:59"],
      // A time that stands before a fraction of a day replaces it.
      ["interval", "10:00 1.5 days"],
      ["interval", "1.5 days 10:00"],
      // Half a microsecond goes to the even neighbour, if as a double it is a half.
      ["time", "00:00:00.0000005"],
      ["time", "00:00:00.0000015"],
      ["time", "23:59:59.9999995"],
      ["interval", "P.5Y1e2D"],
      ["interval", "P20240102T040506.5"],
    ];
    assert.equal(await compareAll(cases.map(([type, text]) => reading(type, text))), 0);
  });

  test("what is written is read again", () => {
    for (const [name] of inputs) {
      const type = typeNamed(name);
      for (const text of sample(name, texts[name]!, 500)) {
        const written = type.format(type.parse(text));
        assert.equal(type.format(type.parse(written)), written);
      }
    }
  });
});

describe("operations", () => {
  for (const operation of [...DATE_TIME_OPERATIONS, ...INTERVAL_OPERATIONS]) {
    const { kind, name, args, refusal } = operation;
    if (refusal !== undefined) continue;
    test(`${kind} ${name}(${args.join(", ")}) is Postgres'`, async () => {
      const cases = sample(name, argumentsOf(args, name), 150);
      await compareAll(cases.map((texts) => calling(operation, texts)));
    });
  }
});

test("differences between operations that were found stay away", async () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    // The offset is cut to 32 bits.
    ["timezone", ["interval", "timestamp"], ["PT2562047788H54.775807S", "2000-01-01 00:00:00"]],
    // The local time is beyond the last timestamp.
    ["date_trunc", ["text", "timestamptz", "text"], ["minute", "294276-12-31 23:59:59+00", "-8"]],
    // 64 bits do not hold the microseconds since 1970.
    ["extract", ["text", "timestamptz"], ["epoch", "294276-12-31 23:59:59.999999+00"]],
    ["date_part", ["text", "timestamptz"], ["epoch", "294276-12-31 23:59:59.999999+00"]],
    // An infinite timestamp without a time zone has no time zone, which is no error.
    ["extract", ["text", "timestamp"], ["timezone", "infinity"]],
    ["extract", ["text", "timestamp"], ["timezone", "2000-01-01 00:00:00"]],
    // Days that a month lends are those of the earlier month.
    ["age", ["timestamp", "timestamp"], ["2024-03-01 00:00:00", "2024-01-31 12:00:00"]],
    ["age", ["timestamp", "timestamp"], ["2024-01-31 12:00:00", "2024-03-01 00:00:00"]],
    // Compared, a month has 30 days and a day 24 hours.
    ["=", ["interval", "interval"], ["P1M", "P30D"]],
    ["<", ["interval", "interval"], ["P1M", "P29DT24H0.000001S"]],
    // The month's last day.
    ["+", ["timestamp", "interval"], ["2024-01-31 00:00:00", "P1M"]],
    ["-", ["timestamp", "interval"], ["2024-03-31 00:00:00", "P1M1D"]],
  ];
  const all = [...DATE_TIME_OPERATIONS, ...INTERVAL_OPERATIONS];
  const calls = cases.map(([name, types, args]) => {
    const operation = all.find(
      (other) => other.name === name && types.join() === other.args.join(),
    );
    assert.ok(operation, name);
    return calling(operation, args);
  });
  assert.equal(await compareAll(calls), 0);
});

/** A text among dates is a unit if it comes before them, and otherwise a time zone. */
function argumentsOf(args: readonly string[], name: string): fc.Arbitrary<string[]> {
  return fc.tuple(
    ...args.map((type, index) => {
      if (type !== "text") return texts[type as TypeName]!;
      return name === "timezone" || index > 0 ? zoneText : unitText;
    }),
  );
}
