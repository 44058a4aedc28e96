/**
 * Time zones of AT TIME ZONE, of `date_trunc` and of the input of timestamptz, manual 8.5.3.
 *
 *     UTC GMT Z Zulu UT UCT          0
 *     +05:30, -8, <+0330>-03:30      POSIX: hours west of Greenwich, whatever the sign seems to say
 *     interval '5 hours'             hours east
 *     Europe/Paris, EST              as the connected server has them (`model/time-zone.ts`)
 *
 * `Intl` knows names as well, but those that come with Node: of 555 zones two differed from
 * Postgres when we asked, by an hour, for every winter from then on. A row would be in a shape for
 * one of the two and not for the other.
 *
 * Rules in the notation of POSIX (`CET-1CEST`) are refused: no bound could be set to what clients
 * let be read of them.
 */

import { fixedTimeZone, type TimeZone, type TimeZones } from "../../model/time-zone.ts";
import { floorDivide, MICROSECONDS_PER_SECOND } from "./calendar.ts";
import { EvaluationError, SQL_STATE } from "./errors.ts";
import { intervalType, isFiniteInterval } from "./interval.ts";
import type { Interval } from "./scalar-type.ts";
import { checkTimestamp, isFiniteTimestamp } from "./timestamp.ts";

const UTC_NAME = /^(?:z|zulu|utc?|uct|gmt|etc\/(?:utc|uct|gmt|zulu|universal|greenwich))$/i;
const POSIX = /^([+-])(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?$/;
/** A week, which is what POSIX allows. */
const POSIX_HOURS_MAX = 24 * 7 - 1;

export const UTC = fixedTimeZone(0);

/** Whether the server need not be asked for it. */
export function isKnownToAll(name: string): boolean {
  return UTC_NAME.test(name) || POSIX.test(name);
}

/**
 * @param zones of the server; undefined: it cannot be asked.
 * @throws {EvaluationError} there is no such time zone, or none that is supported.
 * @throws {TimeZoneNeeded}
 */
export function timeZoneNamed(name: string, zones: TimeZones | undefined): TimeZone {
  if (UTC_NAME.test(name)) return UTC;
  const posix = POSIX.exec(name);
  if (posix !== null) return posixZone(name, posix);
  const zone = zones?.find(name);
  if (zone !== undefined) return zone;
  // What has no digit is no rule of POSIX either.
  if (zones !== undefined && !/\d/.test(name)) throw notRecognized(name);
  throw new EvaluationError(
    `time zone "${name}" is not supported: use a name of pg_timezone_names, or a fixed offset ` +
      "such as interval '2 hours'",
    SQL_STATE.featureNotSupported,
  );
}

function posixZone(name: string, [, sign, hours, minutes, seconds]: RegExpExecArray): TimeZone {
  const [hour, minute, second] = [hours, minutes, seconds].map((part) => Number(part ?? "0"));
  if (hour! > POSIX_HOURS_MAX || minute! > 59 || second! > 60) throw notRecognized(name);
  const west = hour! * 3600 + minute! * 60 + second!;
  return fixedTimeZone(sign === "-" ? west : -west);
}

function notRecognized(name: string): EvaluationError {
  return new EvaluationError(`time zone "${name}" not recognized`, SQL_STATE.invalidParameterValue);
}

/** @throws {EvaluationError} the interval has months or days, or is infinite. */
export function timeZoneOfInterval(zone: Interval): TimeZone {
  const isTime = isFiniteInterval(zone) && zone.months === 0 && zone.days === 0;
  // Postgres keeps it in 32 bits, whatever does not fit.
  if (isTime) return fixedTimeZone(Number(BigInt.asIntN(32, zone.microseconds / 1_000_000n)));
  const problem = isFiniteInterval(zone) ? "must not include months or days" : "must be finite";
  throw new EvaluationError(
    `interval time zone "${intervalType.format(zone)}" ${problem}`,
    SQL_STATE.invalidParameterValue,
  );
}

/** What the clocks show then: timestamptz to timestamp. @throws {EvaluationError} out of range. */
export function toLocal(instant: bigint, zone: TimeZone): bigint {
  if (!isFiniteTimestamp(instant)) return instant;
  return checkTimestamp(instant + inMicroseconds(zone.offsetAt(secondsOf(instant))));
}

/** When the clocks show it: timestamp to timestamptz. @throws {EvaluationError} out of range. */
export function fromLocal(local: bigint, zone: TimeZone): bigint {
  if (!isFiniteTimestamp(local)) return local;
  return checkTimestamp(local - inMicroseconds(zone.offsetAtLocal(secondsOf(local))));
}

/** Whole seconds since 2000-01-01, which is where offsets change. */
export function secondsOf(timestamp: bigint): number {
  return Number(floorDivide(timestamp, MICROSECONDS_PER_SECOND));
}

export function inMicroseconds(seconds: number): bigint {
  return BigInt(seconds) * MICROSECONDS_PER_SECOND;
}
