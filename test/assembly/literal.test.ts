/**
 * Literals and order codes against the values that the texts stand for.
 *
 * Goal: two texts have equal literals if and only if their values are equal; codes never order two
 * values the wrong way round, and those of exact kinds tell all values apart.
 *
 * Method: values are generated, written as Postgres writes them, and compared in JavaScript: BigInt
 * for numbers, with decimals brought to one scale; Date for days of four-digit years, and fixed
 * answers of Postgres beyond them.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const KIND = { int: 1, uuid: 2, text: 3, decimal: 4, padded: 5, timestamp: 6, date: 7, time: 8 };
const ORDER = { int: 1, date: 2, time: 3, timestamp: 4, decimal: 5, uuid: 6, text: 7 };

type Kind = keyof typeof KIND;
type Order = keyof typeof ORDER;

const MICROSECONDS_PER_DAY = 86_400_000_000n;

/** The number of a text, its bytes, or undefined if it is no literal. */
function literalOf(test: TestCore, kind: Kind, text: string): bigint | string | undefined {
  const bytes = Buffer.from(text);
  const { exports } = test;
  if (exports.literalRead(KIND[kind], put(test, bytes), bytes.length) === 0) return undefined;
  if (kind !== "int" && KIND[kind] < KIND.timestamp) {
    const address = exports.literalAddress() >>> 0;
    const size = exports.literalSize() >>> 0;
    return Buffer.from(test.core.bytes.slice(address, address + size)).toString("latin1");
  }
  return (BigInt(exports.literalHigh()) << 32n) | BigInt(exports.literalLow() >>> 0);
}

function codeOf(test: TestCore, order: Order, text: string): bigint | undefined {
  const bytes = Buffer.from(text);
  const { exports } = test;
  if (exports.orderRead(ORDER[order], put(test, bytes), bytes.length) === 0) return undefined;
  return (BigInt(exports.orderHigh() >>> 0) << 32n) | BigInt(exports.orderLow() >>> 0);
}

/** A decimal as a fraction of 10^scale. */
interface Decimal {
  readonly text: string;
  readonly value: bigint;
}

const SCALE = 60;
/** As numeric is written: a point where there is a scale, zeros to the end of it. */
const numeric: fc.Arbitrary<Decimal> = fc
  .tuple(
    fc.boolean(),
    fc.oneof(fc.bigInt({ min: 0n, max: 999n }), fc.bigInt({ min: 0n, max: 10n ** 40n })),
    fc.nat(SCALE),
  )
  .map(([isNegative, digits, scale]) => {
    const padded = digits.toString().padStart(scale + 1, "0");
    const whole = padded.slice(0, padded.length - scale);
    const fraction = scale === 0 ? "" : `.${padded.slice(padded.length - scale)}`;
    const sign = isNegative && digits !== 0n ? "-" : "";
    const value = digits * 10n ** BigInt(SCALE - scale);
    return { text: `${sign}${whole}${fraction}`, value: sign === "" ? value : -value };
  });
const float = fc.double({ noNaN: true, noDefaultInfinity: true });

/** As Postgres writes a float: the exponent has a sign and two digits. */
function floatText(value: number): string {
  if (Object.is(value, -0)) return "-0";
  return value.toString().replace(/e([+-])(\d)$/, "e$10$2");
}

const sign = (a: bigint | number | string, b: typeof a): number => (a < b ? -1 : a > b ? 1 : 0);

