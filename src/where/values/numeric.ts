/** The type numeric: how its text is read (manual, sections 4.1.2.6 and 8.1.2), and its order. */

import { Decimal } from "./decimal.ts";
import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";
import { SPACE } from "./white-space.ts";

const SPECIAL = new RegExp(`^${SPACE}(?:(nan)|([+-]?)inf(?:inity)?)${SPACE}$`, "i");
const RADIX = new RegExp(
  `^${SPACE}([+-]?)(0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+)${SPACE}$`,
  "i",
);
/** Underscores may stand between digits. */
const DIGITS = "[0-9](?:_?[0-9])*";
const NUMBER = new RegExp(
  `^${SPACE}([+-]?)(?=\\.?[0-9])(${DIGITS})?(?:\\.(${DIGITS})?)?(?:e([+-]?${DIGITS}))?${SPACE}$`,
  "i",
);
/** Half of what a C int holds. */
const EXPONENT_MAX = 2 ** 30 - 1;
/**
 * Of a number that is not zero. Lower than in Postgres, where it is 131,071: a few characters would
 * be a number of which each reading and writing takes a tenth of a second. Postgres itself writes
 * no exponents.
 */
const NUMBER_EXPONENT_MAX = 1_000;

export const numericType: ScalarType<Decimal> = {
  name: "numeric",
  parse: parseDecimal,
  format: (value) => value.toString(),
  compare: (a, b) => a.compare(b),
  equals: (a, b) => a.compare(b) === 0,
};

/**
 * @throws {InvalidText} it is no number.
 * @throws {EvaluationError} it is one with more digits than numeric has room for, or an exponent
 *   beyond a thousand.
 */
export function parseDecimal(text: string): Decimal {
  const match = NUMBER.exec(text);
  if (match === null) return parseUnusual(text);
  const [, sign, integer = "", fraction = "", exponentText = "0"] = match;
  const exponent = Number(exponentText.replaceAll("_", ""));
  if (Math.abs(exponent) > EXPONENT_MAX) throw overflow();
  const isZero = !/[1-9]/.test(integer + fraction);
  if (!isZero && Math.abs(exponent) > NUMBER_EXPONENT_MAX) throw overflow();
  return Decimal.ofDigits(
    sign === "-",
    integer.replaceAll("_", ""),
    fraction.replaceAll("_", ""),
    exponent,
  );
}

function parseUnusual(text: string): Decimal {
  const radix = RADIX.exec(text);
  if (radix !== null) {
    const digits = radix[2]!.replaceAll("_", "").toLowerCase();
    const magnitude = BigInt(digits);
    return Decimal.of(radix[1] === "-" ? -magnitude : magnitude);
  }
  const special = SPECIAL.exec(text);
  if (special === null) throw new InvalidText("numeric", text);
  if (special[1] !== undefined) return Decimal.NAN;
  return special[2] === "-" ? Decimal.NEGATIVE_INFINITY : Decimal.INFINITY;
}

function overflow(): EvaluationError {
  return new EvaluationError("value overflows numeric format", SQL_STATE.numericValueOutOfRange);
}
