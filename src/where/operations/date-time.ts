/**
 * date, time, timestamp and timestamptz: sections 9.9 and 9.2 of the manual.
 *
 * Postgres calls several of them "stable" because they depend on the session's time zone. Every
 * session that counts has UTC (protocol 8.2), so here they depend on nothing.
 */

import type { TimeZone, TimeZones } from "../../model/time-zone.ts";
import {
  addInterval,
  addIntervalToTime,
  addToDate,
  age,
  binTimestamp,
  compareDateWithTimestamp,
  dateAndTime,
  dateOfTimestamp,
  makeDate,
  subtractDates,
  subtractTimestamps,
  timeOfInterval,
  timeOfTimestamp,
  timestampOfDate,
} from "../values/timestamp-arithmetic.ts";
import { partOfDate, partOfTime, partOfTimestamp } from "../values/date-part.ts";
import { truncateTimestamp } from "../values/date-trunc.ts";
import { dateType } from "../values/date.ts";
import { EvaluationError, SQL_STATE } from "../values/errors.ts";
import type { Value, ValueOf } from "../values/scalar-type.ts";
import { timeType } from "../values/time.ts";
import { fromLocal, timeZoneNamed, timeZoneOfInterval, toLocal } from "../values/time-zone.ts";
import { isFiniteTimestamp, timestampType, timestamptzType } from "../values/timestamp.ts";
import { comparisons } from "./comparison.ts";
import { binary, cast, fn, make, refused, type Operation } from "./operation.ts";

type DateTimeName = "date" | "timestamp" | "timestamptz";
type TimestampName = "timestamp" | "timestamptz";

const WITHOUT_ZONE = "timestamp without time zone";
const WITH_ZONE = "timestamp with time zone";
const CURRENT_TIME =
  "it depends on the current time, which a shape does not follow; write the time that is meant";

export const DATE_TIME_OPERATIONS: readonly Operation[] = [
  ...arithmeticOf("timestamp"),
  ...arithmeticOf("timestamptz"),
  ...dateArithmetic(),
  ...timeArithmetic(),
  ...comparisons("date", "date", dateType.compare!),
  ...comparisons("time", "time", timeType.compare!),
  ...comparisons("timestamp", "timestamp", timestampType.compare!),
  ...comparisons("timestamptz", "timestamptz", timestamptzType.compare!),
  ...comparisonsBetween("date", "timestamp", compareDateWithTimestamp),
  ...comparisonsBetween("date", "timestamptz", compareDateWithTimestamp),
  ...comparisonsBetween("timestamp", "timestamptz", timestampType.compare!),
  ...casts(),
  ...timeZones(),
  ...parts(),
];

function arithmeticOf(type: TimestampName): readonly Operation[] {
  const spelledType = type === "timestamp" ? WITHOUT_ZONE : WITH_ZONE;
  return [
    binary("+", type, "interval", type, (a, b) => addInterval(a, b, 1)),
    binary("+", "interval", type, type, (a, b) => addInterval(b, a, 1)),
    binary("-", type, "interval", type, (a, b) => addInterval(a, b, -1)),
    binary("-", type, type, "interval", subtractTimestamps),
    fn("age", [type, type], "interval", age),
    refused("function", "age", [type], "interval", CURRENT_TIME),
    fn("isfinite", [type], "bool", isFiniteTimestamp),
    fn("date_bin", ["interval", type, type], type, binTimestamp),
    fn("date_trunc", ["text", type], type, (unit, value) =>
      truncateTimestamp(unit, value, spelledType),
    ),
  ];
}

function dateArithmetic(): readonly Operation[] {
  return [
    binary("+", "date", "int4", "date", addToDate),
    binary("+", "int4", "date", "date", (a, b) => addToDate(b, a)),
    binary("-", "date", "int4", "date", (a, b) => addToDate(a, -b)),
    binary("-", "date", "date", "int4", subtractDates),
    binary("+", "date", "time", "timestamp", dateAndTime),
    binary("+", "time", "date", "timestamp", (a, b) => dateAndTime(b, a)),
    binary("+", "date", "interval", "timestamp", (a, b) => addInterval(timestampOfDate(a), b, 1)),
    binary("+", "interval", "date", "timestamp", (a, b) => addInterval(timestampOfDate(b), a, 1)),
    binary("-", "date", "interval", "timestamp", (a, b) => addInterval(timestampOfDate(a), b, -1)),
    fn("isfinite", ["date"], "bool", Number.isFinite),
    fn("make_date", ["int4", "int4", "int4"], "date", makeDate),
  ];
}

function timeArithmetic(): readonly Operation[] {
  return [
    binary("+", "time", "interval", "time", (a, b) => addIntervalToTime(a, b, 1)),
    binary("+", "interval", "time", "time", (a, b) => addIntervalToTime(b, a, 1)),
    binary("-", "time", "interval", "time", (a, b) => addIntervalToTime(a, b, -1)),
    binary("-", "time", "time", "interval", (a, b) => timeInterval(a - b)),
  ];
}

function timeInterval(microseconds: bigint): ValueOf<"interval"> {
  return { months: 0, days: 0, microseconds };
}

