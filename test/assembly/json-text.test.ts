/**
 * Paths in JSON against JSON.parse.
 *
 * Goal: the text at a path is what `#>>` of Postgres gives: strings without escapes, null as NULL,
 * the rest as it is written; keys that stand twice give both values; indexes count from the end if
 * negative.
 *
 * Method: documents of a few keys, so that most paths lead somewhere, written with spaces and with
 * every character of a string escaped or not.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, put, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const TOO_LONG = Symbol("too long");
type Found = string | null | typeof TOO_LONG;

/** All values at a path. */
function find(test: TestCore, document: string, path: readonly string[]): Found[] {
  const { exports } = test;
  const steps = Buffer.concat(
    path.flatMap((step) => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(Buffer.byteLength(step));
      return [size, Buffer.from(step)];
    }),
  );
  const bytes = Buffer.from(document);
  const pathAddress = put(test, steps, 32_768);
  const found: Found[] = [];
  for (;;) {
    const address = put(test, bytes);
    const what = exports.jsonFind(address, bytes.length, pathAddress, path.length, found.length);
    if (what === 0) return found;
    const at = exports.jsonValueAddress() >>> 0;
    const text = Buffer.from(test.core.bytes.slice(at, at + (exports.jsonValueSize() >>> 0)));
    found.push(what === 1 ? text.toString() : what === 2 ? null : TOO_LONG);
  }
}

const KEYS = ["a", "b", 'q"\\', "0", "1", "é😀"];
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1.5, 1e21),
    fc.string({ unit: fc.constantFrom("a", '"', "\\", "\n", "/", "\u0001", "é", "😀") }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie("value"), { maxKeys: 4 }),
  ),
})).value;
const path = fc.array(fc.constantFrom(...KEYS, "-1", "-2", "2", "x"), { maxLength: 3 });

function valueAt(value: unknown, path: readonly string[]): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(value)) {
    if (!/^-?[0-9]+$/.test(step)) return undefined;
    const element: unknown = value.at(Number(step));
    return element === undefined ? undefined : valueAt(element, rest);
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
  return valueAt((value as Record<string, unknown>)[step], rest);
}

/** Writes every other character of strings as \u escapes. */
function escaped(document: string): string {
  return document.replace(/"(?:[^"\\]|\\.)*"/g, (text) => {
    const units = Array.from(JSON.parse(text) as string).flatMap((character, index) => {
      if (index % 2 === 1) return JSON.stringify(character).slice(1, -1);
      return character
        .split("")
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
    });
    return `"${units.join("")}"`;
  });
}

describe.each(builds)("json text, $name", (build) => {
  test("a path leads to what JSON.parse finds there", () => {
    const test = newCore(build);
    check(
      fc.property(json, path, fc.boolean(), (value, path, isSpaced) => {
        const expected = valueAt(value, path);
        const document = JSON.stringify(value, undefined, isSpaced ? " \n" : "");
        for (const text of [document, escaped(document)]) {
          const found = find(test, text, path);
          if (expected === undefined) {
            assert.deepEqual(found, []);
          } else if (expected === null || typeof expected === "string") {
            assert.deepEqual(found, [expected]);
          } else {
            assert.equal(found.length, 1);
            assert.deepEqual(JSON.parse(found[0] as string), JSON.parse(JSON.stringify(expected)));
          }
        }
      }),
      1000,
    );
  });

  test("a key that stands twice gives both values", () => {
    const test = newCore(build);
    const document = '{"a": {"b": 1}, "a": {"b": [2, {"b": 3}], "\\u0062": "x"}, "a": 4}';
    assert.deepEqual(find(test, document, ["a", "b"]), ["1", '[2, {"b": 3}]', "x"]);
    assert.deepEqual(find(test, document, ["a"]).length, 3);
    assert.deepEqual(find(test, document, ["a", "b", "1", "b"]), ["3"]);
  });

  test("a string with escapes may be as long as the buffer", () => {
    const test = newCore(build);
    const fits = "é".repeat(512);
    const slash = (text: string) => `{"a": "${text.slice(0, -1)}\\u00e9"}`;
    assert.deepEqual(find(test, slash(fits), ["a"]), [fits]);
    assert.deepEqual(find(test, slash(`${fits}é`), ["a"]), [TOO_LONG]);
    test.exports.textBufferReserve(1026);
    assert.deepEqual(find(test, slash(`${fits}é`), ["a"]), [`${fits}é`]);
  });

  test("a document that is cut anywhere ends early", () => {
    const test = newCore(build);
    const whole = '{"a": [1, "b\\n\\u0041", {"c": null}], "d": tru';
    for (let size = 0; size <= whole.length; size++) {
      for (const path of [["a"], ["a", "-1", "c"], ["d"], ["e"], []]) {
        find(test, whole.slice(0, size), path);
      }
    }
  });
});
