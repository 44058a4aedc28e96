/**
 * Intervals computed from intervals: section 9.9 of the manual.
 *
 * Products and quotients are computed in doubles, with the fractions of months and days handed down
 * to smaller units; the order of the steps is that of Postgres, because it shows in the result.
 */

import { isInt32, isInt64, MICROSECONDS_PER_DAY, outOfRange, roundHalfEven } from "./calendar.ts";
import { EvaluationError, SQL_STATE } from "./errors.ts";
import {
  DAYS_PER_MONTH,
  INTERVAL_INFINITY,
  INTERVAL_MINUS_INFINITY,
  isFiniteInterval,
  makeInterval,
  spanOf,
} from "./interval.ts";
import type { Interval } from "./scalar-type.ts";

const SECONDS_PER_DAY = 86_400;
const INT64_END = 2 ** 63;

/** @throws {EvaluationError} out of range, or the difference of two infinities. */
export function addIntervals(a: Interval, b: Interval): Interval {
  if (!isFiniteInterval(a)) {
    if (!isFiniteInterval(b) && a.months !== b.months) throw outOfRange("interval");
    return a;
  }
  if (!isFiniteInterval(b)) return b;
  return makeInterval(a.months + b.months, a.days + b.days, a.microseconds + b.microseconds);
}

/** @throws {EvaluationError} out of range, or the difference of two equal infinities. */
export function subtractIntervals(a: Interval, b: Interval): Interval {
  if (!isFiniteInterval(a)) {
    if (!isFiniteInterval(b) && a.months === b.months) throw outOfRange("interval");
    return a;
  }
  if (!isFiniteInterval(b)) return b.months > 0 ? INTERVAL_MINUS_INFINITY : INTERVAL_INFINITY;
  return makeInterval(a.months - b.months, a.days - b.days, a.microseconds - b.microseconds);
}

/** @throws {EvaluationError} a part has no opposite. */
export function negateInterval(interval: Interval): Interval {
  if (!isFiniteInterval(interval)) {
    return interval.months > 0 ? INTERVAL_MINUS_INFINITY : INTERVAL_INFINITY;
  }
  // Zero minus the part, because the opposite of 0 would be -0.
  return makeInterval(0 - interval.months, 0 - interval.days, -interval.microseconds);
}

/** @throws {EvaluationError} out of range. */
export function multiplyInterval(interval: Interval, factor: number): Interval {
  if (Number.isNaN(factor)) throw outOfRange("interval");
  if (!isFiniteInterval(interval)) {
    if (factor === 0) throw outOfRange("interval");
    return factor < 0 ? negateInterval(interval) : interval;
  }
  if (!Number.isFinite(factor)) {
    const span = spanOf(interval);
    if (span === 0n) throw outOfRange("interval");
    return span < 0n === factor < 0 ? INTERVAL_INFINITY : INTERVAL_MINUS_INFINITY;
  }
  return scale(interval, (value) => value * factor);
}

/** @throws {EvaluationError} division by zero, or out of range. */
export function divideInterval(interval: Interval, divisor: number): Interval {
  if (divisor === 0) throw new EvaluationError("division by zero", SQL_STATE.divisionByZero);
  if (Number.isNaN(divisor)) throw outOfRange("interval");
  if (!isFiniteInterval(interval)) {
    if (!Number.isFinite(divisor)) throw outOfRange("interval");
    return divisor < 0 ? negateInterval(interval) : interval;
  }
  return scale(interval, (value) => value / divisor);
}

