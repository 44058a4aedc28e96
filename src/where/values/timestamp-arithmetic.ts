/**
 * Timestamps, dates and times with intervals: section 9.9 of the manual.
 *
 * An interval is added part by part: first its months, the day of the month held where it is or at
 * the month's last; then its days; then its microseconds. Each of the sums must be a timestamp. In
 * UTC all days have 24 hours, so timestamptz is no other case than timestamp.
 */

import {
  daysInMonth,
  daysOf,
  INT32_MAX,
  INT32_MIN,
  INT64_MAX,
  INT64_MIN,
  julianDayOf,
  MICROSECONDS_PER_DAY,
  outOfRange,
} from "./calendar.ts";
import { isDate } from "./date.ts";
import { EvaluationError, SQL_STATE } from "./errors.ts";
import { INTERVAL_INFINITY, INTERVAL_MINUS_INFINITY, isFiniteInterval } from "./interval.ts";
import { intervalOfSpan } from "./interval-arithmetic.ts";
import type { Interval } from "./scalar-type.ts";
import {
  checkTimestamp,
  fieldsOf,
  isFiniteTimestamp,
  TIMESTAMP_INFINITY,
  TIMESTAMP_MINUS_INFINITY,
  timestampOf,
} from "./timestamp.ts";

/** The first day that no timestamp has: 294277-01-01. */
const TIMESTAMP_END_DAYS = daysOf(294_277, 1, 1);

/**
 * @param sign 1 to add the interval, -1 to subtract it.
 * @throws {EvaluationError} out of range, or infinity minus infinity.
 */
export function addInterval(timestamp: bigint, interval: Interval, sign: 1 | -1): bigint {
  if (!isFiniteInterval(interval)) {
    const isForward = interval.months > 0 === sign > 0;
    const result = isForward ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
    if (!isFiniteTimestamp(timestamp) && timestamp !== result) throw outOfRange("timestamp");
    return result;
  }
  if (sign < 0 && !isNegatable(interval)) throw outOfRange("interval");
  if (!isFiniteTimestamp(timestamp)) return timestamp;
  let result = timestamp;
  if (interval.months !== 0) result = addMonths(result, sign * interval.months);
  if (interval.days !== 0) result = addDays(result, sign * interval.days);
  return checkTimestamp(result + BigInt(sign) * interval.microseconds);
}

/** Whether 32 and 64 bits hold the opposite of each part, and it is not an infinity. */
function isNegatable({ months, days, microseconds }: Interval): boolean {
  if (months === INT32_MIN || days === INT32_MIN || microseconds === INT64_MIN) return false;
  return !(months === -INT32_MAX && days === -INT32_MAX && microseconds === -INT64_MAX);
}

function addMonths(timestamp: bigint, months: number): bigint {
  const { year, month, day, microseconds } = fieldsOf(timestamp);
  const total = year * 12 + (month - 1) + months;
  if (month + months > INT32_MAX) throw outOfRange("timestamp");
  const newYear = Math.floor(total / 12);
  const newMonth = total - newYear * 12 + 1;
  const newDay = Math.min(day, daysInMonth(newYear, newMonth));
  return timestampOf(daysOf(newYear, newMonth, newDay), microseconds);
}

function addDays(timestamp: bigint, days: number): bigint {
  const fields = fieldsOf(timestamp);
  if (julianDayOf(fields.days) + days > INT32_MAX) throw outOfRange("timestamp");
  return timestampOf(fields.days + days, fields.microseconds);
}

/** In days and time, never in months. @throws {EvaluationError} infinity minus infinity. */
export function subtractTimestamps(a: bigint, b: bigint): Interval {
  return infiniteDifference(a, b) ?? intervalOfSpan(a - b);
}

/** The difference where one of them is infinite. @throws {EvaluationError} if both are the same. */
function infiniteDifference(a: bigint, b: bigint): Interval | undefined {
  if (isFiniteTimestamp(a) && isFiniteTimestamp(b)) return undefined;
  if (a === b) throw outOfRange("interval");
  return a > b ? INTERVAL_INFINITY : INTERVAL_MINUS_INFINITY;
}

/**
 * `age(a, b)`: the difference in years, months, days and time, as a calendar shows it. Days that a
 * month lends are those of the month that the earlier of the two lies in.
 *
 * @throws {EvaluationError} infinity minus infinity.
 */
export function age(a: bigint, b: bigint): Interval {
  const infinite = infiniteDifference(a, b);
  if (infinite !== undefined) return infinite;
  const sign = a < b ? -1 : 1;
  const later = fieldsOf(a < b ? b : a);
  const earlier = fieldsOf(a < b ? a : b);
  let microseconds = later.microseconds - earlier.microseconds;
  let days = later.day - earlier.day;
  let months = (later.year - earlier.year) * 12 + later.month - earlier.month;
  if (microseconds < 0) {
    microseconds += Number(MICROSECONDS_PER_DAY);
    days--;
  }
  while (days < 0) {
    days += daysInMonth(earlier.year, earlier.month);
    months--;
  }
  // Plus 0, because the opposite of 0 would be -0.
  return {
    months: sign * months + 0,
    days: sign * days + 0,
    microseconds: BigInt(sign * microseconds),
  };
}

