/**
 * EXTRACT and `date_part`: one field of a date, a time, a timestamp or an interval, section 9.9.1
 * of the manual.
 *
 * EXTRACT gives a numeric, whose digits behind the point are those of the unit; `date_part` gives a
 * double. A field is therefore an exact fraction, and how each of the two sees it:
 *
 *     integer     the same for both
 *     decimal     units / 10^scale; as a double the units are divided once, or as `asFloat` says
 *     unlimited   +-Infinity, of what grows with time without end
 *     absent      NULL, of what goes round: an infinite timestamp has no hour
 */

import {
  calendarDayOf,
  dayOfWeek,
  daysOf,
  INT64_MAX,
  isoWeekOf,
  julianDayOf,
  MICROSECONDS_PER_DAY,
} from "./calendar.ts";
import { unrecognizedUnit, unsupportedUnit, lowerCaseUnit } from "./date-trunc.ts";
import { dateKeyword, unitOf, type TimeUnit } from "./date-time-words.ts";
import { Decimal } from "./decimal.ts";
import { intervalFieldsOf, isFiniteInterval } from "./interval.ts";
import type { Interval } from "./scalar-type.ts";
import { fieldsOf, isFiniteTimestamp, UNIX_EPOCH } from "./timestamp.ts";

export type PartType =
  | "date"
  | "time without time zone"
  | "timestamp without time zone"
  | "timestamp with time zone"
  | "interval";

/** A field in both of its forms, which are computed when they are asked for. */
export interface Part {
  asNumeric(): Decimal;
  asFloat(): number;
}

type Unit = TimeUnit | "epoch";

/** What an infinite value answers with infinity, rather than with NULL. */
const TIMESTAMP_GROWING: ReadonlySet<Unit> = new Set<Unit>([
  "year",
  "decade",
  "century",
  "millennium",
  "julian",
  "isoyear",
  "epoch",
]);
const INTERVAL_GROWING: ReadonlySet<Unit> = new Set<Unit>([
  "hour",
  "day",
  "year",
  "decade",
  "century",
  "millennium",
  "epoch",
]);
/** Units of a time of day, in its microseconds: how many, and after how many it begins anew. */
const SUBSECOND_SCALES: Partial<Record<Unit, number>> = {
  microsecond: 0,
  millisecond: 3,
  second: 6,
};
const ZONE_UNITS: ReadonlySet<Unit> = new Set<Unit>([
  "timezone",
  "timezone_hour",
  "timezone_minute",
]);
const ZERO_PART = integerPart(0);

/** @throws {EvaluationError} there is no such unit, or the type has not got it. */
export function partOfTimestamp(
  unitName: string,
  timestamp: bigint,
  type: "timestamp without time zone" | "timestamp with time zone",
): Part | null {
  const unit = knownUnit(unitName, type);
  const hasZone = type === "timestamp with time zone";
  const isFinite = isFiniteTimestamp(timestamp);
  const fields = fieldsOf(isFinite ? timestamp : 0n);
  let part = clockPart(unit, fields.microseconds) ?? dayPart(unit, fields.days);
  if (unit === "epoch") part = timestampEpoch(timestamp);
  if (unit === "julian") part = julianPart(fields.days, fields.microseconds);
  // The infinite timestamp without a time zone answers for one, by an oversight that we keep.
  if (ZONE_UNITS.has(unit) && (hasZone || !isFinite)) part = ZERO_PART;
  if (part === undefined) throw unsupportedUnit(unitName, type);
  return isFinite ? part : infinitePart(TIMESTAMP_GROWING.has(unit), timestamp > 0n);
}

/** @throws {EvaluationError} there is no such unit, or the type has not got it. */
export function partOfDate(unitName: string, days: number): Part | null {
  const unit = knownUnit(unitName, "date");
  const isFinite = Number.isFinite(days);
  const finiteDays = isFinite ? days : 0;
  let part = dayPart(unit, finiteDays);
  if (unit === "epoch") part = integerPart((finiteDays - daysOf(1970, 1, 1)) * 86_400);
  if (unit === "julian") part = integerPart(julianDayOf(finiteDays));
  if (part === undefined) throw unsupportedUnit(unitName, "date");
  return isFinite ? part : infinitePart(TIMESTAMP_GROWING.has(unit), days > 0);
}

/** @throws {EvaluationError} there is no such unit, or the type has not got it. */
export function partOfTime(unitName: string, time: bigint): Part {
  const type = "time without time zone";
  const unit = knownUnit(unitName, type);
  if (unit === "epoch") return decimalPart(time, 6);
  const part = clockPart(unit, Number(time));
  if (part === undefined) throw unsupportedUnit(unitName, type);
  return part;
}

/** @throws {EvaluationError} there is no such unit, or the type has not got it. */
export function partOfInterval(unitName: string, interval: Interval): Part | null {
  const unit = knownUnit(unitName, "interval");
  const isFinite = isFiniteInterval(interval);
  const part = unit === "epoch" ? intervalEpoch(interval) : intervalPart(unit, interval);
  if (part === undefined) throw unsupportedUnit(unitName, "interval");
  return isFinite ? part : infinitePart(INTERVAL_GROWING.has(unit), interval.months > 0);
}

function knownUnit(name: string, type: PartType): Unit {
  const word = lowerCaseUnit(name);
  const unit = unitOf(word);
  if (unit !== undefined) return unit;
  const keyword = dateKeyword(word);
  if (keyword === "epoch") return keyword;
  const isReserved = keyword === "reserved" || keyword === "infinity" || keyword === "-infinity";
  throw isReserved ? unsupportedUnit(name, type) : unrecognizedUnit(name, type);
}

