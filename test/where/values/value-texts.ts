/**
 * Texts of values, typed: the extremes, the specials and whatever is known to be treacherous, mixed
 * with random ones. All are accepted by the type's input function.
 */

import type { ScalarName } from "../../../src/where/values/scalar-type.ts";

export type Random = () => number;

export function pick<T>(random: Random, options: readonly T[]): T {
  return options[Math.floor(random() * options.length)]!;
}

export function integerBetween(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

export type GeneratedName = Exclude<
  ScalarName,
  "date" | "time" | "timestamp" | "timestamptz" | "interval" | "json" | "jsonb" | "enum"
>;

/**
 * Letters with and without case, of one to four bytes, those that LIKE treats specially, blanks.
 */
const CHARACTERS = Array.from("aAbBzZ%_\\ \t\n0,.é ÉßΣσ世😀\u{10428}\ue000\uffff");

export function textOf(type: GeneratedName, random: Random): string {
  return GENERATORS[type](random);
}

const GENERATORS: Record<GeneratedName, (random: Random) => string> = {
  bool: (random) => pick(random, ["t", "f"]),
  int2: (random) => integerText(random, 16n, ["32767", "-32768"]),
  int4: (random) => integerText(random, 32n, ["2147483647", "-2147483648", "46341"]),
  int8: (random) =>
    integerText(random, 64n, ["9223372036854775807", "-9223372036854775808", "3037000500"]),
  float4: float4Text,
  float8: float8Text,
  numeric: numericText,
  text: characters,
  varchar: characters,
  name: (random) => (random() < 0.1 ? "é".repeat(40) : characters(random)),
  bpchar: (random) => characters(random) + pick(random, ["", " ", "  "]),
  uuid: (random) => {
    const first = pick(random, ["0", "a", "f"]).repeat(7) + pick(random, ["0", "1"]);
    return `${first}-0000-0000-0000-000000000000`;
  },
  bytea: (random) => {
    const length = integerBetween(random, 0, 3);
    return `\\x${Array.from({ length }, () => pick(random, ["00", "61", "ff"])).join("")}`;
  },
};

function integerText(random: Random, bits: bigint, extremes: readonly string[]): string {
  const kind = random();
  if (kind < 0.15) return pick(random, extremes);
  if (kind < 0.6) return `${integerBetween(random, -12, 12)}`;
  const size = BigInt(integerBetween(random, 4, Number(bits)));
  return BigInt.asIntN(Number(size), BigInt(Math.floor(random() * 2 ** 53)) * 4099n).toString();
}

const FLOATS = [
  "NaN",
  "Infinity",
  "-Infinity",
  "0",
  "-0",
  "0.5",
  "-0.5",
  "1.5",
  "2.5",
  "1e15",
  "1",
];

function float8Text(random: Random): string {
  const kind = random();
  if (kind < 0.3) return pick(random, FLOATS);
  if (kind < 0.4) return pick(random, ["1e308", "-1.7976931348623157e308", "5e-324", "1e23"]);
  if (kind < 0.6) return `${integerBetween(random, -40, 40) / 4}`;
  if (kind < 0.8) return `${(random() - 0.5) * 10 ** integerBetween(random, -25, 25)}`;
  return `${randomDouble(random)}`;
}

function float4Text(random: Random): string {
  const kind = random();
  if (kind < 0.3) return pick(random, FLOATS);
  if (kind < 0.4) return pick(random, ["3.4028235e38", "1e-45", "1.17549435e-38", "16777216"]);
  if (kind < 0.6) return `${integerBetween(random, -40, 40) / 4}`;
  return `${randomFloat(random)}`;
}

/** All bits random, so that every exponent is as likely. */
export function randomDouble(random: Random): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, random() * 2 ** 32);
  view.setUint32(4, random() * 2 ** 32);
  const value = view.getFloat64(0);
  return Number.isFinite(value) ? value : 0;
}

export function randomFloat(random: Random): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, random() * 2 ** 32);
  const value = view.getFloat32(0);
  return Number.isFinite(value) ? value : 0;
}

function numericText(random: Random): string {
  const kind = random();
  if (kind < 0.12) return pick(random, ["NaN", "Infinity", "-Infinity", "0", "0.000", "-0.0"]);
  if (kind < 0.13) return pick(random, ["1e1000", "9.99e100", "1e-1000", "-2e999"]);
  if (kind < 0.3) return pick(random, ["2147483647.5", "-32768.5", "9223372036854775807.4999"]);
  const sign = pick(random, ["", "-"]);
  const size = pick(random, [1, 1, 2, 4, 5, 9, 20, 60]);
  const scale = pick(random, [0, 0, 1, 2, 4, 7, 30]);
  return sign + digits(random, size) + (scale === 0 ? "" : `.${digits(random, scale)}`);
}

function digits(random: Random, count: number): string {
  return Array.from({ length: count }, () => pick(random, Array.from("0012345678999"))).join("");
}

export function characters(random: Random): string {
  const count = pick(random, [0, 1, 1, 2, 2, 3, 5, 9]);
  return Array.from({ length: count }, () => pick(random, CHARACTERS)).join("");
}
