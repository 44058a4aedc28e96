/** Goal: a `Roster` is a `Set`, but for the order. Method: random operations on both. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { NO_PLACE, Roster } from "../../src/lib/roster.ts";
import { check } from "../support/property.ts";

test("it is a Set without an order", () => {
  check(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 100 }), (toggled) => {
      const everybody = Array.from({ length: 10 }, (_, name) => ({ name, place: NO_PLACE }));
      const real = new Roster<(typeof everybody)[number]>();
      const model = new Set<(typeof everybody)[number]>();
      for (const name of toggled) {
        const member = everybody[name]!;
        if (model.has(member)) {
          assert.equal(real.delete(member), model.delete(member));
          assert.equal(real.delete(member), false);
        } else {
          real.add(member);
          model.add(member);
        }
        assert.equal(real.size, model.size);
        assert.deepEqual(new Set(real.members()), model);
        assert.equal(real.members().length, model.size);
      }
    }),
  );
});
