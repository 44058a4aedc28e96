/**
 * Enum types (manual, section 8.7): a value is its label. Two enum types share nothing but this
 * form; that only values of one of them meet is for the analysis to see.
 *
 * Their order is left out. It is that of the catalog, where labels may be added in any place at any
 * time, so that an index made today would be wrong tomorrow.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";

/** Values that Postgres has sent, which are labels for certain. */
export const enumType: ScalarType<string> = {
  name: "enum",
  parse: (text) => text,
  format: (value) => value,
  equals: (a, b) => a === b,
};

/** The type with exactly these labels, for what clients write. */
export function createEnumType(typeName: string, labels: readonly string[]): ScalarType<string> {
  const known = new Set(labels);
  return {
    ...enumType,
    parse: (text) => {
      if (known.has(text)) return text;
      throw new EvaluationError(
        `invalid input value for enum ${typeName}: "${text}"`,
        SQL_STATE.invalidTextRepresentation,
      );
    },
  };
}
