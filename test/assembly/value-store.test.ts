/**
 * The value store against a map from text to references.
 *
 * Goal: equal bytes have one id, different bytes different ids, as long as anybody refers to them;
 * then the value and its memory are gone.
 *
 * Method: few short texts, so that most operations meet a value that is there; sizes around 1,022,
 * where the size moves from the row to the block, and beyond half a page; texts that differ in one
 * byte at the end, or only in size.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const texts: readonly string[] = [
  "",
  "\0",
  "\0\0",
  "a",
  "b",
  "tenant-1",
  "tenant-2",
  "0123456789abcdef",
  "0123456789abcdeF",
  ...[1021, 1022, 1023, 1024, 5000, 32_768, 40_000].flatMap((size) => [
    "x".repeat(size),
    `${"x".repeat(size - 1)}y`,
  ]),
];

type Operation = { type: "intern" | "retain" | "release"; text: string };
const operations = fc.array(
  fc.record({
    type: fc.constantFrom(
      "intern" as const,
      "intern" as const,
      "retain" as const,
      "release" as const,
    ),
    text: fc.constantFrom(...texts),
  }),
  { maxLength: 120, size: "max" },
);

interface Entry {
  id: number;
  references: number;
}

describe.each(builds)("value store, $name", (build) => {
  test("bytes and ids are one to one while there are references", () => {
    const test = newCore(build);
    const { exports } = test;
    exports.storesCreate();
    const bytes = exports.valueLiveBytes();
    check(
      fc.property(operations, (operations) => {
        const model = new Map<string, Entry>();
        for (const operation of operations) {
          apply(operation, model, test);
          assert.equal(exports.valueCount(), model.size);
          exports.valueVerify();
        }
        assertSame(model, test);
        for (const { id, references } of model.values()) {
          for (let n = 0; n < references; n++) exports.valueRelease(id);
        }
        assert.equal(exports.valueCount(), 0);
        assert.equal(exports.valueLiveBytes(), bytes);
        exports.poolVerify();
      }),
      60,
    );
  });

  test("ids are dense and used again", () => {
    const test = newCore(build);
    test.exports.storesCreate();
    const ids = Array.from({ length: 20_000 }, (_, n) => intern(`value ${n}`, test));
    assert.deepEqual(ids.slice(0, 3), [1, 2, 3]);
    assert.equal(ids.at(-1), 20_000);
    test.exports.valueRelease(777);
    assert.equal(intern("another", test), 777);
  });

  test("a uuid takes 30 bytes", () => {
    const test = newCore(build);
    test.exports.storesCreate();
    const count = 200_000;
    const uuid = new Uint32Array(4);
    for (let n = 0; n < count; n++) {
      uuid.set([n, n * 7919, 5, 6]);
      const address = put(test, new Uint8Array(uuid.buffer));
      assert.notEqual(test.exports.valueIntern(address, 16), 0);
    }
    const held = (test.exports.poolPagesOf(8) * 65_536) / count;
    assert.ok(held < 31.5, `${held} bytes per value`);
  });

  test("a value that is refused memory is not there", () => {
    const test = newCore(build, { memoryBytesMax: 258 * 65_536 });
    test.exports.storesCreate();
    let count = 0;
    while (intern(`${count} ${"x".repeat(2000)}`, test) !== 0) count += 1;
    assert.ok(count > 1000);
    assert.equal(test.exports.valueCount(), count);
    assert.equal(find(`${count} ${"x".repeat(2000)}`, test), 0);
    test.exports.valueVerify();
  });
});

function apply({ type, text }: Operation, model: Map<string, Entry>, test: TestCore): void {
  const entry = model.get(text);
  if (type === "intern") {
    const id = intern(text, test);
    assert.equal(id, entry?.id ?? id);
    model.set(text, { id, references: (entry?.references ?? 0) + 1 });
  } else if (entry !== undefined && type === "retain") {
    test.exports.valueRetain(entry.id);
    entry.references += 1;
  } else if (entry !== undefined) {
    test.exports.valueRelease(entry.id);
    entry.references -= 1;
    if (entry.references === 0) model.delete(text);
  }
}

function assertSame(model: ReadonlyMap<string, Entry>, test: TestCore): void {
  const ids = new Set<number>();
  for (const text of texts) {
    const entry = model.get(text);
    assert.equal(find(text, test), entry?.id ?? 0);
    if (entry === undefined) continue;
    ids.add(entry.id);
    const { core, exports } = test;
    const address = exports.valueAddress(entry.id) >>> 0;
    const bytes = core.bytes.subarray(address, address + exports.valueSize(entry.id));
    assert.equal(Buffer.from(bytes).toString("latin1"), text);
    assert.equal(exports.valueReferences(entry.id), entry.references);
  }
  assert.equal(ids.size, model.size);
}

function intern(text: string, test: TestCore): number {
  return test.exports.valueIntern(put(test, Buffer.from(text, "latin1")), text.length) >>> 0;
}

function find(text: string, test: TestCore): number {
  return test.exports.valueFind(put(test, Buffer.from(text, "latin1")), text.length) >>> 0;
}
