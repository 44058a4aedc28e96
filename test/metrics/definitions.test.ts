/** Goal: what a metric says in states that a live server passes through too quickly to be seen. */

import { expect, test } from "vitest";
import { METRICS } from "../../src/metrics/definitions.ts";
import type { Figures } from "../../src/metrics/figures.ts";

function read(name: string, figures: object): unknown {
  return METRICS.find((metric) => metric.name === name)!.read(figures as Figures);
}

test("a shape whose snapshot is under way is not among the ready ones", () => {
  const of = (total: number, underWay: number) =>
    read("litz_shapes", { engine: { shapes: { total }, snapshots: { underWay } } });
  const states = (creating: number, ready: number) => [
    { value: creating, labels: { state: "creating" } },
    { value: ready, labels: { state: "ready" } },
  ];
  expect(of(5, 2)).toEqual(states(2, 3));
  // It is counted until it is let go of, and its shape may be gone by then.
  expect(of(1, 2)).toEqual(states(1, 0));
});

test("before storage is open nothing is said of what is in it", () => {
  const told = METRICS.filter(
    ({ name }) => !/^litz_(info|status|http|requests|waiting_)/.test(name),
  );
  for (const { name } of told) {
    const samples = read(name, { engine: null }) ?? [];
    expect(samples, name).toEqual([]);
  }
});
