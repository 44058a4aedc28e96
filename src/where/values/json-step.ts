/** Steps of a path into JSON, `'{items,-1,name}'`. */

import { isInt32 } from "./calendar.ts";

/** The index that a step of a path is where it meets an array; C's strtol reads it. */
export function indexOfStep(step: string): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(step)) return undefined;
  const index = Number(step);
  return isInt32(index) ? index : undefined;
}
