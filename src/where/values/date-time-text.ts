/**
 * Dates and times as text: what the input functions of date, time, timestamp and timestamptz take,
 * appendix B of the manual ("Date/Time Support"), as far as it means the same everywhere.
 *
 *     2024-01-31 10:20:30.5+02 BC
 *     └─ date ─┘T└─ clock ┘└┴ zone
 *
 *     date    YYYY-MM-DD, YYYY/MM/DD, YYYY.MM.DD, YYYYMMDD; the year has at least three digits
 *     clock   clock-text.ts, and AM or PM
 *     zone    Z, UTC, GMT and their like, +hh, +hhmm, +hh:mm, +hh:mm:ss;
 *             where the server can be asked, the names that it knows
 *
 * What is refused although Postgres takes it, and why:
 *
 *     now, today, ...             a shape's definition would mean something else every day
 *     01/02/2024, 1-2-99          which is the month depends on DateStyle
 *     January 8, J2451187, 040506 nobody's database driver writes them
 *     PST, Europe/Paris           in a row: the server cannot be asked then
 */

import { daysInMonth, type CalendarDay } from "./calendar.ts";
import { parseClock } from "./clock-text.ts";
import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";

export type SpecialText = "epoch" | "infinity" | "-infinity";

export interface DateTimeText {
  readonly day: CalendarDay | undefined;
  /** Since midnight, at most a whole day. */
  readonly microseconds: number | undefined;
  /** Seconds east of Greenwich. */
  readonly offset: number | undefined;
  /** The name of a time zone, which nobody has looked up. */
  readonly zone: string | undefined;
}

/** The name of a type as the messages of Postgres spell it. */
type SpelledType = "date" | "time" | "timestamp" | "timestamp with time zone";

/** What `MAXDATELEN` allows, spaces around it not counted. */
const LENGTH_MAX = 128;
const OFFSET_HOURS_MAX = 15;
const MICROSECONDS_PER_HOUR = 3_600_000_000;
const MICROSECONDS_PER_DAY = 24 * MICROSECONDS_PER_HOUR;

const SPECIAL = /^(?:(epoch)|\+?(infinity)|(-infinity))$/i;
const SEPARATED_DAY = /(\d{3,7})([-/.])(\d{1,2})\2(\d{1,2})(?![\d./-])/y;
const COMPACT_DAY = /(\d{4})(\d\d)(\d\d)(?![\d:./-])/y;
/** A T must be followed by a clock, which is for the caller to see. */
const TIME_MARK = /[ \t\n\v\f\r]*[Tt][ \t\n\v\f\r]*(?=\d)/y;
const SPACE = /[ \t\n\v\f\r]+/y;
const CLOCK = /\d+:[\d:.]*/y;
const HALF_OF_DAY = /[ \t\n\v\f\r]*(am|pm)(?=[ \t\n\v\f\r]|$)/iy;
const NUMERIC_ZONE = /[ \t\n\v\f\r]*([+-])[ \t\n\v\f\r]*(\d[\d:.-]*)/y;
const NAMED_ZONE = /[ \t\n\v\f\r]*(?:z|zulu|utc?|uct|gmt)(?=[ \t\n\v\f\r]|$)/iy;
/** Anything that could be a name, other than the mark of an era. */
const ZONE_NAME =
  /[ \t\n\v\f\r]*((?!(?:ad|bc)(?![^ \t\n\v\f\r]))[a-z][a-z0-9_/+-]*)(?=[ \t\n\v\f\r]|$)/iy;
const ERA = /[ \t\n\v\f\r]*(ad|bc)(?=[ \t\n\v\f\r]|$)/iy;

/**
 * @param takesZoneNames whether it may have a `zone`.
 * @throws {InvalidText} the text is no date or time.
 * @throws {EvaluationError} a part is out of range, or the text means something else elsewhere.
 */
export function parseDateTime(
  type: SpelledType,
  text: string,
  takesZoneNames = false,
): SpecialText | DateTimeText {
  const trimmed = trimSpaces(text);
  const special = SPECIAL.exec(trimmed);
  if (special !== null)
    return (special[1] ?? special[2] ?? special[3])!.toLowerCase() as SpecialText;
  if (trimmed.length > LENGTH_MAX)
    throw new InvalidText(type, text, SQL_STATE.invalidDatetimeFormat);
  return new Reader(type, text, trimmed).read(takesZoneNames);
}

/** Reads one text from left to right. */
class Reader {
  readonly #type: SpelledType;
  readonly #original: string;
  readonly #text: string;
  #position = 0;

  constructor(type: SpelledType, original: string, text: string) {
    this.#type = type;
    this.#original = original;
    this.#text = text;
  }

