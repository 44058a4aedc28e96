/**
 * Enum types (manual, section 8.7): a value is its label. Two enum types share nothing but this
 * form; that only values of one of them meet is for the analysis to see.
 *
 * Their order is left out. It is that of the catalog, where labels may be added in any place at any
 * time, so that an index made today would be wrong tomorrow.
 */

import type { ScalarType } from "./scalar-type.ts";

/** Values that Postgres has sent, which are labels for certain. */
export const enumType: ScalarType<string> = {
  name: "enum",
  parse: (text) => text,
  format: (value) => value,
  equals: (a, b) => a === b,
};
