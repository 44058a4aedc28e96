/**
 * The scout: rows that nobody wants are passed over many at a time.
 *
 * Goals: they are counted like any other, wherever a transaction, a row that is wanted or one of
 * another table comes in between; and a row that would be looked up in more ways than a window has
 * room for is routed all the same.
 */

import { beforeEach, describe, expect, test } from "vitest";
import type { RelationId } from "../../src/model/ids.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { StreamFigures } from "../../src/router/stream-figures.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { BUILDS, RoutingHarness } from "../support/routing-harness.ts";
import type { ModelTemplate } from "../support/routing-model.ts";

const OID = 16384;
const items: RelationDescription = {
  oid: OID,
  schema: "public",
  name: "items",
  columns: ["id", "tenant"].map((name) => ({ name, isBool: false })),
  key: [0],
};
const byTenant: ModelTemplate = {
  relation: items,
  terms: [{ column: 1, kind: "int" }],
  columns: [0, 1],
  replica: "default",
};
const row = (id: number, tenant: number): string[] => [`${id}`, `${tenant}`];

describe.each(BUILDS)("%s", (build) => {
  let harness: RoutingHarness;

  beforeEach(() => {
    harness = new RoutingHarness(build);
    const relation: RelationId = harness.addRelation(items);
    harness.addTemplate(relation, byTenant);
    harness.addShape(byTenant, ["7"]);
  });

  test("a table may be looked up in more ways than a window of rows has room for", () => {
    const names = Array.from({ length: 24 }, (_, index) => `c${index}`);
    const wide: RelationDescription = {
      oid: OID + 1,
      schema: "public",
      name: "wide",
      columns: names.map((name) => ({ name, isBool: false })),
      key: [0],
    };
    const id = harness.addRelation(wide);
    // Each pair of columns, so more paths than probes; some with a shape that a row is for.
    const pairs = names.flatMap((_, a) =>
      names.slice(a + 1).map((_, b) => [a, a + 1 + b] as const),
    );
    for (const [number, pair] of pairs.entries()) {
      const terms = pair.map((column) => ({ column, kind: "int" as const }));
      const template: ModelTemplate = { relation: wide, terms, columns: [0], replica: "default" };
      harness.addTemplate(id, template);
      harness.addShape(template, number % 7 === 0 ? ["3", "3"] : ["1", "2"]);
    }
    const inserts = [0, 3, 0, 1, 3].map((n) =>
      pgoutput.insert(
        wide.oid,
        names.map(() => `${n}`),
      ),
    );
    const bodies = harness.route(pgoutput.transaction(100n, 1, inserts));
    expect(bodies.map(({ op }) => op)).toEqual([2, 8]);
    const reached = Math.ceil(pairs.length / 7);
    expect(bodies.map(({ ids }) => ids.length)).toEqual([reached, reached]);
  });

  test("rows of a window that nobody wants are counted, whatever lies between", () => {
    // Every third of a table that nobody watches.
    const unwanted = (count: number) =>
      Array.from({ length: count }, (_, id) =>
        pgoutput.insert(id % 3 === 0 ? OID + 2 : OID, row(id, 8)),
      );
    const changes = [...unwanted(70), pgoutput.insert(OID, row(1, 7)), ...unwanted(3)];
    const bodies = harness.route(pgoutput.transaction(100n, 1, changes));
    expect(new Set(bodies.map(({ op }) => op))).toEqual(new Set([140]));
    const two = [
      pgoutput.transaction(200n, 2, unwanted(5)),
      pgoutput.transaction(300n, 3, [...unwanted(2), pgoutput.insert(OID, row(1, 7))]),
    ];
    const later = harness.route(Buffer.concat(two));
    expect(later.map(({ lsn, op }) => [lsn, op])).toEqual(later.map(() => [300n, 4]));
    expect(later.length).toBeGreaterThan(0);
    expect(new StreamFigures(harness.core).changeCount).toBe(82);
  });
});
