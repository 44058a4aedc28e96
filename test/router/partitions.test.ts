/**
 * Changes of partitions, routed up.
 *
 * Goal: a change of a leaf is that of the leaf and of each table above it that has shapes, once for
 * each, wherever the output is full in between. Method: random transactions over a tree of which
 * every table has its columns in another order, into an output that holds a few bodies; against a
 * router without any partition, which is fed once for each table with what is that table's, in that
 * table's order.
 *
 *     root ── a            shapes on root, branch and a
 *          └─ branch ── b, c
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { check } from "../support/property.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { BUILDS, RoutingHarness, sorted, type RoutedBody } from "../support/routing-harness.ts";
import type { ModelTemplate } from "../support/routing-model.ts";

const COLUMNS = ["id", "tenant", "title"] as const;
type Name = (typeof COLUMNS)[number];
type Row = Readonly<Record<Name, string | null>>;

/** Oid and columns as they lie in the table. */
interface Node {
  readonly oid: number;
  readonly columns: readonly Name[];
}

const root: Node = { oid: 1, columns: ["id", "tenant", "title"] };
const branch: Node = { oid: 2, columns: ["title", "id", "tenant"] };
const a: Node = { oid: 3, columns: ["tenant", "title", "id"] };
const b: Node = { oid: 4, columns: ["id", "title", "tenant"] };
const c: Node = { oid: 5, columns: ["title", "tenant", "id"] };
/** Nobody has shapes on it or above it. */
const other: Node = { oid: 6, columns: COLUMNS };

const WATCHED: readonly Node[] = [root, branch, a];
const LEAVES = [a, b, c, other] as const;
const ABOVE = new Map<Node, readonly Node[]>([
  [a, [root]],
  [b, [root, branch]],
  [c, [branch, root]],
]);

interface Change {
  readonly leaf: Node;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

const row: fc.Arbitrary<Row> = fc.record({
  id: fc.nat(3).map(String),
  tenant: fc.option(fc.nat(3).map(String)),
  title: fc.constantFrom("x", "y".repeat(9_000), "z".repeat(9_000)),
});
const change: fc.Arbitrary<Change> = fc
  .tuple(fc.constantFrom(...LEAVES), fc.constantFrom("insert", "update", "delete"), row, row)
  .map(([leaf, operation, before, after]) => ({
    leaf,
    before: operation === "insert" ? undefined : before,
    after: operation === "delete" ? undefined : after,
  }));
const transactions = fc.array(fc.array(change, { maxLength: 8 }), { maxLength: 4 });
/** One page: what a change puts out for three tables is more than that at times. */
const CRAMPED = { outputBytes: 1, matchCapacity: 1 };

function describeNode({ oid, columns }: Node): RelationDescription {
  return {
    ...{ oid, schema: "public", name: `t${oid}`, key: [columns.indexOf("id")] },
    columns: columns.map((name) => ({ name, isBool: false })),
  };
}

/** The same shapes under the same ids, whatever else. */
function makeRouter(build: string, options = {}): { harness: RoutingHarness; link: () => void } {
  const harness = new RoutingHarness(build, options);
  const ids = new Map(WATCHED.map((node) => [node, harness.addRelation(describeNode(node))]));
  for (const node of WATCHED) {
    const column = node.columns.indexOf("tenant");
    for (const replica of ["default", "full"] as const) {
      const byTenant: ModelTemplate = {
        ...{ relation: describeNode(node), columns: [0, 1, 2], replica },
        terms: [{ column, kind: "int" }],
      };
      harness.addTemplate(ids.get(node)!, byTenant);
      for (const tenant of ["0", "1", "2"]) harness.addShape(byTenant, [tenant]);
    }
  }
  const link = (): void => {
    for (const [leaf, above] of ABOVE) {
      for (const node of above) {
        const positions = Uint16Array.from(node.columns, (name) => leaf.columns.indexOf(name));
        expect(harness.router.linkPartition(leaf.oid, ids.get(node)!, positions)).toBe(true);
      }
    }
  };
  return { harness, link };
}

/** As the changes of those leaves were the node's, and all others nobody's. */
function streamOf(random: readonly (readonly Change[])[], nodeOf: (leaf: Node) => Node): Buffer {
  return Buffer.concat(
    random.map((changes, index) => {
      const messages = changes.map(({ leaf, before, after }) => {
        const { oid, columns } = nodeOf(leaf);
        const tuple = (values: Row) => columns.map((name) => values[name]);
        const old = before && { kind: "O" as const, tuple: tuple(before) };
        if (after === undefined) return pgoutput.remove(oid, old!);
        if (old === undefined) return pgoutput.insert(oid, tuple(after));
        return pgoutput.update(oid, tuple(after), old);
      });
      return pgoutput.transaction(BigInt(100 * (index + 1)), index + 1, messages);
    }),
  );
}

function byTransaction(bodies: readonly RoutedBody[]): RoutedBody[] {
  return sorted(bodies).sort((x, y) => Number(x.lsn - y.lsn));
}

describe.each(BUILDS)("%s", (build) => {
  test("each table has its changes once, however little fits in the output", () => {
    const plain = makeRouter(build).harness;
    check(
      fc.property(transactions, fc.boolean(), (random, isCramped) => {
        const { harness, link } = makeRouter(build, isCramped ? CRAMPED : {});
        link();
        const expected = WATCHED.flatMap((node) => {
          plain.router.resetStream();
          const isOf = (leaf: Node) => leaf === node || ABOVE.get(leaf)?.includes(node) === true;
          return plain.route(streamOf(random, (leaf) => (isOf(leaf) ? node : other)));
        });
        const routed = harness.route(streamOf(random, (leaf) => leaf));
        expect(byTransaction(routed)).toEqual(byTransaction(expected));
        harness.verify();
      }),
      60,
    );
  });
});
