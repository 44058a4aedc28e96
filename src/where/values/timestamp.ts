/**
 * timestamp and timestamptz: microseconds since 2000-01-01 00:00:00, 4714-11-24 BC to the end of
 * 294276. The extremes of 64 bits stand for the infinities.
 *
 * The session's time zone is UTC (protocol 8.2), so the two differ in their texts alone: a
 * timestamptz is written with its offset, `+00`, and read with one.
 */

import {
  calendarDayOf,
  daysOf,
  floorDivide,
  INT64_MAX,
  INT64_MIN,
  MICROSECONDS_PER_DAY,
  outOfRange,
  type CalendarDay,
} from "./calendar.ts";
import { formatClock } from "./clock-text.ts";
import { parseDateTime } from "./date-time-text.ts";
import { formatDay, formatEra } from "./date.ts";
import type { ScalarType } from "./scalar-type.ts";

export const TIMESTAMP_INFINITY = INT64_MAX;
export const TIMESTAMP_MINUS_INFINITY = INT64_MIN;
export const UNIX_EPOCH = BigInt(daysOf(1970, 1, 1)) * MICROSECONDS_PER_DAY;

const TIMESTAMP_MIN = BigInt(daysOf(-4713, 11, 24)) * MICROSECONDS_PER_DAY;
/** Exclusive. */
const TIMESTAMP_END = BigInt(daysOf(294_277, 1, 1)) * MICROSECONDS_PER_DAY;

/** A finite timestamp as a calendar shows it. */
export interface TimestampFields extends CalendarDay {
  readonly days: number;
  /** Since midnight. */
  readonly microseconds: number;
}

/** The instant at which the clocks of a time zone show this. @throws {EvaluationError} */
export type FromZone = (local: bigint, zone: string) => bigint;

export const timestampType: ScalarType<bigint> = makeType("timestamp", "timestamp", "");
export const timestamptzType: ScalarType<bigint> = timestamptzTypeWith(undefined);

/** timestamptz, in whose input a time zone may be named. */
export function timestamptzTypeWith(fromZone: FromZone | undefined): ScalarType<bigint> {
  return makeType("timestamptz", "timestamp with time zone", "+00", fromZone);
}

function makeType(
  name: "timestamp" | "timestamptz",
  spelledName: "timestamp" | "timestamp with time zone",
  zone: string,
  fromZone?: FromZone,
): ScalarType<bigint> {
  return {
    name,
    parse: (text) => parse(name, spelledName, text, fromZone),
    format(timestamp) {
      if (timestamp === TIMESTAMP_INFINITY) return "infinity";
      if (timestamp === TIMESTAMP_MINUS_INFINITY) return "-infinity";
      const fields = fieldsOf(timestamp);
      const clock = formatClock(fields.microseconds);
      return `${formatDay(fields)} ${clock}${zone}${formatEra(fields)}`;
    },
    compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
    equals: (a, b) => a === b,
  };
}

function parse(
  name: "timestamp" | "timestamptz",
  spelledName: "timestamp" | "timestamp with time zone",
  text: string,
  fromZone: FromZone | undefined,
): bigint {
  const parsed = parseDateTime(spelledName, text, fromZone !== undefined);
  if (parsed === "epoch") return UNIX_EPOCH;
  if (parsed === "infinity") return TIMESTAMP_INFINITY;
  if (parsed === "-infinity") return TIMESTAMP_MINUS_INFINITY;
  const { year, month, day } = parsed.day!;
  const midnight = BigInt(daysOf(year, month, day)) * MICROSECONDS_PER_DAY;
  const local = midnight + BigInt(parsed.microseconds ?? 0);
  if (parsed.zone !== undefined) return fromZone!(local, parsed.zone);
  // A timestamp ignores the zone that it is given, as Postgres does.
  const offset = name === "timestamp" ? 0 : (parsed.offset ?? 0);
  return checkTimestamp(local - BigInt(offset) * 1_000_000n);
}

export function isFiniteTimestamp(timestamp: bigint): boolean {
  return timestamp !== TIMESTAMP_INFINITY && timestamp !== TIMESTAMP_MINUS_INFINITY;
}

/** @throws {EvaluationError} it is outside of the range of finite timestamps. */
export function checkTimestamp(timestamp: bigint): bigint {
  if (timestamp < TIMESTAMP_MIN || timestamp >= TIMESTAMP_END) throw outOfRange("timestamp");
  return timestamp;
}

/** @throws {EvaluationError} it is outside of the range of finite timestamps. */
export function timestampOf(days: number, microseconds: number): bigint {
  return checkTimestamp(BigInt(days) * MICROSECONDS_PER_DAY + BigInt(microseconds));
}

/** REQUIRES: the timestamp is finite. */
export function fieldsOf(timestamp: bigint): TimestampFields {
  const days = floorDivide(timestamp, MICROSECONDS_PER_DAY);
  const microseconds = Number(timestamp - days * MICROSECONDS_PER_DAY);
  return { ...calendarDayOf(Number(days)), days: Number(days), microseconds };
}
