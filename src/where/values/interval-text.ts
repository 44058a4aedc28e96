/**
 * Intervals as Postgres and the SQL standard write them: section 8.5.4 of the manual.
 *
 *     1 year 2 mons -3 days 04:05:06.7      @ 1 minute ago      1-2 3 4:05:06      1.5h
 *
 * The text is cut into fields, which are read from the last to the first, because a unit follows
 * its quantity and the meaning of a quantity without a unit depends on what follows it. No kind of
 * field may occur twice.
 */

import { parseClock } from "./clock-text.ts";
import { isInt64 } from "./calendar.ts";
import { dateKeyword, unitOf, type TimeUnit } from "./date-time-words.ts";
import {
  IntervalSum,
  QUANTITY_UNITS,
  type IntervalText,
  type QuantityUnit,
} from "./interval-sum.ts";

const FIELD_COUNT_MAX = 25;
/** The fields and a byte after each. */
const FIELD_BYTES_MAX = 255;

/** A sign and letters are a word, a sign and digits a quantity. */
interface Field {
  readonly type: "clock" | "quantity" | "word";
  readonly text: string;
}

type Outcome = IntervalText | "infinity" | "-infinity" | "overflow" | undefined;

/** Returns undefined for what is no such interval. */
export function parseTraditionalInterval(text: string): Outcome {
  const fields = fieldsOf(text);
  return fields === undefined ? undefined : new Reader(fields).read();
}