function clockPart(unit: Unit, microseconds: number): Part | undefined {
  const scale = SUBSECOND_SCALES[unit];
  if (scale !== undefined) return subsecondPart(microseconds % 60_000_000, scale);
  if (unit === "minute") return integerPart(Math.floor(microseconds / 60_000_000) % 60);
  if (unit === "hour") return integerPart(Math.floor(microseconds / 3_600_000_000));
  return undefined;
}

/** Seconds with their fraction, in microseconds, milliseconds or seconds. */
function subsecondPart(microseconds: number, scale: number): Part {
  const unit = 10 ** scale;
  const whole = Math.trunc(microseconds / 1_000_000);
  const rest = microseconds % 1_000_000;
  return {
    asNumeric: () => Decimal.of(BigInt(microseconds), scale),
    // Added as doubles, the way Postgres adds them.
    asFloat: () => whole * (1_000_000 / unit) + rest / unit,
  };
}

function dayPart(unit: Unit, days: number): Part | undefined {
  const { year, month, day } = calendarDayOf(days);
  switch (unit) {
    case "day":
      return integerPart(day);
    case "month":
      return integerPart(month);
    case "quarter":
      return integerPart(Math.floor((month - 1) / 3) + 1);
    case "year":
      return integerPart(withoutZero(year));
    case "decade":
      return integerPart(Math.floor(year / 10));
    case "century":
      return integerPart(withoutZero(Math.ceil(year / 100)));
    case "millennium":
      return integerPart(withoutZero(Math.ceil(year / 1000)));
    case "week":
      return integerPart(isoWeekOf(days).week);
    case "isoyear":
      return integerPart(withoutZero(isoWeekOf(days).year));
    case "dow":
      return integerPart(dayOfWeek(days));
    case "isodow":
      return integerPart(((dayOfWeek(days) + 6) % 7) + 1);
    case "doy":
      return integerPart(days - daysOf(year, 1, 1) + 1);
    default:
      return undefined;
  }
}

/** There is no year, century or millennium 0: what comes before the first is called -1. */
function withoutZero(count: number): number {
  return count > 0 ? count : count - 1;
}

/** Seconds since 1970. Where 64 bits do not hold the microseconds, Postgres rounds. */
function timestampEpoch(timestamp: bigint): Part {
  const microseconds = timestamp - UNIX_EPOCH;
  if (microseconds < INT64_MAX) return decimalPart(microseconds, 6);
  return {
    asNumeric: () => Decimal.of(microseconds).divide(Decimal.of(1_000_000n)).round(6),
    asFloat: () => (Number(timestamp) - Number(UNIX_EPOCH)) / 1_000_000,
  };
}

function julianPart(days: number, microseconds: number): Part {
  const julianDay = julianDayOf(days);
  const seconds = Math.floor(microseconds / 1_000_000);
  const fraction = (microseconds % 1_000_000) / 1_000_000;
  return {
    asNumeric: () =>
      Decimal.of(BigInt(julianDay)).add(
        Decimal.of(BigInt(microseconds)).divide(Decimal.of(MICROSECONDS_PER_DAY)),
      ),
    asFloat: () => julianDay + (seconds + fraction) / 86_400,
  };
}

function intervalPart(unit: Unit, interval: Interval): Part | undefined {
  const { years, months, days, hours, minutes, seconds, microseconds } = intervalFieldsOf(interval);
  const scale = SUBSECOND_SCALES[unit];
  if (scale !== undefined) return subsecondPart(seconds * 1_000_000 + microseconds, scale);
  switch (unit) {
    case "minute":
      return integerPart(minutes);
    case "hour":
      return integerPart(hours);
    case "day":
      return integerPart(days);
    case "week":
      return integerPart(Math.trunc(days / 7));
    case "month":
      return integerPart(months);
    case "quarter":
      // Of negative months, version 18 of Postgres has another idea than those before it.
      return interval.months < 0 ? undefined : integerPart(Math.floor(months / 3) + 1);
    case "year":
      return integerPart(years);
    case "decade":
      return integerPart(Math.trunc(years / 10));
    case "century":
      return integerPart(Math.trunc(years / 100));
    case "millennium":
      return integerPart(Math.trunc(years / 1000));
    default:
      return undefined;
  }
}

/** A year has 365.25 days, a month of its rest 30. */
function intervalEpoch({ months, days, microseconds }: Interval): Part {
  const years = Math.trunc(months / 12);
  const quarterDays = 1461 * years + 120 * (months % 12) + 4 * days;
  const secondsOfDays = BigInt(quarterDays) * 21_600n;
  return {
    asNumeric: () => Decimal.of(secondsOfDays * 1_000_000n + microseconds, 6),
    asFloat: () =>
      Number(microseconds) / 1_000_000 +
      365.25 * 86_400 * years +
      30 * 86_400 * (months % 12) +
      86_400 * days,
  };
}

function integerPart(value: number): Part {
  // Plus 0, because cutting may leave -0.
  return { asNumeric: () => Decimal.of(BigInt(value)), asFloat: () => value + 0 };
}

function decimalPart(units: bigint, scale: number): Part {
  return {
    asNumeric: () => Decimal.of(units, scale),
    asFloat: () => Number(units) / 10 ** scale,
  };
}

function infinitePart(isGrowing: boolean, isPositive: boolean): Part | null {
  if (!isGrowing) return null;
  return {
    asNumeric: () => (isPositive ? Decimal.INFINITY : Decimal.NEGATIVE_INFINITY),
    asFloat: () => (isPositive ? Infinity : -Infinity),
  };
}