describe.each(builds)("literals, $name", (build) => {
  test("decimals are equal and ordered as numbers are", () => {
    const test = newCore(build);
    check(
      fc.property(numeric, numeric, (a, b) => {
        const isEqual = literalOf(test, "decimal", a.text) === literalOf(test, "decimal", b.text);
        assert.equal(isEqual, a.value === b.value);
        expectOrder(test, "decimal", a.text, b.text, sign(a.value, b.value));
      }),
      2000,
    );
    check(
      fc.property(float, float, (a, b) => {
        const [first, second] = [floatText(a), floatText(b)];
        const isEqual = literalOf(test, "decimal", first) === literalOf(test, "decimal", second);
        assert.equal(isEqual, a === b);
        expectOrder(test, "decimal", first, second, sign(a, b));
      }),
      2000,
    );
  });

  test("equal decimals of different scale, and the words, as Postgres has them", () => {
    const test = newCore(build);
    const equal = [
      ["1.0", "1.00", "1"],
      ["-0", "0", "0.000"],
      ["100", "100.0"],
      ["0.10", "0.1"],
      ["-1.50", "-1.5"],
    ];
    for (const texts of equal) {
      const literals = texts.map((text) => literalOf(test, "decimal", text));
      assert.equal(new Set(literals).size, 1, texts.join());
    }
    const ascending = [
      ["-Infinity", "-1e+308", "-131072", "-1", "-1e-300", "0", "1e-300", "0.001", "0.01", "1"],
      ["1.5", "9.99", "10", "99", "100", "1e+20", "1e+308", "Infinity", "NaN"],
    ].flat();
    ascending.forEach((text, index) => {
      const next = ascending[index + 1];
      if (next !== undefined)
        assert.ok(codeOf(test, "decimal", text)! < codeOf(test, "decimal", next)!);
    });
    const huge = "9".repeat(131_072);
    assert.ok(codeOf(test, "decimal", huge.slice(0, 60_000))! > codeOf(test, "decimal", "1e+308")!);
    for (const text of ["", "-", "x", "1x", "1.2.3", "1e", "1e+", "."]) {
      assert.equal(codeOf(test, "decimal", text), undefined, text);
    }
  });

  test("integers are ordered to the ends of 64 bits", () => {
    const test = newCore(build);
    const int = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 1n),
    );
    check(
      fc.property(int, int, (a, b) => {
        assert.equal(literalOf(test, "int", a.toString()), a);
        const codes = [a, b].map((value) => codeOf(test, "int", value.toString())!);
        assert.equal(sign(codes[0]!, codes[1]!), sign(a, b));
      }),
      1000,
    );
    for (const text of ["", "-", "9223372036854775808", "1.0", "12345678901234567890"]) {
      assert.equal(codeOf(test, "int", text), undefined, text);
    }
  });

  test("dates and timestamps are days and microseconds since 2000", () => {
    const test = newCore(build);
    const epoch = BigInt(Date.UTC(2000, 0, 1)) * 1000n;
    const moment = fc.tuple(
      fc.date({ min: new Date("0001-01-01Z"), max: new Date("9999-12-31Z"), noInvalidDate: true }),
      fc.nat(999),
      fc.constantFrom("", "+00", "+02", "-03:30", "+00:19:32"),
    );
    const zones: Record<string, bigint> = {
      "": 0n,
      "+00": 0n,
      "+02": 7200n,
      "-03:30": -12_600n,
      "+00:19:32": 1172n,
    };
    check(
      fc.property(moment, ([date, microseconds, zone]) => {
        const iso = date.toISOString();
        const fraction = `${iso.slice(20, 23)}${String(microseconds).padStart(3, "0")}`;
        const shortest = fraction.replace(/0+$/, "");
        const clock = `${iso.slice(11, 19)}${shortest === "" ? "" : `.${shortest}`}`;
        const total = BigInt(date.getTime()) * 1000n + BigInt(microseconds) - epoch;
        const days = BigInt(Math.floor((date.getTime() - Date.UTC(2000, 0, 1)) / 86_400_000));
        assert.equal(literalOf(test, "date", iso.slice(0, 10)), days);
        assert.equal(literalOf(test, "time", clock), total - days * MICROSECONDS_PER_DAY);
        const text = `${iso.slice(0, 10)} ${clock}${zone}`;
        assert.equal(literalOf(test, "timestamp", text), total - zones[zone]! * 1_000_000n);
      }),
      1000,
    );
  });

  test("dates beyond four digits, before Christ and without end", () => {
    const test = newCore(build);
    // SELECT date - date '2000-01-01' in Postgres.
    const days: readonly [string, bigint | undefined][] = [
      ["2000-01-01", 0n],
      ["1999-12-31", -1n],
      ["2000-03-01", 60n],
      ["0001-01-01", -730_119n],
      ["0001-12-31 BC", -730_120n],
      ["4714-11-24 BC", -2_451_545n],
      ["5874897-12-31", 2_145_031_948n],
      ["infinity", 2n ** 63n - 1n],
      ["-infinity", -(2n ** 63n)],
      ["2000-13-01", undefined],
      ["2000-1-1", undefined],
      ["", undefined],
      ["2000-01-01x", undefined],
    ];
    for (const [text, expected] of days)
      assert.equal(literalOf(test, "date", text), expected, text);
    const last = literalOf(test, "timestamp", "294276-12-31 23:59:59.999999") as bigint;
    assert.equal(last, 9_223_371_331_199_999_999n);
    assert.equal(
      literalOf(test, "timestamp", "0001-12-31 00:00:00+00 BC"),
      -730_120n * MICROSECONDS_PER_DAY,
    );
    assert.equal(literalOf(test, "time", "24:00:00"), MICROSECONDS_PER_DAY);
    const ascending = [
      "-infinity",
      "4714-11-24 00:00:00 BC",
      "1999-12-31 23:59:59.999999",
      "infinity",
    ];
    const codes = ascending.map((text) => codeOf(test, "timestamp", text)!);
    assert.deepEqual([...codes].sort(sign), codes);
    assert.equal(new Set(codes).size, codes.length);
  });

  test("texts are ordered by their bytes, uuids by theirs, and padding does not count", () => {
    const test = newCore(build);
    const text = fc
      .oneof(fc.string({ maxLength: 12 }), fc.string({ unit: "grapheme" }))
      .map((t) => t.replaceAll("\0", ""));
    check(
      fc.property(text, text, (a, b) => {
        expectOrder(test, "text", a, b, Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      1000,
    );
    check(fc.property(fc.uuid(), fc.uuid(), (a, b) => expectOrder(test, "uuid", a, b, sign(a, b))));
    assert.equal(literalOf(test, "padded", "ab   "), "ab");
    assert.equal(literalOf(test, "padded", "   "), "");
    assert.equal(literalOf(test, "text", "ab "), "ab ");
  });
});

/** The codes are not in the wrong order, and equal for equal values. */
function expectOrder(test: TestCore, order: Order, a: string, b: string, expected: number): void {
  const actual = sign(codeOf(test, order, a)!, codeOf(test, order, b)!);
  assert.ok(actual === 0 || actual === Math.sign(expected), `${a} and ${b}: ${actual}`);
  if (expected === 0) assert.equal(actual, 0);
}
