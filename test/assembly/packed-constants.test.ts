/**
 * Packed constants against those that were packed.
 *
 * Goal: constants come back as they were, to the byte; different ones are packed differently; no
 * list becomes longer, nor does the part that is packed at any time, which is written over what has
 * not been read yet. And they take what `assembly/packed-constants.ts` says.
 *
 * Method: numbers at the ends of each of the sizes they may have, uuids and texts that are nearly
 * such a number or a uuid, texts around the size where their head grows.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { decodeConstants, encodeConstants } from "../../src/model/constants-codec.ts";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";

const edges = Array.from({ length: 65 }, (_, bits) => 2n ** BigInt(bits)).flatMap((power) => {
  return [power - 1n, power, -power, 1n - power];
});
const texts = [
  ...["", "0", "-0", "00", "042", "-042", "+42", "4 2", " 42", "42 ", "-", "--1", "4.2", "1e3"],
  ...["00000000000000000000", "99999999999999999999", "-99999999999999999999"],
  ...[UUID, UUID.toUpperCase(), `${UUID} `, ` ${UUID}`, UUID.replaceAll("-", ""), `{${UUID}}`],
  ...["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
  ...["active", "\0", "\ufeff", "é", "💡", "2026-11-23", "2026-11-23 04:05:06.789+00", "t"],
  ...[62, 63, 64, 65, 255, 256, 5000].map((size) => "x".repeat(size)),
];
const constant = fc.oneof(
  fc.constantFrom(...texts, ...edges.map(String)),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.uuid(),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom("0", "1", "9", "-") }),
);
/** At most 20 KiB, so that the exchange has room for both forms. */
const constants = fc.array(constant, { maxLength: 4 });

describe.each(builds)("packed constants, $name", (build) => {
  const core = newCore(build);

  test("what was packed comes back", () => {
    check(
      fc.property(constants, (constants) => {
        const packed = pack(constants, core);
        assert.deepEqual(unpack(packed, core), constants);
        assert.ok(packed.length <= encodeConstants(constants).length);
      }),
      2000,
    );
    for (const text of [...texts, ...edges.map(String)]) {
      assert.deepEqual(unpack(pack([text], core), core), [text]);
    }
  });

  test("different constants are packed differently", () => {
    const packed = new Set([...texts, ...edges.map(String)].map((text) => nameOf([text], core)));
    assert.equal(packed.size, new Set([...texts, ...edges.map(String)]).size);
    check(
      fc.property(constants, constants, (some, others) => {
        const areEqual = JSON.stringify(some) === JSON.stringify(others);
        assert.equal(nameOf(some, core) === nameOf(others, core), areEqual);
      }),
      1000,
    );
  });

  test.each([
    [["0"], 2],
    [["16383"], 2],
    [["16384"], 3],
    [["4194303"], 3],
    [["4194304"], 4],
    [["536870911"], 4],
    [["536870912"], 5],
    [["4294967296"], 6],
    [["-1"], 2],
    [["-256"], 3],
    [["9223372036854775807"], 9],
    [["-9223372036854775808"], 9],
    [["9223372036854775808"], 20],
    [[UUID], 17],
    [["active"], 7],
    [["x".repeat(63)], 64],
    [["x".repeat(64)], 68],
    [["42", "open"], 7],
    [["1000000", "10000"], 5],
    [[], 0],
  ] as const)("%j takes %i bytes", (constants, size) => {
    assert.equal(pack(constants, core).length, size);
  });
});

function pack(constants: readonly string[], core: TestCore): Buffer {
  const bytes = encodeConstants(constants);
  const address = put(core, bytes);
  const size = core.exports.constantsPack(address, bytes.length) >>> 0;
  return Buffer.from(core.core.bytes.subarray(address, address + size));
}

function unpack(packed: Uint8Array, core: TestCore): readonly string[] {
  const address = put(core, packed);
  const target = address + 32_768;
  const size = core.exports.constantsUnpack(address, packed.length, target) >>> 0;
  return decodeConstants(core.core.bytes, target, target + size);
}

function nameOf(constants: readonly string[], core: TestCore): string {
  return pack(constants, core).toString("latin1");
}
