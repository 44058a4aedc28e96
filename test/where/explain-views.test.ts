/**
 * Goal: of a row, a clause with subselects is explained as it is judged (protocol 14.5), when what
 * is kept of them can be asked. Method: a view that says what it is told to.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { MembershipBit } from "../../src/model/row-filter.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { explainShape } from "../../src/where/explain.ts";
import { column, table } from "./tables.ts";

const orgs = { ...table(column("parent", "int4")), oid: 20_000, name: "orgs" };
const tasks = {
  ...table(
    column("id", "int4", { keyIndex: 0, isNotNull: true }),
    column("org", "int4"),
    column("owner", "int4"),
  ),
  oid: 20_002,
  name: "tasks",
};

function define(where: string) {
  const rest = { params: {}, columns: undefined, replica: "default", log: "full" } as const;
  const facts = { publishesGeneratedColumns: false, innerTables: [orgs, tasks] };
  return defineShape(tasks, { where, ...rest }, facts);
}

test("of a row, subselects that are known are asked", () => {
  const definition = define("org NOT IN (SELECT parent FROM orgs) OR owner = 3");
  const tell = (row: Readonly<Record<string, string | null>>, bits: number, isReady = true) => {
    const summary = { valueCount: 1, hasNull: false, userCount: 1, isReady };
    const { subqueries, row: told } = explainShape(definition, {}, row, [
      { summary, bitsOf: (tuple) => (tuple[0] === "7" ? MembershipBit.IS_MEMBER : bits) },
    ]);
    assert.deepEqual(subqueries!.dependencies[0]!.view, summary);
    return [told!.matches, told!.parts.map(({ result }) => result)];
  };
  assert.deepEqual(tell({ org: "7" }, 0), [false, ["false", "false"]]);
  assert.deepEqual(tell({ org: "7", owner: "3" }, 0), [true, ["false", "true"]]);
  assert.deepEqual(tell({ org: "8" }, 0), [true, ["true", "false"]]);
  assert.deepEqual(tell({ org: "8" }, MembershipBit.VIEW_HAS_NULL), [false, ["false", "false"]]);
  assert.deepEqual(tell({ org: null }, 0), [false, ["false", "false"]]);
  assert.deepEqual(tell({ org: null }, MembershipBit.VIEW_IS_EMPTY), [true, ["true", "false"]]);
  assert.deepEqual(tell({ org: "8" }, 0, false), [null, ["unknown"]]);
});
