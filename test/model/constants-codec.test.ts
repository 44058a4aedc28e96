/**
 * Constants as bytes and back.
 *
 * Goal: constants come back as they were, wherever in a buffer they lie, and what was cut short is
 * an error. Texts of digits are made in another way than others, so they are the most.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeConstants, encodeConstants } from "../../src/model/constants-codec.ts";
import { check } from "../support/property.ts";

const constants = fc.array(
  fc.oneof(
    fc.constantFrom("", "0", "00", "07", "-0", "-7", "7 ", "/", ":", "1:", "999999999999999"),
    fc.constantFrom("9007199254740993", "9999999999999999", "4e2", "٣", "\0", "é"),
    fc.string({ unit: fc.constantFrom("0", "1", "9"), maxLength: 20 }),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
    fc.string({ unit: "grapheme" }),
  ),
);

test("constants come back as they were", () => {
  check(
    fc.property(constants, fc.nat({ max: 9 }), fc.boolean(), (constants, start, isBuffer) => {
      const bytes = encodeConstants(constants);
      const around = new Uint8Array(start + bytes.length + 1).fill(0x31);
      around.set(bytes, start);
      const given = isBuffer ? Buffer.from(around.buffer) : around;
      expect(decodeConstants(given, start, start + bytes.length)).toEqual(constants);
    }),
    1000,
  );
});

test("constants that are cut short are an error", () => {
  const bytes = encodeConstants(["7", "seven"]);
  expect(() => decodeConstants(bytes.subarray(0, -1))).toThrow(RangeError);
  expect(() => decodeConstants(bytes.subarray(0, 7))).toThrow(RangeError);
});
