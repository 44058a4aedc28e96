/** What random values would rarely show. */

import assert from "node:assert/strict";
import { test } from "vitest";
import { ASCII_CASE_MAPPING } from "../../../src/model/case-mapping.ts";
import { INTEGER_OPERATIONS } from "../../../src/where/operations/integer.ts";

import type { Operation } from "../../../src/where/operations/operation.ts";
import { parseFloat4 } from "../../../src/where/values/float.ts";
import type { TypeName, Value } from "../../../src/where/values/scalar-type.ts";

test("text is rounded to a float4 once and not by way of a double", () => {
  const middle = "1.000000059604644775390625";
  assert.equal(parseFloat4(middle), 1);
  assert.equal(parseFloat4(`${middle}0000000000001`), 1 + 2 ** -23);
  assert.equal(parseFloat4("1.00000005960464477539062499999999"), 1);
  assert.equal(parseFloat4("340282356779733661637539395458142568447.9"), 3.4028234663852886e38);
  assert.throws(() => parseFloat4("340282356779733661637539395458142568448"), /out of range/);
});

test("an integer has one zero only", () => {
  for (const [name, left, right] of [
    ["*", -1, 0],
    ["/", 0, -1],
    ["%", -4, 2],
  ] as const) {
    assert.ok(Object.is(call(INTEGER_OPERATIONS, name, ["int4", "int4"], left, right), 0), name);
  }
  assert.ok(Object.is(call(INTEGER_OPERATIONS, "-", ["int2"], 0), 0));
});

function call(
  operations: readonly Operation[],
  name: string,
  types: readonly TypeName[],
  ...values: Value[]
): Value | null {
  const operation = operations.find((found) => {
    return found.name === name && found.args.join() === types.join();
  });
  return operation!.bind({ types, caseMapping: ASCII_CASE_MAPPING })(...values);
}
