/**
 * The classes of WHERE in the benchmark: the core and the ordinary indexes do the same.
 *
 * Goal: for inserts and updates, wanted and not, both say how many shapes a stream reaches, also
 * after some shapes have gone and others have come back. Method: a few hundred shapes of each class
 * and one stream after the other; every class is reached by some of it.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { IntegerNames } from "../../src/report/baseline/shape-names.ts";
import { CLASS_NAMES, classClauses } from "../../src/report/classes/classes.ts";
import { CoreClauseEngine } from "../../src/report/classes/core.ts";
import { makeEventStream } from "../../src/report/classes/events.ts";
import { OrdinaryEngine } from "../../src/report/classes/ordinary.ts";
import { createCore } from "../../src/report/core-engine.ts";

const SHAPES = 300;

test.each(CLASS_NAMES)("%s", (name) => {
  const clauses = classClauses(name);
  const engines = [
    new CoreClauseEngine(clauses, createCore()),
    new OrdinaryEngine(clauses, new IntegerNames()),
  ] as const;
  const reached = (operation: "insert" | "update", matchedShare: number): number => {
    const stream = makeEventStream({
      seed: 7,
      rowCount: 500,
      shapeCount: SHAPES,
      matchedShare,
      operation,
    });
    const [core, ordinary] = engines.map((engine) => engine.route(stream));
    assert.equal(core, ordinary, `${operation}, ${matchedShare}`);
    return core!;
  };
  for (const engine of engines) for (let slot = 0; slot < SHAPES; slot += 1) engine.add(slot);
  assert.equal(reached("insert", 0), 0);
  assert.equal(reached("update", 0), 0);
  assert.ok(reached("insert", 0.5) > 100);
  assert.ok(reached("update", 0.5) > 100);
  for (const engine of engines) for (let slot = 0; slot < SHAPES; slot += 2) engine.remove(slot);
  reached("update", 1);
  for (const engine of engines) for (let slot = 0; slot < SHAPES; slot += 4) engine.add(slot);
  reached("update", 1);
  reached("insert", 1);
});
