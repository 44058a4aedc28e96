/** Decimal notation and doubles, compared without rounding. */

/** A number as it was written: digits * 10^exponent. */
export interface DecimalDigits {
  readonly isNegative: boolean;
  /** Not negative. */
  readonly digits: bigint;
  readonly exponent: number;
}

/**
 * Compares the magnitude of an exact number with a double that is positive and finite, and close to
 * it: negative, 0 or positive.
 */
export function compareExactly(exact: DecimalDigits, double: number): number {
  const { digits, exponent } = exact;
  const { significand, power } = partsOf(double);
  // Both sides are multiplied by whatever makes them integers.
  const left = digits * 10n ** BigInt(Math.max(exponent, 0)) * 2n ** BigInt(Math.max(-power, 0));
  const right =
    significand * 2n ** BigInt(Math.max(power, 0)) * 10n ** BigInt(Math.max(-exponent, 0));
  return left < right ? -1 : left > right ? 1 : 0;
}

const SIGNIFICAND_BITS = 52n;
const EXPONENT_BIAS = 1075;

/** value = significand * 2^power. */
function partsOf(double: number): { significand: bigint; power: number } {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, double);
  const bits = bytes.getBigUint64(0);
  const fraction = BigInt.asUintN(52, bits);
  const exponent = Number((bits >> SIGNIFICAND_BITS) & 0x7ffn);
  if (exponent === 0) return { significand: fraction, power: 1 - EXPONENT_BIAS };
  return { significand: fraction | (1n << SIGNIFICAND_BITS), power: exponent - EXPONENT_BIAS };
}
