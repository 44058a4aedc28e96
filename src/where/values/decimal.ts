/**
 * A decimal number of Postgres' type numeric, exact.
 *
 *     1.50     coefficient 150, scale 2         value = coefficient / 10^scale
 *
 * The scale is part of the value, because it shows (`1.5` and `1.50` are equal and look different),
 * and each operation has its own rule for the scale of its result. Those rules, of the manual's
 * section 8.1.2 and otherwise only of `numeric.c`, are kept here; a test asks Postgres.
 *
 * A `double` or a package for decimals would round where Postgres does not, or has another idea of
 * how many digits a quotient deserves.
 *
 * Invariants:
 *  1. 0 <= scale <= SCALE_MAX, and |coefficient| < 10^(INTEGER_DIGITS_MAX + scale).
 *  2. Not a number and the infinities have the coefficient 0 and the scale 0.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";

/** Digits before the point: the weight of the first group of four is an i16. */
const INTEGER_DIGITS_MAX = 131_072;
/** Digits behind the point: 14 bits. */
const SCALE_MAX = 16_383;

/** A quotient has at least so many significant digits... */
const QUOTIENT_DIGITS_MIN = 16;
/** ...unless that took more than this many behind the point. */
const QUOTIENT_SCALE_MAX = 1_000;
/** Postgres computes with groups of four digits, and that shows in the scale of quotients. */
const GROUP_DIGITS = 4;

type Special = "NaN" | "Infinity" | "-Infinity";

/** Nothing that is smaller can have too many digits: below 2^1024 there is nothing to count. */
const SURELY_SMALL = 1n << 1024n;
const POWERS_KEPT = 64;

export class Decimal {
  // `this`, because TypeScript 6.0.3 emits the name, here alone, as an alias not yet assigned.
  static readonly NAN = new this(0n, 0, "NaN");
  static readonly INFINITY = new this(0n, 0, "Infinity");
  static readonly NEGATIVE_INFINITY = new this(0n, 0, "-Infinity");
  static readonly ZERO = new this(0n, 0, undefined);

  readonly coefficient: bigint;
  readonly scale: number;
  readonly #special: Special | undefined;

  private constructor(coefficient: bigint, scale: number, special: Special | undefined) {
    this.coefficient = coefficient;
    this.scale = scale;
    this.#special = special;
  }

  /** @throws {EvaluationError} the number has more digits than numeric has room for. */
  static of(coefficient: bigint, scale = 0): Decimal {
    if (scale > SCALE_MAX || hasTooManyDigits(coefficient, scale)) {
      throw new EvaluationError("value overflows numeric format", SQL_STATE.numericValueOutOfRange);
    }
    return new Decimal(coefficient, scale, undefined);
  }

  /**
   * `digits` times 10^exponent.
   *
   * @throws {EvaluationError} as `of`.
   */
  static ofDigits(
    isNegative: boolean,
    integer: string,
    fraction: string,
    exponent: number,
  ): Decimal {
    const scale = fraction.length - exponent;
    const digits = (integer + fraction).replace(/^0+/, "");
    if (digits === "") return Decimal.of(0n, Math.max(scale, 0));
    // Asked before a number is made that only an attacker would write.
    const integerDigits = digits.length - scale;
    const isTooLarge = integerDigits > INTEGER_DIGITS_MAX || scale > SCALE_MAX;
    const magnitude = isTooLarge ? SURELY_SMALL : BigInt(digits);
    const coefficient = isNegative ? -magnitude : magnitude;
    if (isTooLarge) return Decimal.of(coefficient, SCALE_MAX + 1);
    return scale >= 0 ? Decimal.of(coefficient, scale) : Decimal.of(coefficient * power(-scale));
  }

  get isNaN(): boolean {
    return this.#special === "NaN";
  }

  get isFinite(): boolean {
    return this.#special === undefined;
  }

