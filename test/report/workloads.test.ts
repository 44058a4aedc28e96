/**
 * Goal: what the report compares is the same everywhere: of every workload every engine has exactly
 * the shapes that were added and not removed, whatever the order.
 *
 * Method: random additions and removals of 300 shapes against a Set, in this process.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { ENGINE_NAMES } from "../../src/report/workload.ts";
import { WORKLOADS } from "../../src/report/workloads.ts";
import { seededRandom } from "../support/random.ts";

const SHAPES = 300;
const STEPS = 2000;

for (const workload of WORKLOADS) {
  const { name } = workload;
  for (const engine of ENGINE_NAMES) {
    test(`${name}: ${engine} has the shapes that are there`, async () => {
      const create = await workload.load();
      const population = create({ engine, shapeCount: SHAPES, seed: 1 });
      const random = seededRandom(`${name} on ${engine}`);
      const there = new Set<number>();
      for (let step = 0; step < STEPS; step += 1) {
        const shape = Math.floor(random() * SHAPES);
        assert.equal(population.has(shape), there.has(shape));
        if (there.delete(shape)) population.remove(shape);
        else {
          there.add(shape);
          population.add(shape);
        }
      }
      for (let shape = 0; shape < SHAPES; shape += 1) {
        assert.equal(population.has(shape), there.has(shape));
      }
      assert.equal(population.structures() !== undefined, engine === "core");
    });
  }
}