/** @throws {EvaluationError} no timestamp is so late. */
export function timestampOfDate(days: number): bigint {
  if (days === Infinity) return TIMESTAMP_INFINITY;
  if (days === -Infinity) return TIMESTAMP_MINUS_INFINITY;
  if (days >= TIMESTAMP_END_DAYS) {
    throw new EvaluationError("date out of range for timestamp", SQL_STATE.datetimeFieldOverflow);
  }
  return BigInt(days) * MICROSECONDS_PER_DAY;
}

export function dateOfTimestamp(timestamp: bigint): number {
  if (timestamp === TIMESTAMP_INFINITY) return Infinity;
  if (timestamp === TIMESTAMP_MINUS_INFINITY) return -Infinity;
  return fieldsOf(timestamp).days;
}

/** NULL for the infinities, which have no time of day. */
export function timeOfTimestamp(timestamp: bigint): bigint | null {
  return isFiniteTimestamp(timestamp) ? BigInt(fieldsOf(timestamp).microseconds) : null;
}

/** Dates may be later than any finite timestamp, and still are before its infinity. */
export function compareDateWithTimestamp(days: number, timestamp: bigint): number {
  if (!Number.isFinite(days) || !isFiniteTimestamp(timestamp)) {
    const left = days === Infinity ? 1 : days === -Infinity ? -1 : 0;
    const right = isFiniteTimestamp(timestamp) ? 0 : timestamp > 0n ? 1 : -1;
    return left - right;
  }
  const midnight = BigInt(days) * MICROSECONDS_PER_DAY;
  return midnight < timestamp ? -1 : midnight > timestamp ? 1 : 0;
}

/** @throws {EvaluationError} out of range. */
export function addToDate(date: number, days: number): number {
  if (!Number.isFinite(date)) return date;
  const sum = date + days;
  if (!isDate(sum)) throw outOfRange("date");
  return sum;
}

/** @throws {EvaluationError} one of them is infinite. */
export function subtractDates(a: number, b: number): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) {
    throw new EvaluationError("cannot subtract infinite dates", SQL_STATE.datetimeFieldOverflow);
  }
  return a - b;
}

/** @throws {EvaluationError} out of range. */
export function dateAndTime(date: number, time: bigint): bigint {
  const midnight = timestampOfDate(date);
  return isFiniteTimestamp(midnight) ? checkTimestamp(midnight + time) : midnight;
}

/** Around the clock; months and days do not count. @throws {EvaluationError} it is infinite. */
export function addIntervalToTime(time: bigint, interval: Interval, sign: 1 | -1): bigint {
  if (!isFiniteInterval(interval)) {
    const attempt = sign > 0 ? "add infinite interval to" : "subtract infinite interval from";
    throw new EvaluationError(`cannot ${attempt} time`, SQL_STATE.datetimeFieldOverflow);
  }
  return wrap(BigInt.asIntN(64, time + BigInt(sign) * interval.microseconds));
}

/** What of an interval a clock shows. @throws {EvaluationError} it is infinite. */
export function timeOfInterval(interval: Interval): bigint {
  if (!isFiniteInterval(interval)) {
    throw new EvaluationError(
      "cannot convert infinite interval to time",
      SQL_STATE.datetimeFieldOverflow,
    );
  }
  return wrap(interval.microseconds);
}

function wrap(microseconds: bigint): bigint {
  const rest = microseconds % MICROSECONDS_PER_DAY;
  return rest < 0n ? rest + MICROSECONDS_PER_DAY : rest;
}

/** `make_date`; a negative year is one before Christ. @throws {EvaluationError} no such day. */
export function makeDate(year: number, month: number, day: number): number {
  const astronomicalYear = year < 0 ? year + 1 : year;
  const hasDay =
    year !== 0 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysInMonth(astronomicalYear, month);
  const days = hasDay ? daysOf(astronomicalYear, month, day) : NaN;
  if (hasDay && isDate(days)) return days;
  const spelled = `${year}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
  throw new EvaluationError(
    hasDay ? `date out of range: ${spelled}` : `date field value out of range: ${spelled}`,
    SQL_STATE.datetimeFieldOverflow,
  );
}

/** `date_bin`: the last multiple of the stride after the origin that is not later. */
export function binTimestamp(stride: Interval, timestamp: bigint, origin: bigint): bigint {
  if (!isFiniteTimestamp(timestamp)) return timestamp;
  if (!isFiniteTimestamp(origin)) throw outOfRange("origin");
  if (!isFiniteInterval(stride)) {
    throw new EvaluationError(
      "timestamps cannot be binned into infinite intervals",
      SQL_STATE.datetimeFieldOverflow,
    );
  }
  if (stride.months !== 0) {
    throw new EvaluationError(
      "timestamps cannot be binned into intervals containing months or years",
      SQL_STATE.featureNotSupported,
    );
  }
  const size = BigInt(stride.days) * MICROSECONDS_PER_DAY + stride.microseconds;
  const difference = timestamp - origin;
  if (size > INT64_MAX || size < INT64_MIN || difference > INT64_MAX || difference < INT64_MIN) {
    throw outOfRange("interval");
  }
  if (size <= 0n) {
    throw new EvaluationError("stride must be greater than zero", SQL_STATE.datetimeFieldOverflow);
  }
  const rest = difference % size;
  const binned = timestamp - rest;
  return rest < 0n ? checkTimestamp(binned - size) : binned;
}
