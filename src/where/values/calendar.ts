/**
 * The proleptic Gregorian calendar, and numbers as C divides them.
 *
 * Years are astronomical: 0 is 1 BC, -1 is 2 BC. Days count from 2000-01-01, as Postgres counts.
 *
 * A year is taken to begin in March, so that the leap day is its last and the days before a month
 * are a linear function of it; 400 years are always 146,097 days.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";

export const MICROSECONDS_PER_SECOND = 1_000_000n;
export const MICROSECONDS_PER_DAY = 86_400_000_000n;
export const INT32_MAX = 2_147_483_647;
export const INT32_MIN = -2_147_483_648;
export const INT64_MAX = 9_223_372_036_854_775_807n;
export const INT64_MIN = -9_223_372_036_854_775_808n;

const DAYS_PER_ERA = 146_097;
const YEARS_PER_ERA = 400;
/** From 0000-03-01 to 2000-01-01. */
const DAYS_TO_2000 = 730_425;
/** Julian day 0 is 4714-11-24 BC, and this is 2000-01-01's. */
const JULIAN_DAY_OF_2000 = 2_451_545;

export interface CalendarDay {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

/** A day that the month does not have counts on into the next month. */
export function daysOf(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const era = Math.floor(marchYear / YEARS_PER_ERA);
  const yearOfEra = marchYear - era * YEARS_PER_ERA;
  const daysBeforeMonth = Math.floor((153 * ((month + 9) % 12) + 2) / 5);
  const daysBeforeYear = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  return era * DAYS_PER_ERA + daysBeforeYear + daysBeforeMonth + day - 1 - DAYS_TO_2000;
}

export function calendarDayOf(days: number): CalendarDay {
  const shifted = days + DAYS_TO_2000;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return { year: yearOfEra + era * YEARS_PER_ERA + (month <= 2 ? 1 : 0), month, day };
}

export function julianDayOf(days: number): number {
  return days + JULIAN_DAY_OF_2000;
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** 0 is Sunday. */
export function dayOfWeek(days: number): number {
  return (((days + 6) % 7) + 7) % 7;
}

/** The week of ISO 8601, and the year that it belongs to. Week 1 has the year's first Thursday. */
export function isoWeekOf(days: number): { readonly year: number; readonly week: number } {
  const thursday = days - ((dayOfWeek(days) + 6) % 7) + 3;
  const { year } = calendarDayOf(thursday);
  return { year, week: Math.floor((thursday - daysOf(year, 1, 1)) / 7) + 1 };
}

/** Rounds down, where bigints are divided towards zero. */
export function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}

/** C's rint: a tie goes to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export function isInt32(value: number): boolean {
  return value >= INT32_MIN && value <= INT32_MAX;
}

export function isInt64(value: bigint): boolean {
  return value >= INT64_MIN && value <= INT64_MAX;
}

/** `date out of range`, `timestamp out of range`, `interval out of range`. */
export function outOfRange(what: string): EvaluationError {
  return new EvaluationError(`${what} out of range`, SQL_STATE.datetimeFieldOverflow);
}
