/**
 * The router against brute force.
 *
 * Goal: whatever shapes there are and whatever Postgres sends, every shape gets exactly the bodies
 * that its definition says, byte for byte, and each body is put out once per projection.
 *
 * Method: templates of all kinds of paths (none, one and several terms, twice the same column) and
 * of overlapping projections, over few columns and few values, so that rows hit, miss, enter, leave
 * and change their keys all the time. Shapes come and go between transactions; the bytes arrive in
 * pieces of any size; in some runs the output holds a few bodies only, so that it must be taken and
 * enlarged in the middle of a transaction. After each transaction the bodies are compared with the
 * model's, and at the end everything is removed and no value or entry may be left.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ShapeId } from "../../src/model/ids.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { check } from "../support/property.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { UNCHANGED, type WireValue } from "../support/pgoutput.ts";
import { BUILDS, RoutingHarness, sorted } from "../support/routing-harness.ts";
import {
  type Change,
  type ModelBody,
  type ModelTemplate,
  route,
  type Row,
} from "../support/routing-model.ts";

const columns = [
  { name: "id", isBool: false },
  { name: 'the "title"', isBool: false },
  { name: "tenant", isBool: false },
  { name: "owner", isBool: false },
  { name: "done", isBool: true },
];
const items: RelationDescription = {
  oid: 16384,
  schema: "public",
  name: "items",
  columns,
  key: [0],
};
/** No primary key: all columns are the key. */
const notes: RelationDescription = {
  oid: 4_000_000_000,
  schema: "a.b",
  name: 'no"tes\\',
  columns: columns.slice(0, 3),
  key: [0, 1, 2],
};
const pair: RelationDescription = { ...items, oid: 7, name: "pair", key: [2, 0] };
/** Published, but nobody's. */
const UNKNOWN_OID = 99;

const UUIDS = ["11111111-2222-3333-4444-55555555aaff", "00000000-0000-0000-0000-000000000000"];
const INTS = ["0", "1", "-1", "9223372036854775807", "-9223372036854775808"];
const TEXTS = ["", "a", 'q"u\\o/t\ne', "0123456789abcdef", "日本語 \u2028 é 🙂 padding padding"];

const templates: ModelTemplate[] = [
  [],
  [{ column: 2, kind: "int" }],
  [{ column: 3, kind: "uuid" }],
  [{ column: 1, kind: "text" }],
  [{ column: 4, kind: "text" }],
  [
    { column: 0, kind: "int" },
    { column: 2, kind: "int" },
  ],
  [
    { column: 1, kind: "text" },
    { column: 2, kind: "int" },
    { column: 3, kind: "uuid" },
  ],
  [
    { column: 2, kind: "int" },
    { column: 2, kind: "int" },
  ],
].flatMap(
  (terms) =>
    [
      { relation: items, terms, columns: [0, 1, 2, 3, 4], replica: "default" },
      { relation: items, terms, columns: [0, 1, 2, 3, 4], replica: "full" },
      { relation: items, terms, columns: [0, 2], replica: "default" },
      { relation: pair, terms, columns: [0, 2, 4], replica: "full" },
    ] as ModelTemplate[],
);
templates.push(
  { relation: notes, terms: [], columns: [0, 1, 2], replica: "default" },
  { relation: notes, terms: [{ column: 1, kind: "text" }], columns: [0, 1, 2], replica: "full" },
);

const POOLS = [INTS, TEXTS, INTS, UUIDS, ["t", "f"]];
/** Tuples of `pair` come in another order than its catalog's, with one column that is not known. */
const PAIR_LAYOUT = [3, 0, 1, 5, 4];

const rowOf = ({ columns, key }: RelationDescription): fc.Arbitrary<Row> =>
  fc.tuple(
    ...columns.map((_, column) => {
      const isNullable = !key.includes(column) || key.length === columns.length;
      const value = fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...POOLS[column]!) },
        { weight: column === 1 ? 2 : 0, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
      ) as fc.Arbitrary<string | null>;
      return isNullable ? fc.option(value, { freq: 6 }) : value;
    }),
  );

const changeOf = (relation: RelationDescription): fc.Arbitrary<Change> =>
  fc.oneof(
    fc.record({ type: fc.constant("insert" as const), newRow: rowOf(relation) }),
    fc.record({ type: fc.constant("delete" as const), oldRow: rowOf(relation) }),
    // Each column of the new row stays, is said to be unchanged, or changes.
    fc
      .tuple(
        rowOf(relation),
        rowOf(relation),
        fc.array(fc.constantFrom("same", "unchanged", "new"), { minLength: 5, maxLength: 5 }),
      )
      .map(([oldRow, otherRow, fates]) => ({
        type: "update" as const,
        oldRow,
        newRow: oldRow.map((value, column) => {
          if (fates[column] === "new") return otherRow[column]!;
          return fates[column] === "unchanged" && value !== null ? UNCHANGED : value;
        }),
      })),
  );

type Step =
  | { type: "add"; template: number; picks: number[] }
  | { type: "remove" | "gate"; pick: number }
  | { type: "transaction"; changes: [RelationDescription | undefined, Change][]; cuts: number[] };