  /** -1, 0, 1; not a number has none and answers 0. */
  get sign(): -1 | 0 | 1 {
    if (this.#special !== undefined) return SIGNS[this.#special];
    return this.coefficient < 0n ? -1 : this.coefficient > 0n ? 1 : 0;
  }

  toString(): string {
    if (this.#special !== undefined) return this.#special;
    if (this.scale === 0) return this.coefficient.toString();
    const isNegative = this.coefficient < 0n;
    const magnitude = isNegative ? -this.coefficient : this.coefficient;
    const digits = magnitude.toString().padStart(this.scale + 1, "0");
    const point = digits.length - this.scale;
    return `${isNegative ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`;
  }

  /** Not a number is equal to itself and greater than everything (manual, section 8.1.2). */
  compare(other: Decimal): number {
    if (!this.isFinite || !other.isFinite) return rankOf(this) - rankOf(other);
    const scale = Math.max(this.scale, other.scale);
    const left = this.#coefficientAt(scale);
    const right = other.#coefficientAt(scale);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  negate(): Decimal {
    if (this.isFinite) return new Decimal(-this.coefficient, this.scale, undefined);
    return this.isNaN ? this : infinity(-this.sign);
  }

  abs(): Decimal {
    return this.sign < 0 ? this.negate() : this;
  }

  add(other: Decimal): Decimal {
    if (!this.isFinite || !other.isFinite) {
      if (this.isNaN || other.isNaN) return Decimal.NAN;
      if (this.isFinite) return other;
      return other.isFinite || this.sign === other.sign ? this : Decimal.NAN;
    }
    const scale = Math.max(this.scale, other.scale);
    return Decimal.of(this.#coefficientAt(scale) + other.#coefficientAt(scale), scale);
  }

  subtract(other: Decimal): Decimal {
    return this.add(other.negate());
  }

  multiply(other: Decimal): Decimal {
    if (!this.isFinite || !other.isFinite) {
      if (this.isNaN || other.isNaN || this.sign * other.sign === 0) return Decimal.NAN;
      return infinity(this.sign * other.sign);
    }
    const scale = this.scale + other.scale;
    const product = this.coefficient * other.coefficient;
    if (scale <= SCALE_MAX) return Decimal.of(product, scale);
    return Decimal.of(divideRounded(product, power(scale - SCALE_MAX)), SCALE_MAX);
  }

  /** @throws {EvaluationError} division by zero; the quotient overflows. */
  divide(other: Decimal): Decimal {
    if (!this.isFinite || !other.isFinite) return this.#divideSpecial(other);
    if (other.coefficient === 0n) throw divisionByZero();
    const scale = scaleOfQuotient(this, other);
    const shift = scale + other.scale - this.scale;
    // Negative only when this number has more digits behind the point than a quotient may.
    const dividend = this.coefficient * power(Math.max(shift, 0));
    const divisor = other.coefficient * power(Math.max(-shift, 0));
    return Decimal.of(divideRounded(dividend, divisor), scale);
  }

  /** The quotient cut to an integer: `div`. @throws {EvaluationError} division by zero. */
  integerQuotient(other: Decimal): Decimal {
    if (!this.isFinite || !other.isFinite) return this.#divideSpecial(other);
    if (other.coefficient === 0n) throw divisionByZero();
    const scale = Math.max(this.scale, other.scale);
    return Decimal.of(this.#coefficientAt(scale) / other.#coefficientAt(scale));
  }

  /** Has the sign of this number: `%`. @throws {EvaluationError} division by zero. */
  remainder(other: Decimal): Decimal {
    if (this.isNaN || other.isNaN) return Decimal.NAN;
    if (other.isFinite && other.coefficient === 0n) throw divisionByZero();
    if (!this.isFinite) return Decimal.NAN;
    if (!other.isFinite) return this;
    const scale = Math.max(this.scale, other.scale);
    return Decimal.of(this.#coefficientAt(scale) % other.#coefficientAt(scale), scale);
  }

  /** To so many digits behind the point, or zeros before it if negative; halves away from zero. */
  round(digits: number): Decimal {
    if (this.#isSmallerThanTenthOf(digits)) return Decimal.ZERO;
    return this.#rescale(digits, divideRounded);
  }

  /** The same towards zero. */
  truncate(digits: number): Decimal {
    if (this.#isSmallerThanTenthOf(digits)) return Decimal.ZERO;
    return this.#rescale(digits, (dividend, divisor) => dividend / divisor);
  }

  ceil(): Decimal {
    return this.#rescale(0, (dividend, divisor) => -divideDown(-dividend, divisor));
  }

  floor(): Decimal {
    return this.#rescale(0, divideDown);
  }

  /** As an integer, halves away from zero. REQUIRES: finite. */
  toBigInt(): bigint {
    return this.round(0).coefficient;
  }

  #rescale(digits: number, divide: (dividend: bigint, divisor: bigint) => bigint): Decimal {
    if (!this.isFinite) return this;
    const kept = Math.min(Math.max(digits, -INTEGER_DIGITS_MAX - 1), SCALE_MAX);
    const dropped = this.scale - kept;
    if (dropped <= 0) return Decimal.of(this.#coefficientAt(kept), kept);
    const coefficient = divide(this.coefficient, power(dropped));
    return kept >= 0 ? Decimal.of(coefficient, kept) : Decimal.of(coefficient * power(-kept));
  }

  /** Whether so many digits before the point leave nothing; spares a client's 10^131072. */
  #isSmallerThanTenthOf(digits: number): boolean {
    if (digits >= 0 || !this.isFinite || this.scale - digits <= POWERS_KEPT) return false;
    return this.coefficient.toString().length < this.scale - digits;
  }

  #divideSpecial(other: Decimal): Decimal {
    if (this.isNaN || other.isNaN) return Decimal.NAN;
    if (this.isFinite) return Decimal.ZERO;
    if (!other.isFinite) return Decimal.NAN;
    if (other.sign === 0) throw divisionByZero();
    return infinity(this.sign * other.sign);
  }

  /** REQUIRES: scale >= this.scale. */
  #coefficientAt(scale: number): bigint {
    return scale === this.scale ? this.coefficient : this.coefficient * power(scale - this.scale);
  }
}

const SIGNS = { NaN: 0, Infinity: 1, "-Infinity": -1 } as const;

/** -Infinity < finite < Infinity < NaN. */
function rankOf(value: Decimal): number {
  if (value.isNaN) return 2;
  return value.isFinite ? 0 : value.sign;
}

function infinity(sign: number): Decimal {
  return sign < 0 ? Decimal.NEGATIVE_INFINITY : Decimal.INFINITY;
}

function divisionByZero(): EvaluationError {
  return new EvaluationError("division by zero", SQL_STATE.divisionByZero);
}

/**
 * The number of digits behind the point of a quotient: enough that there are 16 significant ones,
 * no fewer than either operand has. It is counted in groups of four, as if the quotient began
 * with a full one.
 */
function scaleOfQuotient(dividend: Decimal, divisor: Decimal): number {
  const left = leadingGroup(dividend);
  const right = leadingGroup(divisor);
  const weight = left.weight - right.weight - (left.digits <= right.digits ? 1 : 0);
  const scale = QUOTIENT_DIGITS_MIN - weight * GROUP_DIGITS;
  return Math.min(Math.max(scale, dividend.scale, divisor.scale, 0), QUOTIENT_SCALE_MAX);
}

/** The first group of four digits that is not zero, and its power of ten thousand. */
function leadingGroup({ coefficient, scale }: Decimal): { weight: number; digits: number } {
  if (coefficient === 0n) return { weight: 0, digits: 0 };
  const digits = (coefficient < 0n ? -coefficient : coefficient).toString();
  const exponent = digits.length - scale - 1;
  const weight = Math.floor(exponent / GROUP_DIGITS);
  const size = exponent - weight * GROUP_DIGITS + 1;
  return { weight, digits: Number(digits.slice(0, size).padEnd(size, "0")) };
}

/** Halves away from zero. */
function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const rest = dividend - quotient * divisor;
  const isUp = 2n * (rest < 0n ? -rest : rest) >= (divisor < 0n ? -divisor : divisor);
  if (!isUp) return quotient;
  return dividend < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}

/** Towards minus infinity. REQUIRES: divisor > 0. */
function divideDown(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend < 0n && quotient * divisor !== dividend ? quotient - 1n : quotient;
}

function hasTooManyDigits(coefficient: bigint, scale: number): boolean {
  const magnitude = coefficient < 0n ? -coefficient : coefficient;
  if (magnitude < SURELY_SMALL) return false;
  return magnitude.toString().length - scale > INTEGER_DIGITS_MAX;
}

const smallPowers = Array.from({ length: POWERS_KEPT }, (_, exponent) => 10n ** BigInt(exponent));

function power(exponent: number): bigint {
  return smallPowers[exponent] ?? 10n ** BigInt(exponent);
}
