/**
 * Intervals as ISO 8601 writes durations, in both of its formats: section 8.5.4 of the manual.
 *
 *     with designators   P1Y2M3W4DT5H6M7.5S
 *     alternative        P0001-02-03T04:05:06, P00010203T040506
 *
 * Every quantity may have a sign, a fraction and an exponent, wherever it stands, because Postgres
 * reads it as C reads a double.
 */

import { IntervalSum, type IntervalText, type QuantityUnit } from "./interval-sum.ts";

/** Beyond it a double might have no fraction. */
const QUANTITY_MAX = 1e15;
const NORMAL_MIN = 2.2250738585072014e-308;
const QUANTITY = /-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const DATE_UNITS = new Map<string, QuantityUnit>([
  ["Y", "year"],
  ["M", "month"],
  ["W", "week"],
  ["D", "day"],
]);
const TIME_UNITS = new Map<string, QuantityUnit>([
  ["H", "hour"],
  ["M", "minute"],
  ["S", "second"],
]);

interface Quantity {
  readonly whole: bigint;
  readonly fraction: number;
  /** Digits before the point, as written. */
  readonly width: number;
}

/** Why reading ends before the text does. */
type Failure = "overflow" | "malformed";

/** Returns undefined for what is no such duration. */
export function parseIsoInterval(text: string): IntervalText | "overflow" | undefined {
  if (text.length < 2 || !text.startsWith("P")) return undefined;
  const reader = new Reader(text);
  const failure = reader.read();
  if (failure === "malformed") return undefined;
  return failure ?? reader.sum;
}

class Reader {
  readonly sum = new IntervalSum();
  readonly #text: string;
  #position = 1;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Failure | undefined {
    let isDate = true;
    let hasField = false;
    while (this.#position < this.#text.length) {
      if (this.#text[this.#position] === "T") {
        this.#position++;
        isDate = false;
        hasField = false;
        continue;
      }
      const quantity = this.#readQuantity();
      if (typeof quantity === "string") return quantity;
      const unit = (isDate ? DATE_UNITS : TIME_UNITS).get(this.#text[this.#position] ?? "");
      if (unit !== undefined) {
        this.#position++;
        if (!this.sum.add(unit, quantity.whole, quantity.fraction)) return "overflow";
        hasField = true;
        continue;
      }
      // The alternative format: a whole date or a whole time, and then nothing but a time.
      if (isDate) {
        const failure = this.#readDate(quantity, hasField);
        if (failure !== undefined) return failure;
        continue;
      }
      return this.#readTime(quantity, hasField);
    }
    return undefined;
  }

  #readQuantity(): Quantity | Failure {
    QUANTITY.lastIndex = this.#position;
    const match = QUANTITY.exec(this.#text);
    if (match === null) return "malformed";
    const value = Number(match[0]);
    const isDenormal = Math.abs(value) < NORMAL_MIN && /[1-9]/.test(match[0].split(/e/i)[0]!);
    if (!Number.isFinite(value) || isDenormal) return "malformed";
    if (Math.abs(value) > QUANTITY_MAX) return "overflow";
    this.#position = QUANTITY.lastIndex;
    const whole = Math.trunc(value);
    const width = /^-?(\d*)/.exec(match[0])![1]!.length;
    return { whole: BigInt(whole), fraction: value - whole, width };
  }

  /** The rest of `yyyymmdd` or `yyyy-mm-dd`, of which only the year must be there. */
  #readDate(first: Quantity, hasField: boolean): Failure | undefined {
    const mark = this.#text[this.#position];
    if (mark !== undefined && mark !== "T" && mark !== "-") return "malformed";
    if (hasField) return "malformed";
    if (mark !== "-" && first.width === 8) {
      const { whole } = first;
      const fits =
        this.sum.add("year", whole / 10_000n, 0) &&
        this.sum.add("month", (whole / 100n) % 100n, 0) &&
        this.sum.add("day", whole % 100n, first.fraction);
      return fits ? undefined : "overflow";
    }
    if (!this.sum.add("year", first.whole, first.fraction)) return "overflow";
    for (const unit of ["month", "day"] as const) {
      if (this.#text[this.#position] !== "-") break;
      this.#position++;
      const quantity = this.#readQuantity();
      if (typeof quantity === "string") return quantity;
      if (!this.sum.add(unit, quantity.whole, quantity.fraction)) return "overflow";
    }
    const end = this.#text[this.#position];
    return end === undefined || end === "T" ? undefined : "malformed";
  }

  /** The rest of `hhmmss` or `hh:mm:ss`, of which only the hour must be there. */
  #readTime(first: Quantity, hasField: boolean): Failure | undefined {
    const mark = this.#text[this.#position];
    if ((mark !== undefined && mark !== ":") || hasField) return "malformed";
    if (mark === undefined && first.width === 6) {
      const { whole } = first;
      const fits =
        this.sum.add("hour", whole / 10_000n, 0) &&
        this.sum.add("minute", (whole / 100n) % 100n, 0) &&
        this.sum.add("second", whole % 100n, 0) &&
        this.sum.add("microsecond", 0n, first.fraction);
      return fits ? undefined : "overflow";
    }
    if (!this.sum.add("hour", first.whole, first.fraction)) return "overflow";
    for (const unit of ["minute", "second"] as const) {
      if (this.#text[this.#position] !== ":") break;
      this.#position++;
      const quantity = this.#readQuantity();
      if (typeof quantity === "string") return quantity;
      if (!this.sum.add(unit, quantity.whole, quantity.fraction)) return "overflow";
    }
    return this.#position === this.#text.length ? undefined : "malformed";
  }
}
