/**
 * Goal: a `TransientMap` is a `Map`, the order of its entries included, but what has left it is no
 * longer held by it. Method: random operations on both; and, in a process of its own, objects that
 * pass through a map which a full collection has seen, counted by how many the small collections
 * leave behind.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { test } from "vitest";
import { TransientMap } from "../../src/lib/transient-map.ts";
import { check } from "../support/property.ts";

const operations = fc.array(
  fc.record({ kind: fc.constantFrom("set", "set", "delete"), key: fc.integer({ min: 0, max: 9 }) }),
  { maxLength: 100 },
);

test("it is a Map", () => {
  check(
    fc.property(operations, (list) => {
      const real = new TransientMap<number, object>();
      const model = new Map<number, object>();
      for (const { kind, key } of list) {
        if (kind === "delete") {
          assert.equal(real.delete(key), model.delete(key));
        } else {
          const value = { key };
          real.set(key, value);
          model.set(key, value);
        }
        assert.equal(real.size, model.size);
        for (let each = 0; each < 10; each++) {
          assert.equal(real.get(each), model.get(each));
          assert.equal(real.has(each), model.has(each));
        }
        assert.deepEqual([...real.entries()], [...model]);
        assert.deepEqual([...real.values()], [...model.values()]);
      }
    }),
  );
});

test("while its entries are gone through, some may leave and others come", () => {
  const map = new TransientMap<string, object>();
  const [a, b, c, d] = [{}, {}, {}, {}];
  map.set("a", a);
  map.set("b", b);
  map.set("c", c);
  const seen: object[] = [];
  for (const [key, value] of map.entries()) {
    seen.push(value);
    if (key !== "a") continue;
    map.delete("a");
    map.delete("b");
    map.set("d", d);
  }
  assert.deepEqual(seen, [a, c, d]);
});

/** Prints how many MiB the heap has grown by while 64 MiB went through a map of the class. */
const PASSING = `
const { TransientMap } = await import("./src/lib/transient-map.ts");
const map = process.argv[1] === "Map" ? new Map() : new TransientMap();
const pass = (from, to) => {
  for (let key = from; key < to; key++) {
    map.set(key, Array.from({ length: 128 }, () => key));
    map.delete(key - 64);
  }
};
pass(0, 1000);
gc();
const before = process.memoryUsage().heapUsed;
pass(1000, 60_000);
gc({ type: "minor" });
console.log((process.memoryUsage().heapUsed - before) >> 20);
`;

test("what has left it is gone with the next small collection", () => {
  const grownBy = (name: string): number => {
    const options = ["--expose-gc", "--max-semi-space-size=1", "--import=tsx"];
    const script = ["--input-type=module", "-e", PASSING, name];
    return Number(execFileSync(process.execPath, [...options, ...script], { encoding: "utf8" }));
  };
  assert.ok(grownBy("TransientMap") < 5);
});
