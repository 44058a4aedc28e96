/** Texts of arrays: of up to three dimensions, with NULLs, with bounds that begin anywhere. */

import { integerBetween, pick, textOf, type GeneratedName, type Random } from "./value-texts.ts";

const NULL_SHARE = 0.15;

export function arrayText(element: GeneratedName, random: Random): string {
  const depth = pick(random, [0, 1, 1, 1, 1, 1, 2, 2, 3]);
  if (depth === 0) return "{}";
  const sizes = Array.from({ length: depth }, () => integerBetween(random, 1, 3));
  const body = level(element, sizes, random);
  if (random() < 0.8) return body;
  const bounds = sizes.map((size) => {
    const lower = pick(random, [0, 1, -3, 2, 5]);
    return `[${lower}:${lower + size - 1}]`;
  });
  return `${bounds.join("")}=${body}`;
}

function level(element: GeneratedName, sizes: readonly number[], random: Random): string {
  const [size, ...inner] = sizes;
  if (size === undefined) return elementText(element, random);
  return `{${Array.from({ length: size }, () => level(element, inner, random)).join(",")}}`;
}

/** From few values, so that arrays have some in common. */
function elementText(element: GeneratedName, random: Random): string {
  if (random() < NULL_SHARE) return "NULL";
  const text = random() < 0.5 ? pick(random, COMMON[element] ?? ["1"]) : textOf(element, random);
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

const COMMON: Partial<Record<GeneratedName, readonly string[]>> = {
  bool: ["t", "f"],
  int4: ["0", "1", "2"],
  float8: ["0", "-0", "NaN", "1"],
  numeric: ["1", "1.0", "NaN", "0"],
  text: ["a", "b", "", "NULL"],
  bpchar: ["a", "a ", ""],
};
