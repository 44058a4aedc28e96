/**
 * What the parts of an interval's text add up to, with the ranges of C at every step: the text
 * `2147483648 days -1 day` is too large although its sum is not.
 */

import { isInt32, isInt64, MICROSECONDS_PER_DAY, roundHalfEven } from "./calendar.ts";

export interface IntervalText {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly microseconds: bigint;
}

/** The units that a quantity is given in, and what it is added to. */
export const QUANTITY_UNITS = [
  "microsecond",
  "millisecond",
  "second",
  "minute",
  "hour",
  "day",
  "week",
  "month",
  "year",
  "decade",
  "century",
  "millennium",
] as const;
export type QuantityUnit = (typeof QUANTITY_UNITS)[number];

const MICROSECONDS_PER: Partial<Record<QuantityUnit, bigint>> = {
  microsecond: 1n,
  millisecond: 1000n,
  second: 1_000_000n,
  minute: 60_000_000n,
  hour: 3_600_000_000n,
};
const YEARS_PER: Partial<Record<QuantityUnit, number>> = {
  year: 1,
  decade: 10,
  century: 100,
  millennium: 1000,
};

export class IntervalSum implements IntervalText {
  years = 0;
  months = 0;
  days = 0;
  microseconds = 0n;

  /**
   * Adds `whole + fraction` of a unit; the fraction is between -1 and 1. Returns false, and is of
   * no further use, if a part overflows.
   *
   * Fractions go down to smaller units: of a month to days of 30 to a month, of a year to months.
   */
  add(unit: QuantityUnit, whole: bigint, fraction: number): boolean {
    const microseconds = MICROSECONDS_PER[unit];
    if (microseconds !== undefined) {
      return (
        this.#addMicroseconds(whole * microseconds) && this.#addFraction(fraction, microseconds)
      );
    }
    if (!isInt32(Number(whole))) return false;
    const count = Number(whole);
    const years = YEARS_PER[unit];
    if (years !== undefined) {
      return this.#addYears(count * years) && this.#addMonths(roundHalfEven(fraction * years * 12));
    }
    if (unit === "month") return this.#addMonths(count) && this.#addDayFraction(fraction * 30);
    if (unit === "week") return this.#addDays(count * 7) && this.#addDayFraction(fraction * 7);
    return this.#addDays(count) && this.#addFraction(fraction, MICROSECONDS_PER_DAY);
  }

  #addDayFraction(days: number): boolean {
    const whole = Math.trunc(days);
    return this.#addDays(whole) && this.#addFraction(days - whole, MICROSECONDS_PER_DAY);
  }

  /** Half a microsecond is cut off, more than half is rounded up. */
  #addFraction(fraction: number, scale: bigint): boolean {
    const scaled = fraction * Number(scale);
    const whole = Math.trunc(scaled);
    const rest = scaled - whole;
    return this.#addMicroseconds(BigInt(whole + (rest > 0.5 ? 1 : rest < -0.5 ? -1 : 0)));
  }

  /** A product that does not fit is too large by itself, whatever it is added to. */
  #addMicroseconds(microseconds: bigint): boolean {
    this.microseconds += microseconds;
    return isInt64(microseconds) && isInt64(this.microseconds);
  }

  #addDays(days: number): boolean {
    this.days += days;
    return isInt32(days) && isInt32(this.days);
  }

  #addMonths(months: number): boolean {
    this.months += months;
    return isInt32(this.months);
  }

  #addYears(years: number): boolean {
    this.years += years;
    return isInt32(years) && isInt32(this.years);
  }

  /** `ago`. Returns false if a part has no opposite. */
  negate(): boolean {
    this.years = -this.years || 0;
    this.months = -this.months || 0;
    this.days = -this.days || 0;
    this.microseconds = -this.microseconds;
    return (
      isInt32(this.years) &&
      isInt32(this.months) &&
      isInt32(this.days) &&
      isInt64(this.microseconds)
    );
  }
}
