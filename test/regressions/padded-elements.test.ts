/**
 * An element of a bpchar[] that has escapes is read into a buffer as long as the longest constant;
 * its blanks may be longer, and then it was taken for equal to nothing.
 *
 * Goal: arrays of padded text are not looked up by their elements, but evaluated.
 */

import { expect, test } from "vitest";
import { defineShape } from "../../src/where/define-shape.ts";
import { column, table } from "../where/tables.ts";

const ARRAY_OF_BPCHAR = 1014;
const items = table(
  column("id", "int4"),
  column("codes", "bpchar", { typeOid: ARRAY_OF_BPCHAR, dimensionCount: 1 }),
);

test.each(["codes && '{a}'", "codes @> '{a}'", "codes <@ '{a}'", "'a' = ANY (codes)"])(
  "%s is evaluated",
  (where) => {
    const rest = { params: {}, columns: undefined, replica: "default", log: "full" } as const;
    const { plan } = defineShape(items, { where, ...rest }).template.where!;
    expect(plan.branches).toEqual([{ type: "all" }]);
    expect(plan.isExact).toBe(false);
  },
);
