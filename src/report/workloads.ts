/** The workloads of the report by name, in its order. One more is a file, and an entry here. */

import type { PopulationFactory, Workload } from "./workload.ts";

export const WORKLOADS: readonly Workload[] = [
  {
    name: "equality",
    about: "One clause, `tenant_id = n`, a shape for every n.",
    activity: "lookups",
    load: equality,
  },
  {
    name: "classes",
    about:
      "Lists, ranges, prefixes, elements of arrays, paths of JSON and equalities with a " +
      "condition beside them, a sixth of the shapes each.",
    activity: "lookups",
    load: async () => (await import("./workloads/classes.ts")).createClassPopulation,
  },
  {
    name: "tenants",
    about:
      "Three applications with tenants: six forms of a clause over company, project, user, " +
      "host and task, planned from their text as the server plans them.",
    activity: "lookups",
    load: async () => (await import("./workloads/tenants.ts")).createTenantPopulation,
  },
  {
    name: "subqueries-unshared",
    about:
      "`item IN (SELECT item FROM grants WHERE role = n)`: every shape has a subquery of " +
      "its own, of 10 out of 100,000 integers.",
    activity: "lookups",
    load: async () => (await import("./workloads/subqueries.ts")).createUnsharedPopulation,
  },
  {
    name: "subqueries-shared",
    about:
      "The same subqueries, each used by 100 shapes with another condition beside it. All " +
      "engines share: less than without sharing is what sharing gives, less than the others " +
      "what ids and containers give.",
    activity: "lookups",
    load: async () => (await import("./workloads/subqueries.ts")).createSharedPopulation,
  },
  {
    name: "subqueries-uuid",
    about:
      "A subquery of its own for every shape, of 50 UUIDs that no other has: bytes per " +
      "shape are 50 times the bytes per value.",
    activity: "lookups",
    shapesMax: 100_000,
    load: async () => (await import("./workloads/subqueries.ts")).createUuidPopulation,
  },
  {
    name: "churn",
    about:
      "`tenant_id = n` again, while shapes are removed and added, scattered, 64 in a turn " +
      "of the event loop.",
    activity: "churn",
    load: equality,
  },
  {
    name: "idle",
    about:
      "`tenant_id = n` at rest, while the process does other work that makes garbage: what " +
      "shapes that nobody touches cost everybody else.",
    activity: "idle",
    load: equality,
  },
];

async function equality(): Promise<PopulationFactory> {
  return (await import("./workloads/equality.ts")).createEqualityPopulation;
}

/** At which of the sizes a workload is run: not at those that are too large for it. */
export function sizesOf(name: string, shapeCounts: readonly number[]): readonly number[] {
  const { shapesMax = Infinity } = workloadNamed(name);
  return shapeCounts.filter((count) => count <= shapesMax);
}

/** @throws {RangeError} when there is no such workload. */
export function workloadNamed(name: string): Workload {
  const workload = WORKLOADS.find((each) => each.name === name);
  if (workload === undefined) throw new RangeError(`there is no workload ${name}`);
  return workload;
}
