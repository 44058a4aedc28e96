/** The type uuid (manual, section 8.12). In lower case the order of bytes is that of the text. */

import { InvalidText } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";

/** Hyphens may stand behind every fourth digit, or be left out; braces may surround it all. */
const UUID = /^(?:\{((?:[0-9a-f]{4}-?){7}[0-9a-f]{4})\}|((?:[0-9a-f]{4}-?){7}[0-9a-f]{4}))$/i;

export const uuidType: ScalarType<string> = {
  name: "uuid",
  parse: (text) => {
    const match = UUID.exec(text);
    if (match === null) throw new InvalidText("uuid", text);
    const digits = (match[1] ?? match[2]!).replaceAll("-", "").toLowerCase();
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
  format: (value) => value,
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  equals: (a, b) => a === b,
};