/** Lower case, in order; undefined if there is a character that no field has. */
function fieldsOf(text: string): Field[] | undefined {
  const fields: Field[] = [];
  let position = 0;
  let byteCount = 0;
  while (position < text.length) {
    const skipped = /^(?:[ \t\n\v\f\r]|(?![.+-])[!-/:-@[-`{-~])+/.exec(text.slice(position));
    if (skipped !== null) {
      position += skipped[0].length;
      continue;
    }
    const rest = text.slice(position).toLowerCase();
    const found = clockOrQuantity(rest) ?? word(rest);
    if (found === undefined) return undefined;
    const [field, size] = found;
    byteCount += field.text.length;
    if (fields.length >= FIELD_COUNT_MAX || byteCount > FIELD_BYTES_MAX) return undefined;
    byteCount++;
    fields.push(field);
    position += size;
  }
  return fields;
}

function clockOrQuantity(rest: string): readonly [Field, number] | undefined {
  const clock = /^\d+:[\d:.]*/.exec(rest);
  if (clock !== null) return [{ type: "clock", text: clock[0] }, clock[0].length];
  // Numbers, but also dates with a month's name, which are no quantities and will be refused.
  const number = /^(?:\d+([-/.])(?:\d+(?:\1(?:\1|\d)*)?|(?:[a-z0-9]|\1)*)|\d+|\.\d*)/.exec(rest);
  if (number !== null) return [{ type: "quantity", text: number[0] }, number[0].length];
  const signed = /^([+-])[ \t\n\v\f\r]*(\d[\d:.-]*)/.exec(rest);
  if (signed === null) return undefined;
  return [{ type: "quantity", text: `${signed[1]}${signed[2]}` }, signed[0].length];
}

function word(rest: string): readonly [Field, number] | undefined {
  const signed = /^([+-])[ \t\n\v\f\r]*([a-z]+)/.exec(rest);
  if (signed !== null) {
    return [{ type: "word", text: `${signed[1]}${signed[2]}` }, signed[0].length];
  }
  const letters = /^[a-z]+/.exec(rest)?.[0];
  if (letters === undefined) return undefined;
  // Punctuation makes it a date or a time zone, and so does a digit after what is no keyword.
  const next = rest[letters.length] ?? "";
  const isLonger = /[-/.]/.test(next) || (/[+\d]/.test(next) && dateKeyword(letters) === undefined);
  if (!isLonger) return [{ type: "word", text: letters }, letters.length];
  const whole = /^[a-z]+.[-+/_.:a-z0-9]*/.exec(rest)![0];
  return [{ type: "quantity", text: whole }, whole.length];
}

/** Reads fields from the last to the first. */
class Reader {
  readonly #fields: readonly Field[];
  readonly #sum = new IntervalSum();
  readonly #seen = new Set<string>();
  /** What a quantity would be counted in; undefined is the default, seconds. */
  #unit: TimeUnit | "none" | undefined;
  /** Whether the unit was given and its quantity is yet to come. */
  #isUnitOpen = false;
  #isAgo = false;
  #infinity: "infinity" | "-infinity" | undefined;

  constructor(fields: readonly Field[]) {
    this.#fields = fields;
  }

  read(): Outcome {
    for (let index = this.#fields.length - 1; index >= 0; index--) {
      const failure = this.#readField(this.#fields[index]!, index === this.#fields.length - 1);
      if (failure !== undefined) return failure === "overflow" ? failure : undefined;
    }
    if (this.#seen.size === 0 || this.#isUnitOpen) return undefined;
    if (this.#isAgo && !this.#sum.negate()) return "overflow";
    return this.#infinity ?? this.#sum;
  }

  #readField(field: Field, isLast: boolean): "overflow" | "malformed" | undefined {
    if (field.type === "word") return this.#readWord(field.text, isLast);
    if (field.type === "clock") return this.#readClock(field.text, "");
    // A signed time, or else a quantity that will be malformed.
    const sign = field.text[0]!;
    if ((sign === "+" || sign === "-") && field.text.includes(":")) {
      return this.#readClock(field.text.slice(1), sign) === undefined ? undefined : "malformed";
    }
    return this.#readQuantity(field.text);
  }

  #readWord(text: string, isLast: boolean): "malformed" | undefined {
    if (this.#isUnitOpen) return "malformed";
    const unit = unitOf(text);
    if (unit !== undefined) {
      this.#unit = unit;
      this.#isUnitOpen = true;
      return undefined;
    }
    if (text === "ago" && isLast) {
      this.#isAgo = true;
      this.#unit = "none";
      return undefined;
    }
    const keyword = dateKeyword(text);
    if (keyword === "filler") {
      this.#unit = undefined;
      return undefined;
    }
    if (keyword !== "infinity" && keyword !== "-infinity") return "malformed";
    if (!isLast) return "malformed";
    this.#infinity = keyword;
    this.#unit = "none";
    return this.#see("year", "month", "day", "hour", "minute", ...SUBSECONDS);
  }

  #readClock(text: string, sign: string): "overflow" | "malformed" | undefined {
    const clock = parseClock(text);
    if (typeof clock === "string") return clock;
    const { hours, minutes, seconds, microseconds } = clock;
    const total =
      hours * 3_600_000_000n + BigInt((minutes * 60 + seconds) * 1_000_000 + microseconds);
    if (!isInt64(total)) return "overflow";
    // Not added: a time that follows a fraction of a day replaces it.
    this.#sum.microseconds = sign === "-" ? -total : total;
    this.#unit = "day";
    this.#isUnitOpen = false;
    return this.#see("hour", "minute", ...SUBSECONDS);
  }

  #readQuantity(text: string): "overflow" | "malformed" | undefined {
    const match = /^([+-]?)(\d*)(.*)$/s.exec(text)!;
    const [, sign = "", digits = "", rest = ""] = match;
    const magnitude = BigInt(digits);
    let whole = sign === "-" ? -magnitude : magnitude;
    if (!isInt64(whole)) return "overflow";
    let fraction = 0;
    let unit = this.#unit ?? "second";
    if (rest.startsWith("-")) {
      const months = /^-(\d*)$/.exec(rest);
      if (months === null) return "malformed";
      if (Number(months[1]) >= 12) return "overflow";
      const years = whole * 12n;
      whole = years + (sign === "-" ? -BigInt(months[1]!) : BigInt(months[1]!));
      if (!isInt64(years) || !isInt64(whole)) return "overflow";
      unit = "month";
    } else if (/^\.\d*$/.test(rest)) {
      fraction = rest === "." ? 0 : Number(rest);
      if (sign === "-") fraction = -fraction;
    } else if (rest !== "") {
      return "malformed";
    }
    if (unit === "none" || !isQuantityUnit(unit)) return "malformed";
    if (!this.#sum.add(unit, whole, fraction)) return "overflow";
    // What follows an hour to the left is a day, as in `1 2 hours`.
    this.#unit = unit === "hour" ? "day" : unit;
    this.#isUnitOpen = false;
    return unit === "second" && fraction !== 0 ? this.#see(...SUBSECONDS) : this.#see(unit);
  }

  #see(...kinds: readonly string[]): "malformed" | undefined {
    const isRepeated = kinds.some((kind) => this.#seen.has(kind));
    for (const kind of kinds) this.#seen.add(kind);
    return isRepeated ? "malformed" : undefined;
  }
}

const SUBSECONDS = ["second", "millisecond", "microsecond"] as const;

function isQuantityUnit(unit: TimeUnit): unit is QuantityUnit {
  return (QUANTITY_UNITS as readonly TimeUnit[]).includes(unit);
}
