/**
 * `date_trunc`: a timestamp or an interval cut to a unit, section 9.9.2 of the manual.
 *
 * Centuries and millennia begin with a year 1, decades with a year 0; before Christ Postgres counts
 * the same way downwards. Weeks begin on Monday.
 */

import type { TimeZone } from "../../model/time-zone.ts";
import { dayOfWeek, daysOf, MICROSECONDS_PER_DAY } from "./calendar.ts";
import { intervalUnitOf, type TimeUnit } from "./date-time-words.ts";
import { EvaluationError, SQL_STATE } from "./errors.ts";
import { intervalFieldsOf, isFiniteInterval } from "./interval.ts";
import type { Interval } from "./scalar-type.ts";
import { fromLocal, inMicroseconds, secondsOf, UTC } from "./time-zone.ts";
import { checkTimestamp, fieldsOf, isFiniteTimestamp } from "./timestamp.ts";

type SpelledType =
  | "date"
  | "time without time zone"
  | "timestamp without time zone"
  | "timestamp with time zone"
  | "interval";

/** Microseconds of the units that cut the time of day. */
const CLOCK_UNITS: Partial<Record<TimeUnit, number>> = {
  microsecond: 1,
  millisecond: 1000,
  second: 1_000_000,
  minute: 60_000_000,
  hour: 3_600_000_000,
};
/** Years of the units that an interval is cut to. */
const YEAR_UNITS: Partial<Record<TimeUnit, number>> = {
  year: 1,
  decade: 10,
  century: 100,
  millennium: 1000,
};

/**
 * @param zone where the timestamp is cut, for a timestamptz.
 * @throws {EvaluationError} there is no such unit, or the result is out of range.
 */
export function truncateTimestamp(
  unitName: string,
  timestamp: bigint,
  type: "timestamp without time zone" | "timestamp with time zone",
  zone: TimeZone = UTC,
): bigint {
  const unit = knownUnit(unitName, type);
  const isFinite = isFiniteTimestamp(timestamp);
  const offset = isFinite ? zone.offsetAt(secondsOf(timestamp)) : 0;
  const fields = fieldsOf(isFinite ? timestamp + inMicroseconds(offset) : 0n);
  const size = CLOCK_UNITS[unit];
  const days = size === undefined ? firstDayOf(unit, fields) : fields.days;
  if (days === undefined) throw unsupportedUnit(unitName, type);
  if (!isFinite) return timestamp;
  const midnight = BigInt(days) * MICROSECONDS_PER_DAY;
  // A day may have begun at another offset; what is cut within it keeps the one it has.
  if (size === undefined) return fromLocal(midnight, zone);
  const rest = fields.microseconds - (fields.microseconds % size);
  return checkTimestamp(midnight + BigInt(rest) - inMicroseconds(offset));
}

function firstDayOf(unit: TimeUnit, fields: ReturnType<typeof fieldsOf>): number | undefined {
  const { year, month, days } = fields;
  switch (unit) {
    case "day":
      return days;
    case "week":
      return days - ((dayOfWeek(days) + 6) % 7);
    case "month":
      return daysOf(year, month, 1);
    case "quarter":
      return daysOf(year, month - ((month - 1) % 3), 1);
    case "year":
      return daysOf(year, 1, 1);
    case "decade":
      return daysOf(Math.floor(year / 10) * 10, 1, 1);
    case "century":
      return daysOf(Math.ceil(year / 100) * 100 - 99, 1, 1);
    case "millennium":
      return daysOf(Math.ceil(year / 1000) * 1000 - 999, 1, 1);
    default:
      return undefined;
  }
}

/** Each part is cut towards zero. @throws {EvaluationError} there is no such unit. */
export function truncateInterval(unitName: string, interval: Interval): Interval {
  const unit = knownUnit(unitName, "interval");
  const isFinite = isFiniteInterval(interval);
  const size = CLOCK_UNITS[unit];
  if (size !== undefined) {
    if (!isFinite) return interval;
    const rest = interval.microseconds % BigInt(size);
    return { ...interval, microseconds: interval.microseconds - rest };
  }
  const fields = intervalFieldsOf(interval);
  const wholeYears = (fields.years - (fields.years % (YEAR_UNITS[unit] ?? 1))) * 12;
  const months =
    unit === "day" || unit === "month"
      ? interval.months
      : unit === "quarter"
        ? wholeYears + fields.months - (fields.months % 3)
        : unit in YEAR_UNITS
          ? wholeYears
          : undefined;
  if (months === undefined) throw unsupportedUnit(unitName, "interval");
  if (!isFinite) return interval;
  // Plus 0, because a remainder of nothing below zero would be -0.
  return { months: months + 0, days: unit === "day" ? interval.days : 0, microseconds: 0n };
}

function knownUnit(name: string, type: SpelledType): TimeUnit {
  const unit = intervalUnitOf(lowerCaseUnit(name));
  if (unit === undefined) throw unrecognizedUnit(name, type);
  return unit;
}

/** As an identifier: ASCII letters only, and no more than 63 bytes count. */
export function lowerCaseUnit(name: string): string {
  return name.slice(0, 63).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

export function unrecognizedUnit(name: string, type: SpelledType): EvaluationError {
  return new EvaluationError(
    `unit "${lowerCaseUnit(name)}" not recognized for type ${type}`,
    SQL_STATE.invalidParameterValue,
  );
}

export function unsupportedUnit(name: string, type: SpelledType): EvaluationError {
  return new EvaluationError(
    `unit "${lowerCaseUnit(name)}" not supported for type ${type}`,
    SQL_STATE.featureNotSupported,
  );
}
