/**
 * interval: months, days and microseconds, each with a sign of its own.
 *
 * Compared, a month is 30 days and a day is 24 hours, so that values that are not the same may be
 * equal: `1 mon` and `30 days`. Written, they differ.
 *
 * The infinities are the extremes of all three parts, as they are in Postgres from version 17 on.
 */

import {
  INT32_MAX,
  INT32_MIN,
  INT64_MAX,
  INT64_MIN,
  isInt32,
  isInt64,
  MICROSECONDS_PER_DAY,
  outOfRange,
} from "./calendar.ts";
import { formatFraction } from "./clock-text.ts";
import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";
import { parseIsoInterval } from "./interval-iso-text.ts";
import type { IntervalText } from "./interval-sum.ts";
import { parseTraditionalInterval } from "./interval-text.ts";
import type { Interval, ScalarType } from "./scalar-type.ts";

export const INTERVAL_INFINITY: Interval = {
  months: INT32_MAX,
  days: INT32_MAX,
  microseconds: INT64_MAX,
};
export const INTERVAL_MINUS_INFINITY: Interval = {
  months: INT32_MIN,
  days: INT32_MIN,
  microseconds: INT64_MIN,
};

export const DAYS_PER_MONTH = 30;

/** A finite interval as its units show it, all of them cut towards zero. */
export interface IntervalFields {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  readonly microseconds: number;
}

export const intervalType: ScalarType<Interval> = {
  name: "interval",
  parse(text) {
    const parsed = parseTraditionalInterval(text) ?? parseIsoInterval(text);
    if (parsed === undefined) {
      throw new InvalidText("interval", text, SQL_STATE.invalidDatetimeFormat);
    }
    if (parsed === "overflow") {
      throw new EvaluationError(
        `interval field value out of range: "${text}"`,
        SQL_STATE.intervalFieldOverflow,
      );
    }
    if (parsed === "infinity") return INTERVAL_INFINITY;
    if (parsed === "-infinity") return INTERVAL_MINUS_INFINITY;
    return fromText(parsed);
  },
  format,
  compare: (a, b) => {
    const difference = spanOf(a) - spanOf(b);
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  },
  equals: (a, b) => spanOf(a) === spanOf(b),
};

export function isFiniteInterval({ months, days, microseconds }: Interval): boolean {
  const isInfinite =
    (months === INT32_MAX && days === INT32_MAX && microseconds === INT64_MAX) ||
    (months === INT32_MIN && days === INT32_MIN && microseconds === INT64_MIN);
  return !isInfinite;
}

/** What it is compared by, in microseconds. */
export function spanOf({ months, days, microseconds }: Interval): bigint {
  return (BigInt(months) * 30n + BigInt(days)) * MICROSECONDS_PER_DAY + microseconds;
}

/**
 * An interval of parts that were computed.
 *
 * @throws {EvaluationError} a part does not fit, or the result would pass for an infinity.
 */
export function makeInterval(months: number, days: number, microseconds: bigint): Interval {
  const result = { months, days, microseconds };
  const fits = isInt32(months) && isInt32(days) && isInt64(microseconds);
  if (!fits || !isFiniteInterval(result)) throw outOfRange("interval");
  return result;
}

/** REQUIRES: the interval is finite. */
export function intervalFieldsOf({ months, days, microseconds }: Interval): IntervalFields {
  const seconds = Number(microseconds / 1_000_000n);
  return {
    years: Math.trunc(months / 12),
    months: months % 12,
    days,
    hours: Math.trunc(seconds / 3600),
    minutes: Math.trunc(seconds / 60) % 60,
    seconds: seconds % 60,
    microseconds: Number(microseconds % 1_000_000n),
  };
}

function fromText({ years, months, days, microseconds }: IntervalText): Interval {
  const total = years * 12 + months;
  if (!isInt32(total)) throw outOfRange("interval");
  return { months: total, days, microseconds };
}

/** ISO 8601 durations, `P1Y2M3DT4H5M6.789S`: the IntervalStyle of every session. */
function format(interval: Interval): string {
  if (!isFiniteInterval(interval)) return interval.months > 0 ? "infinity" : "-infinity";
  const { years, months, days, hours, minutes, seconds, microseconds } = intervalFieldsOf(interval);
  const date = part(years, "Y") + part(months, "M") + part(days, "D");
  const sign = seconds < 0 || microseconds < 0 ? "-" : "";
  const hasSeconds = seconds !== 0 || microseconds !== 0;
  const fraction = formatFraction(Math.abs(microseconds));
  const time =
    part(hours, "H") +
    part(minutes, "M") +
    (hasSeconds ? `${sign}${Math.abs(seconds)}${fraction}S` : "");
  if (date === "" && time === "") return "PT0S";
  return `P${date}${time === "" ? "" : `T${time}`}`;
}

function part(value: number, unit: string): string {
  return value === 0 ? "" : `${value}${unit}`;
}
