/** date: days since 2000-01-01, from 4714-11-24 BC to 5874897-12-31, and the two infinities. */

import { calendarDayOf, daysOf, outOfRange, type CalendarDay } from "./calendar.ts";
import { twoDigits } from "./clock-text.ts";
import { parseDateTime } from "./date-time-text.ts";
import type { ScalarType } from "./scalar-type.ts";

const DATE_MIN = daysOf(-4713, 11, 24);
/** Exclusive. */
const DATE_END = daysOf(5_874_898, 1, 1);

export const dateType: ScalarType<number> = {
  name: "date",
  parse(text) {
    const parsed = parseDateTime("date", text);
    if (parsed === "epoch") return daysOf(1970, 1, 1);
    if (parsed === "infinity") return Infinity;
    if (parsed === "-infinity") return -Infinity;
    // The reader fails on a text without a date for every type but time.
    const { year, month, day } = parsed.day!;
    const days = daysOf(year, month, day);
    if (!isDate(days)) throw outOfRange(`date`);
    return days;
  },
  format(days) {
    if (days === Infinity) return "infinity";
    if (days === -Infinity) return "-infinity";
    const day = calendarDayOf(days);
    return `${formatDay(day)}${formatEra(day)}`;
  },
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  equals: (a, b) => a === b,
};

/** Whether a finite date may have this value. */
export function isDate(days: number): boolean {
  return days >= DATE_MIN && days < DATE_END;
}

/** `2024-01-31`, the year as it is counted before and after Christ. */
export function formatDay({ year, month, day }: CalendarDay): string {
  const years = String(year > 0 ? year : 1 - year).padStart(4, "0");
  return `${years}-${twoDigits(month)}-${twoDigits(day)}`;
}

export function formatEra({ year }: CalendarDay): string {
  return year > 0 ? "" : " BC";
}