const relation = fc.constantFrom(items, items, notes, pair);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("add" as const),
      template: fc.nat(templates.length - 1),
      picks: fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), pick: fc.nat(99) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("gate" as const), pick: fc.nat(99) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("transaction" as const),
      changes: fc.array(
        fc.oneof(
          { weight: 9, arbitrary: relation.chain((r) => fc.tuple(fc.constant(r), changeOf(r))) },
          { weight: 1, arbitrary: fc.tuple(fc.constant(undefined), changeOf(items)) },
        ),
        { maxLength: 12 },
      ),
      cuts: fc.array(fc.nat(4000), { maxLength: 4 }),
    }),
  },
) as fc.Arbitrary<Step>;

const scripts = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
  isCramped: fc.boolean(),
});

describe.each(BUILDS)("%s", (build) => {
  test("a change reaches the shapes that want it, and no others", { timeout: 300_000 }, () => {
    check(
      fc.property(scripts, ({ steps, isCramped }) => {
        // Regions are whole pages: the cramped ones hold less than the bodies of a long
        // transaction.
        const harness = new RoutingHarness(build, isCramped ? { outputBytes: 1 } : {});
        const relations = new Map(
          [items, notes, pair].map((r) => [r, harness.addRelation(r)] as const),
        );
        harness.router.setRelationLayout(relations.get(pair)!, Uint16Array.from(PAIR_LAYOUT));
        const ids = templates.map((t) => harness.addTemplate(relations.get(t.relation)!, t));
        let lsn = 1n;
        for (const each of steps) {
          if (each.type === "transaction") {
            expectTransaction(harness, each.changes, each.cuts, lsn++, isCramped);
          } else {
            applyStep(harness, each);
            harness.verify();
          }
        }
        for (const id of harness.shapes.keys()) harness.removeShape(id as ShapeId);
        ids.forEach((id) => harness.router.removeTemplate(id));
        relations.forEach((id) => harness.router.removeRelation(id));
        harness.verify();
        expect(harness.leftovers).toBe(0);
      }),
      60,
    );
  });
});

function applyStep(harness: RoutingHarness, step: Exclude<Step, { type: "transaction" }>): void {
  if (step.type === "add") {
    const template = templates[step.template]!;
    const constants = template.terms.map(({ column }, index) => {
      const pool = POOLS[column]!;
      return pool[step.picks[index]! % pool.length]!;
    });
    const same = [...harness.shapes.values()].find(
      (shape) => shape.template === template && shape.constants.join() === constants.join(),
    );
    expect(harness.find(template, constants)).toBe(same?.id);
    const id = harness.addShape(template, constants);
    expect(id === undefined).toBe(same !== undefined);
    if (id !== undefined) expect(harness.find(template, constants)).toBe(id);
    return;
  }
  const shapes = [...harness.shapes.values()];
  if (shapes.length === 0) return;
  const shape = shapes[step.pick % shapes.length]!;
  if (step.type === "remove") harness.removeShape(shape.id as ShapeId);
  else harness.setGated(shape.id as ShapeId, !shape.isGated);
}

function expectTransaction(
  harness: RoutingHarness,
  changes: readonly [RelationDescription | undefined, Change][],
  cuts: readonly number[],
  lsn: bigint,
  isCramped: boolean,
): void {
  const xid = Number(lsn) + 700;
  const expected: ModelBody[] = changes.flatMap(([relation, change], index) =>
    relation === undefined
      ? []
      : route(harness.shapes.values(), relation, change, index * 2, { lsn, xid }),
  );
  const messages = changes.map(([relation, change]) => encode(relation, change));
  const bytes = pgoutput.transaction(lsn, xid, messages);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  const { buffer } = harness.core.exports.memory;
  const actual = places
    .slice(1)
    .flatMap((end, index) => harness.route(bytes.subarray(places[index], end)));
  if (!isCramped) expect(harness.core.exports.memory.buffer).toBe(buffer);

  const expectedBodies = sorted(expected).map((body) => ({ ...body, lsn }));
  expect(sorted(actual)).toEqual(expectedBodies);
  // A shape's own log is in the order of its ops.
  const lastOps = new Map<number, number>();
  for (const { op, ids } of actual) {
    for (const id of ids) {
      expect(op).toBeGreaterThan(lastOps.get(id) ?? -1);
      lastOps.set(id, op);
    }
  }
}

function encode(relation: RelationDescription | undefined, change: Change): Buffer {
  const oid = relation?.oid ?? UNKNOWN_OID;
  const wire = (row: readonly (WireValue | undefined)[]): WireValue[] => {
    const values = row.map((value) => value ?? null);
    if (relation !== pair) return values;
    const tuple: WireValue[] = ["?", "?", "?", "?", "?", "?"];
    PAIR_LAYOUT.forEach((position, column) => (tuple[position] = values[column]!));
    return tuple;
  };
  if (change.type === "insert") return pgoutput.insert(oid, wire(change.newRow));
  const old = { kind: "O" as const, tuple: wire(change.oldRow) };
  if (change.type === "delete") return pgoutput.remove(oid, old);
  return pgoutput.update(oid, wire(change.newRow), old);
}
