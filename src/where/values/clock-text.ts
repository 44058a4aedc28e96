/**
 * Times of day as text, `hh:mm`, `hh:mm:ss.ffffff` or `mm:ss.ffffff`: chapter 8.5 of the manual,
 * "Date/Time Input". Times of intervals are written the same way, with any number of hours.
 *
 * Postgres reads a fraction as a double and rounds its product with a million to even; so do we,
 * because that is not the same as rounding the digits.
 */

import { INT32_MAX, INT64_MAX, roundHalfEven } from "./calendar.ts";

export interface ClockText {
  readonly hours: bigint;
  readonly minutes: number;
  /** 60 is allowed. */
  readonly seconds: number;
  /** 0 to 1,000,000, which is a fraction that was rounded up. */
  readonly microseconds: number;
}

/** In a time with a sign the parts may have signs too, though only of zeros. */
const CLOCK = /^(\d+):(-\d+|\d*)(?:(\.\d*)|:(-\d+|\d*)(\.\d*)?)?$/;

/** Returns "malformed" for what is no time, and "overflow" for one whose parts are too large. */
export function parseClock(text: string): ClockText | "malformed" | "overflow" {
  const match = CLOCK.exec(text);
  if (match === null) return "malformed";
  const [, first = "", second = "", shortFraction, third = "", longFraction] = match;
  const fraction = shortFraction ?? longFraction ?? "";
  const isShort = shortFraction !== undefined;
  const hours = isShort ? 0n : BigInt(first);
  const minutes = Number(isShort ? first : second);
  const seconds = Number(isShort ? second : third);
  const isTooLarge = hours > INT64_MAX || minutes > INT32_MAX || seconds > INT32_MAX;
  if (isTooLarge || minutes > 59 || seconds > 60 || minutes < 0 || seconds < 0) return "overflow";
  return { hours, minutes, seconds, microseconds: parseFractionalSecond(fraction) };
}

/** `.123`, `.` or the empty text to microseconds. */
function parseFractionalSecond(fraction: string): number {
  return fraction.length < 2 ? 0 : roundHalfEven(Number(fraction) * 1_000_000);
}

/** `04:05:06.789`, of microseconds since midnight. */
export function formatClock(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1_000_000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const fraction = formatFraction(microseconds % 1_000_000);
  return `${twoDigits(hours)}:${twoDigits(minutes)}:${twoDigits(seconds % 60)}${fraction}`;
}

/** `.789`, without trailing zeros; nothing for 0. */
export function formatFraction(microseconds: number): string {
  if (microseconds === 0) return "";
  return `.${String(microseconds).padStart(6, "0").replace(/0+$/, "")}`;
}

export function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