function scale(interval: Interval, by: (value: number) => number): Interval {
  const exactMonths = by(interval.months);
  const exactDays = by(interval.days);
  const months = toInt32(exactMonths);
  let days = toInt32(exactDays);

  const daysOfMonths = roundToMicros((exactMonths - months) * DAYS_PER_MONTH);
  const wholeDaysOfMonths = Math.trunc(daysOfMonths);
  let seconds = roundToMicros(
    (exactDays - days + daysOfMonths - wholeDaysOfMonths) * SECONDS_PER_DAY,
  );
  if (Math.abs(seconds) >= SECONDS_PER_DAY) {
    const wholeDays = Math.trunc(seconds / SECONDS_PER_DAY);
    days = toInt32(days + wholeDays);
    seconds -= wholeDays * SECONDS_PER_DAY;
  }
  days = toInt32(days + wholeDaysOfMonths);

  const microseconds = roundHalfEven(by(Number(interval.microseconds)) + seconds * 1_000_000);
  if (!(microseconds >= -INT64_END && microseconds < INT64_END)) throw outOfRange("interval");
  return makeInterval(months, days, BigInt(microseconds));
}

/** Cut towards zero, without a sign if it is 0. */
function toInt32(value: number): number {
  if (!(value >= -(2 ** 31) && value < 2 ** 31)) throw outOfRange("interval");
  return Math.trunc(value) + 0;
}

function roundToMicros(seconds: number): number {
  return roundHalfEven(seconds * 1_000_000) / 1_000_000;
}

/** 24 hours are a day. @throws {EvaluationError} out of range. */
export function justifyHours(interval: Interval): Interval {
  if (!isFiniteInterval(interval)) return interval;
  const wholeDays = interval.microseconds / MICROSECONDS_PER_DAY;
  const microseconds = interval.microseconds - wholeDays * MICROSECONDS_PER_DAY;
  const days = interval.days + Number(wholeDays);
  if (!isInt32(days)) throw outOfRange("interval");
  return { months: interval.months, ...alignTime(days, microseconds) };
}

/** 30 days are a month. @throws {EvaluationError} out of range. */
export function justifyDays(interval: Interval): Interval {
  if (!isFiniteInterval(interval)) return interval;
  const wholeMonths = Math.trunc(interval.days / DAYS_PER_MONTH);
  let months = interval.months + wholeMonths;
  if (!isInt32(months)) throw outOfRange("interval");
  let days = interval.days - wholeMonths * DAYS_PER_MONTH;
  if (months > 0 && days < 0) {
    days += DAYS_PER_MONTH;
    months--;
  } else if (months < 0 && days > 0) {
    days -= DAYS_PER_MONTH;
    months++;
  }
  return { months, days, microseconds: interval.microseconds };
}

/** Both, and all parts get the same sign. @throws {EvaluationError} out of range. */
export function justifyInterval(interval: Interval): Interval {
  if (!isFiniteInterval(interval)) return interval;
  const wholeDays = interval.microseconds / MICROSECONDS_PER_DAY;
  const microseconds = interval.microseconds - wholeDays * MICROSECONDS_PER_DAY;
  const totalDays = interval.days + Number(wholeDays);
  const wholeMonths = Math.trunc(totalDays / DAYS_PER_MONTH);
  let months = interval.months + wholeMonths;
  if (!isInt32(months)) throw outOfRange("interval");
  let days = totalDays - wholeMonths * DAYS_PER_MONTH;
  if (months > 0 && (days < 0 || (days === 0 && microseconds < 0n))) {
    days += DAYS_PER_MONTH;
    months--;
  } else if (months < 0 && (days > 0 || (days === 0 && microseconds > 0n))) {
    days -= DAYS_PER_MONTH;
    months++;
  }
  return { months, ...alignTime(days, microseconds) };
}

/** Gives the time the sign of the days. */
function alignTime(
  days: number,
  microseconds: bigint,
): { readonly days: number; readonly microseconds: bigint } {
  if (days > 0 && microseconds < 0n) {
    return { days: days - 1, microseconds: microseconds + MICROSECONDS_PER_DAY };
  }
  if (days < 0 && microseconds > 0n) {
    return { days: days + 1, microseconds: microseconds - MICROSECONDS_PER_DAY };
  }
  return { days, microseconds };
}

/** The interval of a span of time: days of 24 hours. @throws {EvaluationError} out of range. */
export function intervalOfSpan(microseconds: bigint): Interval {
  if (!isInt64(microseconds)) throw outOfRange("interval");
  return justifyHours({ months: 0, days: 0, microseconds });
}
