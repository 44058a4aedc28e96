/**
 * The values of `$1`, `$2`, ... (protocol 2.1 and 3.3). They come as a map, since that is how a
 * query string says it, and have to be numbered without gaps.
 */

import { InvalidParameter } from "../lib/errors.ts";

/**
 * The value of `$n` at index n - 1.
 *
 * @throws {InvalidParameter} naming `params`.
 */
export function readParameters(params: Readonly<Record<string, string>>): readonly string[] {
  const numbered = Object.entries(params).map(([key, value]) => {
    if (!/^[+-]?[0-9]+$/.test(key)) throw invalid("Parameters can only use numbers as keys");
    return { number: Number(key), value };
  });
  numbered.sort((a, b) => a.number - b.number);
  if (numbered.some(({ number }, index) => number !== index + 1)) {
    throw invalid("Parameters must be numbered sequentially, starting from 1");
  }
  return numbered.map(({ value }) => value);
}

function invalid(message: string): InvalidParameter {
  return new InvalidParameter("params", message);
}
