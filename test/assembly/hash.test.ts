/**
 * Hashes: which properties the tables rely on.
 *
 * Goal: equal bytes have equal hashes wherever they lie; a change of any byte, of the size, or of
 * the secret changes the hash; the bits of both halves are spread.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const bytes = fc.uint8Array({ minLength: 0, maxLength: 700, size: "max" });

describe.each(builds)("hash, $name", (build) => {
  const subject = newCore(build);

  test("it is a function of the bytes, not of where they lie or what follows them", () => {
    check(
      fc.property(bytes, fc.integer({ min: 0, max: 9 }), (bytes, offset) => {
        const { exchange } = subject.core;
        subject.core.bytes.fill(0x55, exchange, exchange + 2000);
        const first = hash(bytes, 0, subject);
        subject.core.bytes.fill(0xaa, exchange, exchange + 2000);
        assert.equal(hash(bytes, 1000 + offset, subject), first);
      }),
    );
  });

  test("any one byte, and the size, make a difference", () => {
    check(
      fc.property(bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, change) => {
        const before = hash(bytes, 0, subject);
        assert.notEqual(hash(Uint8Array.of(...bytes, 0), 0, subject), before);
        if (bytes.length === 0) return;
        const other = Uint8Array.from(bytes);
        other[at % bytes.length]! ^= change;
        assert.notEqual(hash(other, 0, subject), before);
      }),
    );
  });

  test("texts that collide under every seed of xxh64 do not collide here", () => {
    // Differences that cancel in any chain of rotate-multiply: top bits in neighbouring words.
    for (let shift = 0; shift < 64; shift++) {
      const a = new BigUint64Array(4);
      const b = new BigUint64Array(4);
      b[0] = 1n << BigInt(shift);
      b[1] = 1n << BigInt((shift + 27) % 64);
      const [first, second] = [a, b].map((words) => new Uint8Array(words.buffer));
      assert.notEqual(hash(first!, 0, subject), hash(second!, 0, subject));
    }
  });

  test("numbers never collide, and every 12 bits of their hashes are evenly spread", () => {
    const { exports } = subject;
    const counts = Array.from({ length: 2 }, () => new Uint32Array(4096));
    const seen = new Set<number>();
    for (let n = 0; n < 100_000; n++) {
      const low = exports.hashWordLow(n, 0) >>> 0;
      seen.add(low);
      counts[0]![low >>> 20]! += 1;
      counts[1]![low & 4095]! += 1;
    }
    for (const count of counts) assert.ok(Math.max(...count) < 60 && Math.min(...count) > 4);
    assert.ok(seen.size > 99_990);
  });

  test("another secret makes other hashes", () => {
    const [one, other] = [newCore(build, { seed: [1, 2] }), newCore(build, { seed: [1, 3] })];
    assert.notEqual(hash(Uint8Array.of(1, 2, 3), 0, one), hash(Uint8Array.of(1, 2, 3), 0, other));
    assert.notEqual(one.exports.hashWordLow(5, 0), other.exports.hashWordLow(5, 0));
  });
});

function hash(bytes: Uint8Array, offset: number, test: TestCore): string {
  const address = put(test, bytes, offset);
  const low = test.exports.hashBytesLow(address, bytes.length, 7) >>> 0;
  return `${test.exports.hashBytesHigh(address, bytes.length, 7) >>> 0}:${low}`;
}
