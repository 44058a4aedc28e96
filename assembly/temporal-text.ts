/**
 * Dates and times as Postgres writes them under DateStyle ISO (Postgres manual, 8.5.2), as numbers
 * that are equal and ordered as the values are:
 *
 *     date        `2026-01-31`, `0044-03-15 BC`          days since 2000-01-01
 *     time        `23:59:59.5`, `24:00:00`               microseconds since midnight
 *     timestamp   date, space, time, zone if any, era    microseconds since 2000-01-01
 *     zone        `+00`, `-03:30`, `+00:19:32`           hours east, subtracted
 *     infinity, -infinity                                the greatest and the least i64
 *
 * Postgres' timestamps end in the year 294276, so no sum here leaves 64 bits.
 *
 * Allocates nothing.
 */

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
/** From 0000-03-01 to 2000-01-01 in the proleptic Gregorian calendar. */
const DAYS_TO_EPOCH: i64 = 730_425;
const DAYS_PER_ERA: i64 = 146_097;
/** A date of Postgres has at most seven: 5874897. */
const YEAR_DIGITS_MAX: u32 = 7;

const ZERO: u32 = 0x30;
const SPACE: u32 = 0x20;
const HYPHEN: u32 = 0x2d;
const PLUS: u32 = 0x2b;
const COLON: u32 = 0x3a;
const POINT: u32 = 0x2e;

/** `infinity` as a word. */
const INFINITY: u64 = 0x7974696e69666e69;
/** ` BC` and a zero. */
const ERA: u32 = 0x434220;

let at: usize = 0;
let end: usize = 0;
let value: i64 = 0;
/** What the last `digits` read. */
let number: i64 = 0;

/** Reads a date into `lastValue`. False: the text is none. */
export function readDate(address: usize, size: u32): bool {
  begin(address, size);
  if (readInfinity()) return true;
  if (!readYearMonthDay()) return false;
  return at == end;
}

/** Reads a time without zone into `lastValue`. False: the text is none. */
export function readTime(address: usize, size: u32): bool {
  begin(address, size);
  return readClock() && at == end;
}

/** Reads a timestamp, with or without zone, into `lastValue`. False: the text is none. */
export function readTimestamp(address: usize, size: u32): bool {
  begin(address, size);
  if (readInfinity()) return true;
  // The era stands at the very end, and the days depend on it.
  const isBefore = takeEra();
  if (!readDays(isBefore) || !take(SPACE)) return false;
  const days = value;
  if (!readClock()) return false;
  const clock = value;
  if (at != end && !readZone()) return false;
  value = days * MICROSECONDS_PER_DAY + clock - number * MICROSECONDS_PER_SECOND;
  return at == end;
}

export function lastValue(): i64 {
  return value;
}

function begin(address: usize, size: u32): void {
  at = address;
  end = address + <usize>size;
}

function readInfinity(): bool {
  const isNegative = end - at == 9 && <u32>load<u8>(at) == HYPHEN;
  if (end - at != 8 && !isNegative) return false;
  if (load<u64>(end - 8) != INFINITY) return false;
  value = isNegative ? i64.MIN_VALUE : i64.MAX_VALUE;
  return true;
}

function readYearMonthDay(): bool {
  return readDays(takeEra());
}

/** Leaves the era out of the text. Returns whether it was there. */
function takeEra(): bool {
  if (end - at < 4) return false;
  if (load<u32>(end - 4) >> 8 != ERA) return false;
  end -= 3;
  return true;
}

/** Reads `year-month-day` as days since 2000-01-01. */
function readDays(isBefore: bool): bool {
  if (!digits(4, YEAR_DIGITS_MAX) || !take(HYPHEN)) return false;
  // There is no year 0: 1 BC is the year before 1.
  let year = isBefore ? 1 - number : number;
  if (!digits(2, 2) || !take(HYPHEN)) return false;
  const month = number;
  if (!digits(2, 2)) return false;
  const day = number;
  if (month < 1 || month > 12 || day < 1 || day > 31) return false;

  // Years that begin with March have their leap day last; 400 of them are an era of equal length.
  if (month <= 2) year -= 1;
  const era = (year >= 0 ? year : year - 399) / 400;
  const yearOfEra = year - era * 400;
  const dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  value = era * DAYS_PER_ERA + dayOfEra - DAYS_TO_EPOCH;
  return true;
}

/** Reads `hh:mm:ss` and a fraction as microseconds. */
function readClock(): bool {
  if (!digits(2, 2) || !take(COLON)) return false;
  let seconds = number * 3600;
  if (!digits(2, 2) || !take(COLON)) return false;
  seconds += number * 60;
  if (!digits(2, 2)) return false;
  value = (seconds + number) * MICROSECONDS_PER_SECOND;
  number = 0;
  if (!take(POINT)) return true;
  const first = at;
  if (!digits(1, 6)) return false;
  for (let count = at - first; count < 6; count += 1) number *= 10;
  value += number;
  number = 0;
  return true;
}

/** Reads a zone as seconds east, into `number`. */
function readZone(): bool {
  const isWest = take(HYPHEN);
  if (!isWest && !take(PLUS)) return false;
  if (!digits(2, 2)) return false;
  let seconds = number * 3600;
  if (take(COLON)) {
    if (!digits(2, 2)) return false;
    seconds += number * 60;
    if (take(COLON)) {
      if (!digits(2, 2)) return false;
      seconds += number;
    }
  }
  number = isWest ? -seconds : seconds;
  return true;
}

/** Reads as many digits as there are into `number`. False: too few, or too many. */
function digits(least: u32, most: u32): bool {
  let count: u32 = 0;
  number = 0;
  while (at < end) {
    const digit = <u32>load<u8>(at) - ZERO;
    if (digit > 9) break;
    number = number * 10 + <i64>digit;
    count += 1;
    at += 1;
    if (count > most) return false;
  }
  return count >= least;
}

function take(character: u32): bool {
  if (at == end || <u32>load<u8>(at) != character) return false;
  at += 1;
  return true;
}
