/** The type bool (manual, section 8.6). */

import { InvalidText } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";
import { SPACE } from "./white-space.ts";

/** Each word may be cut short as long as it is told from the others: `o` is not. */
const TRUE = new RegExp(`^${SPACE}(?:t|tr|tru|true|y|ye|yes|on|1)${SPACE}$`, "i");
const FALSE = new RegExp(`^${SPACE}(?:f|fa|fal|fals|false|n|no|of|off|0)${SPACE}$`, "i");

export const boolType: ScalarType<boolean> = {
  name: "bool",
  parse: (text) => {
    if (TRUE.test(text)) return true;
    if (FALSE.test(text)) return false;
    throw new InvalidText("boolean", text);
  },
  format: (value) => (value ? "t" : "f"),
  compare: (a, b) => Number(a) - Number(b),
  equals: (a, b) => a === b,
};
