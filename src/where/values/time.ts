/** time: microseconds since midnight, 00:00:00 to 24:00:00, both included. */

import { formatClock } from "./clock-text.ts";
import { parseDateTime } from "./date-time-text.ts";
import { InvalidText, SQL_STATE } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";

export const timeType: ScalarType<bigint> = {
  name: "time",
  parse(text) {
    const parsed = parseDateTime("time", text);
    if (typeof parsed === "string") {
      throw new InvalidText("time", text, SQL_STATE.invalidDatetimeFormat);
    }
    return BigInt(parsed.microseconds!);
  },
  format: (microseconds) => formatClock(Number(microseconds)),
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  equals: (a, b) => a === b,
};
