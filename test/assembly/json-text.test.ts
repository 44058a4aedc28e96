/**
 * Paths in JSON against JSON.parse.
 *
 * Goal: one walk finds, for all paths of a tree, the text that `->` and `->>` of Postgres give:
 * strings without escapes, null as NULL, the rest as it is written; keys that stand twice give both
 * values; nothing is found in arrays. The tree gives back all its memory.
 *
 * Method: documents of a few keys, so that most paths lead somewhere, written with spaces and with
 * every character of a string escaped or not; several paths at once, some of which begin others.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore, put, type Build, type TestCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const TOO_LONG = Symbol("too long");
type Found = string | null | typeof TOO_LONG;
type Path = readonly string[];

/** The paths of one document. */
class Paths {
  readonly #test: TestCore;
  readonly #root: number;
  /** A path for every node at which one ends. */
  readonly #paths = new Map<number, string>();

  constructor(test: TestCore, paths: readonly Path[]) {
    this.#test = test;
    const { exports } = test;
    this.#root = exports.pathsRoot();
    for (const path of paths) {
      let node = this.#root;
      for (const step of path) {
        const bytes = Buffer.from(step);
        node = exports.pathsGrow(node, put(test, bytes), bytes.length);
      }
      exports.pathsSetAccess(node, 8);
      this.#paths.set(node, JSON.stringify(path));
    }
    exports.pathsVerify();
  }

  /** The values at each path, in the order of the document. */
  find(document: string): Record<string, Found[]> {
    const { core, exports } = this.#test;
    const bytes = Buffer.from(document);
    exports.jsonOpen(put(this.#test, bytes), bytes.length, this.#root);
    const found: Record<string, Found[]> = {};
    for (;;) {
      const node = exports.jsonNext();
      if (node === 0) return found;
      const at = exports.jsonValueAddress() >>> 0;
      const text = Buffer.from(core.bytes.slice(at, at + (exports.jsonValueSize() >>> 0)));
      const kind = exports.jsonValueKind();
      const value = kind === 1 ? text.toString() : kind === 2 ? null : TOO_LONG;
      (found[this.#paths.get(node)!] ??= []).push(value);
    }
  }

  remove(): void {
    const { exports } = this.#test;
    for (const node of this.#paths.keys()) {
      exports.pathsSetAccess(node, 0);
      exports.pathsPrune(node);
      exports.pathsVerify();
    }
    exports.pathsRemoveRoot(this.#root);
  }
}

function newTest(build: Build): TestCore {
  const test = newCore(build);
  test.exports.storesCreate();
  test.exports.pathsCreate();
  return test;
}

/** All values at one path. */
function find(test: TestCore, document: string, path: Path): Found[] {
  const paths = new Paths(test, [path]);
  const found = paths.find(document)[JSON.stringify(path)] ?? [];
  paths.remove();
  return found;
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
const step = fc.constantFrom(...KEYS, "-1", "2", "x");
const paths = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 6 });

function valueAt(value: unknown, path: Path): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  if (!Object.hasOwn(value, step)) return undefined;
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

function checkFound(found: readonly Found[], expected: unknown): void {
  if (expected === undefined) {
    assert.deepEqual(found, []);
  } else if (expected === null || typeof expected === "string") {
    assert.deepEqual(found, [expected]);
  } else {
    assert.equal(found.length, 1);
    assert.deepEqual(JSON.parse(found[0] as string), JSON.parse(JSON.stringify(expected)));
  }
}

describe.each(builds)("json text, $name", (build) => {
  test("paths lead to what JSON.parse finds there", () => {
    const test = newTest(build);
    const empty = test.exports.pathsLiveBytes();
    check(
      fc.property(json, paths, fc.boolean(), (value, paths, isSpaced) => {
        const document = JSON.stringify(value, undefined, isSpaced ? " \n" : "");
        const tree = new Paths(test, paths);
        for (const text of [document, escaped(document)]) {
          const found = tree.find(text);
          for (const path of paths) {
            checkFound(found[JSON.stringify(path)] ?? [], valueAt(value, path));
          }
        }
        tree.remove();
        assert.equal(test.exports.pathsLiveBytes(), empty);
      }),
      1000,
    );
  });

  test("a key that stands twice gives both values", () => {
    const test = newTest(build);
    const document = '{"a": {"b": 1}, "a": {"b": [2, {"b": 3}], "\\u0062": "x"}, "a": 4}';
    assert.deepEqual(find(test, document, ["a", "b"]), ["1", '[2, {"b": 3}]', "x"]);
    assert.deepEqual(find(test, document, ["a"]).length, 3);
    assert.deepEqual(find(test, document, ["a", "b", "b"]), []);
  });

  test("a path that begins another is found, and the other too", () => {
    const test = newTest(build);
    const paths = new Paths(test, [["a"], ["a", "b"], ["a", "b", "c"]]);
    assert.deepEqual(paths.find('{"a":{"b":{"c":1},"d":2},"b":{"c":3}}'), {
      '["a"]': ['{"b":{"c":1},"d":2}'],
      '["a","b"]': ['{"c":1}'],
      '["a","b","c"]': ["1"],
    });
  });

  test("a path as long as may be, in a document as deep", () => {
    const test = newTest(build);
    const path = Array.from({ length: 32 }, () => "k");
    const document = '{"k":'.repeat(40) + "1" + "}".repeat(40);
    assert.deepEqual(find(test, document, path), [document.slice(5 * 32, -32)]);
  });

  test("a string with escapes may be as long as the buffer", () => {
    const test = newTest(build);
    const fits = "é".repeat(512);
    const slash = (text: string) => `{"a": "${text.slice(0, -1)}\\u00e9"}`;
    assert.deepEqual(find(test, slash(fits), ["a"]), [fits]);
    assert.deepEqual(find(test, slash(`${fits}é`), ["a"]), [TOO_LONG]);
    test.exports.textBufferReserve(1026);
    assert.deepEqual(find(test, slash(`${fits}é`), ["a"]), [`${fits}é`]);
  });

  test("a document that is cut anywhere ends early", () => {
    const test = newTest(build);
    const whole = '{"a": {"b\\u0041": "\\n", "c": [null]}, "d": "x", "e": tru';
    const paths = new Paths(test, [["a"], ["a", "bA"], ["a", "c"], ["d"], ["e"], ["f"]]);
    for (let size = 0; size <= whole.length; size++) paths.find(whole.slice(0, size));
  });
});
