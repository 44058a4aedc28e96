/**
 * Elements of arrays against a plain writer of arrays.
 *
 * Goal: what the writer was given comes out again, whatever quotes, backslashes, braces and words
 * are in it, in any number of dimensions; an element with escapes that is longer than the buffer is
 * too long, and those behind it are read all the same.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const TOO_LONG = Symbol("too long");
type Element = string | null | typeof TOO_LONG;

function elementsOf(test: TestCore, text: string): Element[] | undefined {
  const { exports } = test;
  const bytes = Buffer.from(text);
  if (exports.arrayOpen(put(test, bytes), bytes.length) === 0) return undefined;
  const elements: Element[] = [];
  for (;;) {
    const what = exports.arrayNext();
    if (what === 0) return elements;
    const address = exports.arrayElementAddress() >>> 0;
    const size = exports.arrayElementSize() >>> 0;
    const element = Buffer.from(test.core.bytes.slice(address, address + size)).toString();
    elements.push(what === 1 ? element : what === 2 ? null : TOO_LONG);
  }
}

/** As array_out writes an element. */
function write(element: string | null): string {
  if (element === null) return "NULL";
  const isPlain = element !== "" && !/[\s{}",\\]/.test(element) && !/^null$/i.test(element);
  return isPlain ? element : `"${element.replace(/["\\]/g, "\\$&")}"`;
}

const element = fc.option(
  fc.oneof(
    fc.string({ unit: fc.constantFrom("a", "é", '"', "\\", "{", "}", ",", " ", "日") }),
    fc.constantFrom("NULL", "null", "", "=", "[0:1]={1}"),
  ),
);

describe.each(builds)("array text, $name", (build) => {
  test("elements come out as they went in", () => {
    const test = newCore(build);
    check(
      fc.property(fc.array(element), fc.integer({ min: 1, max: 3 }), (elements, dimensions) => {
        const body = elements.map(write).join(",");
        const text = "{".repeat(dimensions) + body + "}".repeat(dimensions);
        assert.deepEqual(elementsOf(test, text), elements);
        assert.deepEqual(elementsOf(test, `[0:5]=${text}`), elements);
      }),
      1000,
    );
    assert.deepEqual(elementsOf(test, "{{1,2},{NULL,4}}"), ["1", "2", null, "4"]);
    assert.deepEqual(elementsOf(test, "{}"), []);
  });

  test("an element with escapes may be as long as the buffer", () => {
    const test = newCore(build);
    const long = `"${"x".repeat(1023)}`;
    const text = `{${write(long)},${write(`${long}y`)},${write("y".repeat(3000))},z}`;
    assert.deepEqual(elementsOf(test, text), [long, TOO_LONG, "y".repeat(3000), "z"]);
    test.exports.textBufferReserve(1025);
    assert.deepEqual(elementsOf(test, text), [long, `${long}y`, "y".repeat(3000), "z"]);
  });

  test("what is no array has no elements, and a cut one ends early", () => {
    const test = newCore(build);
    for (const text of ["", "1,2", "[0:1]"]) assert.equal(elementsOf(test, text), undefined);
    const whole = '[0:1]={"a\\"b",c,"d"}';
    for (let size = 0; size < whole.length; size++) elementsOf(test, whole.slice(0, size));
  });
});