/** Comparisons of two different types, in both orders. */
function comparisonsBetween<A extends DateTimeName, B extends TimestampName>(
  left: A,
  right: B,
  compare: (a: ValueOf<A>, b: ValueOf<B>) => number,
): readonly Operation[] {
  return [
    ...comparisons(left, right, compare),
    ...comparisons(right, left, (b, a) => -compare(a, b)),
  ];
}

/** Those of `pg_cast`. */
function casts(): readonly Operation[] {
  return [
    cast("date", "timestamp", "implicit", timestampOfDate),
    cast("date", "timestamptz", "implicit", timestampOfDate),
    cast("timestamp", "timestamptz", "implicit", (value) => value),
    cast("timestamptz", "timestamp", "assignment", (value) => value),
    cast("timestamp", "date", "assignment", dateOfTimestamp),
    cast("timestamptz", "date", "assignment", dateOfTimestamp),
    cast("timestamp", "time", "assignment", timeOfTimestamp),
    cast("timestamptz", "time", "assignment", timeOfTimestamp),
    cast("time", "interval", "implicit", timeInterval),
    cast("interval", "time", "assignment", timeOfInterval),
  ];
}

/** An infinite time is infinite everywhere, even where there is no such time zone. */
function timeZones(): readonly Operation[] {
  return [
    inNamedZone("timestamp", "timestamptz", fromLocal),
    inNamedZone("timestamptz", "timestamp", toLocal),
    fn("timezone", ["interval", "timestamp"], "timestamptz", (zone, local) =>
      isFiniteTimestamp(local) ? fromLocal(local, timeZoneOfInterval(zone)) : local,
    ),
    fn("timezone", ["interval", "timestamptz"], "timestamp", (zone, instant) =>
      isFiniteTimestamp(instant) ? toLocal(instant, timeZoneOfInterval(zone)) : instant,
    ),
    make(
      "function",
      "date_trunc",
      ["text", "timestamptz", "text"],
      "timestamptz",
      ({ timeZones }) =>
        (unit, value, zone) =>
          truncateTimestamp(
            unit as string,
            value as bigint,
            WITH_ZONE,
            zoneToCutIn(zone as string, timeZones),
          ),
      { checkConstants: ([, , zone], timeZones) => checkZone(zone, timeZones, zoneToCutIn) },
    ),
  ];
}

function inNamedZone(
  from: TimestampName,
  to: TimestampName,
  convert: (timestamp: bigint, zone: TimeZone) => bigint,
): Operation {
  return make(
    "function",
    "timezone",
    ["text", from],
    to,
    ({ timeZones }) =>
      (zone, timestamp) =>
        isFiniteTimestamp(timestamp as bigint)
          ? convert(timestamp as bigint, timeZoneNamed(zone as string, timeZones))
          : timestamp!,
    { checkConstants: ([zone], timeZones) => checkZone(zone, timeZones, timeZoneNamed) },
  );
}

/** Postgres takes an abbreviation for the zone behind it here, and does not tell which that is. */
function zoneToCutIn(name: string, timeZones: TimeZones | undefined): TimeZone {
  const zone = timeZoneNamed(name, timeZones);
  if (!zone.isAbbreviation) return zone;
  throw new EvaluationError(
    `time zone "${name}" is not supported here: it is an abbreviation; use the full name of a ` +
      "time zone",
    SQL_STATE.featureNotSupported,
  );
}

/** A name that comes with a row may be one that nobody has asked the server for. */
function checkZone(
  zone: Value | null | undefined,
  timeZones: TimeZones | undefined,
  find: (name: string, timeZones: TimeZones | undefined) => TimeZone,
): void {
  if (zone === null) return;
  if (zone === undefined) {
    throw new EvaluationError("a time zone has to be a constant", SQL_STATE.featureNotSupported);
  }
  find(zone as string, timeZones);
}

function parts(): readonly Operation[] {
  return [
    fn("extract", ["text", "date"], "numeric", (unit, value) => {
      return partOfDate(unit, value)?.asNumeric() ?? null;
    }),
    fn("extract", ["text", "time"], "numeric", (unit, value) => {
      return partOfTime(unit, value).asNumeric();
    }),
    fn("extract", ["text", "timestamp"], "numeric", (unit, value) => {
      return partOfTimestamp(unit, value, WITHOUT_ZONE)?.asNumeric() ?? null;
    }),
    fn("extract", ["text", "timestamptz"], "numeric", (unit, value) => {
      return partOfTimestamp(unit, value, WITH_ZONE)?.asNumeric() ?? null;
    }),
    fn("date_part", ["text", "date"], "float8", (unit, value) => {
      return partOfTimestamp(unit, timestampOfDate(value), WITHOUT_ZONE)?.asFloat() ?? null;
    }),
    fn("date_part", ["text", "time"], "float8", (unit, value) => partOfTime(unit, value).asFloat()),
    fn("date_part", ["text", "timestamp"], "float8", (unit, value) => {
      return partOfTimestamp(unit, value, WITHOUT_ZONE)?.asFloat() ?? null;
    }),
    fn("date_part", ["text", "timestamptz"], "float8", (unit, value) => {
      return partOfTimestamp(unit, value, WITH_ZONE)?.asFloat() ?? null;
    }),
  ];
}
