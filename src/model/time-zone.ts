/**
 * What the clocks of a time zone show, as the connected Postgres has it. Its rules come from files
 * of the server's that change a few times a year, and are not those that come with Node, so that
 * Postgres is asked (`postgres/time-zone-transitions.ts`) and the answer is two tables here:
 *
 *     by instant   ─┬────────────┬──────────┬─────  seconds since 2000-01-01 UTC
 *     by local time ─┬────────────┬──────────┬────  seconds since 2000-01-01 of the zone's clocks
 *       offset     -x │     a      │    b     │  a   seconds east of Greenwich
 *
 * A clock that is put forward shows some times never, one that is put back shows some twice. What
 * Postgres makes of such a time stands in the second table, not in this code.
 *
 * 1. A table is sorted; before its second entry the first offset holds.
 * 2. From `CYCLE_START` on a zone follows one rule of months and days of the week, which repeats
 *    with the Gregorian calendar. A table ends with one whole cycle, at `CYCLE_END`.
 */

import { assert } from "../lib/assert.ts";
import { partitionPoint } from "../lib/partition-point.ts";

export interface TimeZone {
  /** Seconds east of Greenwich. @param seconds since 2000-01-01 00:00:00 UTC. */
  readonly offsetAt: (seconds: number) => number;
  /** The same. @param seconds since 2000-01-01 00:00:00 as its clocks show them. */
  readonly offsetAtLocal: (seconds: number) => number;
  /**
   * An abbreviation is an offset that its zone has, or has had. Some functions take it for all of
   * that zone, so that they are not told by its tables.
   */
  readonly isAbbreviation: boolean;
}

/** The time zones of one server. */
export interface TimeZones {
  /**
   * In upper or lower case. Undefined: it has none of this name.
   *
   * @throws {TimeZoneNeeded} it has not been asked for it yet.
   */
  find(name: string): TimeZone | undefined;
}

/** Whoever can wait asks the server for this time zone, and then tries again. */
export class TimeZoneNeeded extends Error {
  override readonly name = "TimeZoneNeeded";
  readonly zone: string;

  constructor(zone: string) {
    super(`the time zone ${zone} has not been read yet`);
    this.zone = zone;
  }
}

/** 400 years, after which days of the week fall on the same dates. */
const CYCLE_SECONDS = 146_097 * 86_400;
/** 2100-01-01; the last change of rules that is known today is of 2087. */
export const CYCLE_START = 36_525 * 86_400;
/** 2500-01-01. */
export const CYCLE_END = CYCLE_START + CYCLE_SECONDS;

/** Offsets of a zone by time, in seconds. */
export class OffsetTable {
  /** When each offset begins; the first one holds before as well. */
  readonly #starts: Float64Array;
  readonly #offsets: Int32Array;

  /** @param changes `[seconds since 2000-01-01, offset from then on]`, ascending, at least one. */
  constructor(changes: readonly (readonly [start: number, offset: number])[]) {
    assert(changes.length > 0, "a time zone has an offset");
    this.#starts = Float64Array.from(changes, ([start]) => start);
    this.#offsets = Int32Array.from(changes, ([, offset]) => offset);
    assert(
      changes.every(([start], index) => index === 0 || this.#starts[index - 1]! < start),
      "the offsets of a time zone follow one another",
    );
  }

  get byteLength(): number {
    return this.#starts.byteLength + this.#offsets.byteLength;
  }

  offsetAt(seconds: number): number {
    const time = seconds < CYCLE_END ? seconds : withinCycle(seconds);
    const starts = this.#starts;
    // The last entry that begins at `time` or before, or the first.
    const behind = partitionPoint(starts.length, (at) => starts[at]! <= time);
    return this.#offsets[Math.max(0, behind - 1)]!;
  }
}

function withinCycle(seconds: number): number {
  return CYCLE_START + ((seconds - CYCLE_START) % CYCLE_SECONDS);
}

/** The zone whose offset is the same at all times. */
export function fixedTimeZone(offset: number): TimeZone {
  const offsetAt = (): number => offset;
  return { offsetAt, offsetAtLocal: offsetAt, isAbbreviation: false };
}