  read(takesZoneNames: boolean): DateTimeText {
    const digits = this.#take(SEPARATED_DAY);
    const compact = digits === undefined ? this.#take(COMPACT_DAY) : undefined;
    const hasDay = digits !== undefined || compact !== undefined;
    const hasMark = this.#take(TIME_MARK) !== undefined;
    const hasSpace = this.#take(SPACE) !== undefined;
    // Only a time may be without a date, and it may have one only as `YYYY-MM-DD hh:mm`.
    const mayBeTime = !hasDay || (digits !== undefined && hasSpace);
    if (this.#type === "time" ? !mayBeTime : !hasDay) this.#fail();

    const clock = hasMark || hasSpace || !hasDay ? this.#take(CLOCK)?.[0] : undefined;
    if (clock === undefined && (hasMark || !hasDay || this.#type === "time")) this.#fail();
    const half = clock === undefined ? undefined : this.#take(HALF_OF_DAY)?.[1]?.toLowerCase();
    const offset = this.#readZone();
    const mayBeName = takesZoneNames && offset === undefined && (hasSpace || clock !== undefined);
    const zone = mayBeName ? this.#take(ZONE_NAME)?.[1] : undefined;
    const era = hasDay ? this.#take(ERA)?.[1]?.toLowerCase() : undefined;
    if (this.#position !== this.#text.length) this.#fail();

    const [year, month, date] =
      digits === undefined ? (compact?.slice(1) ?? []) : [digits[1], digits[3], digits[4]];
    return {
      day: hasDay ? this.#dayOf(Number(year), Number(month), Number(date), era) : undefined,
      microseconds: clock === undefined ? undefined : this.#microsecondsOf(clock, half),
      offset,
      zone,
    };
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#position = pattern.lastIndex;
    return match;
  }

  #readZone(): number | undefined {
    if (this.#take(NAMED_ZONE) !== undefined) return 0;
    const numeric = this.#take(NUMERIC_ZONE);
    if (numeric === undefined) return undefined;
    const offset = parseOffset(numeric[2]!);
    if (offset === undefined) this.#fail();
    if (offset === "overflow") {
      throw new EvaluationError(
        `time zone displacement out of range: "${this.#original}"`,
        SQL_STATE.invalidTimeZoneDisplacement,
      );
    }
    return numeric[1] === "-" ? -offset : offset;
  }

  #dayOf(year: number, month: number, day: number, era: string | undefined): CalendarDay {
    const astronomicalYear = era === "bc" ? 1 - year : year;
    const isInRange =
      year > 0 &&
      month >= 1 &&
      month <= 12 &&
      day >= 1 &&
      day <= daysInMonth(astronomicalYear, month);
    if (!isInRange) this.#overflow();
    return { year: astronomicalYear, month, day };
  }

  #microsecondsOf(text: string, half: string | undefined): number {
    const clock = parseClock(text);
    if (clock === "malformed") return this.#fail();
    if (clock === "overflow") return this.#overflow();
    let hours = Number(clock.hours);
    const rest = (clock.minutes * 60 + clock.seconds) * 1_000_000 + clock.microseconds;
    if (hours * MICROSECONDS_PER_HOUR + rest > MICROSECONDS_PER_DAY) this.#overflow();
    if (half !== undefined) {
      if (hours > 12) this.#overflow();
      hours = (hours % 12) + (half === "pm" ? 12 : 0);
    }
    return hours * MICROSECONDS_PER_HOUR + rest;
  }

  #overflow(): never {
    throw new EvaluationError(
      `date/time field value out of range: "${this.#original}"`,
      SQL_STATE.datetimeFieldOverflow,
    );
  }

  #fail(): never {
    const advice = adviceFor(this.#text);
    if (advice === undefined) {
      throw new InvalidText(this.#type, this.#original, SQL_STATE.invalidDatetimeFormat);
    }
    throw new EvaluationError(
      `"${this.#original}" is not supported for type ${this.#type}: ${advice}`,
      SQL_STATE.featureNotSupported,
    );
  }
}

/** `5`, `0530`, `05:30` or `05:30:15` to seconds; undefined if it is none. */
function parseOffset(text: string): number | "overflow" | undefined {
  const match = /^(\d+)(?::(\d+)(?::(\d+))?)?$/.exec(text);
  if (match === null) return undefined;
  const [, first = "", second, third = "0"] = match;
  const isRunTogether = second === undefined && first.length > 2;
  const hours = isRunTogether ? Math.floor(Number(first) / 100) : Number(first);
  const minutes = isRunTogether ? Number(first) % 100 : Number(second ?? "0");
  const seconds = Number(third);
  if (hours > OFFSET_HOURS_MAX || minutes > 59 || seconds > 59) return "overflow";
  return hours * 3600 + minutes * 60 + seconds;
}

/** Why a text is refused that Postgres might take. */
function adviceFor(text: string): string | undefined {
  if (/\b(?:now|today|tomorrow|yesterday)\b/i.test(text)) {
    return "it depends on the current time; write the date or time that is meant";
  }
  if (/^\d{1,2}[-/.]\d{1,2}[-/.]\d/.test(text)) {
    return "the order of day and month depends on DateStyle; write the date as YYYY-MM-DD";
  }
  if (/\d/.test(text) && /[a-z]{3,}/i.test(text)) {
    return "write it as ISO 8601 with a numeric offset, such as 2024-01-31 10:20:30+02";
  }
  return undefined;
}

/** The characters that C's isspace knows, which are fewer than those of JavaScript's trim. */
function trimSpaces(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, "");
}
