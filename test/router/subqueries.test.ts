/**
 * Shapes with subqueries against brute force.
 *
 * Goal: whatever is in the views, now or at the position that a shape in the middle of a move sees,
 * a change or a fetched row reaches exactly the shapes whose WHERE says so, with the body of the
 * literals that are true of it, byte for byte; views get deltas.
 *
 * Method: templates with one and several disjuncts, IN and NOT IN, a composite left side, decimals,
 * conditions beside, a view that is dependent itself; few values, many NULLs. Views are filled and
 * changed through `Views`, whose history is kept as arrays in the model. Shapes are gated at random
 * and get their changes in replays, each at positions of its own. In some runs the output holds a
 * few bodies only, so that it has to grow in the middle of a change.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Access } from "../../src/model/access-plan.ts";
import type { ShapeId } from "../../src/model/ids.ts";
import type { ViewPosition } from "../../src/model/view.ts";
import { fetchedRow } from "../../src/router/fetched-row.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { check } from "../support/property.ts";
import { BUILDS } from "../support/routing-harness.ts";
import { SubqueryHarness, type ViewTemplate } from "../support/subquery-harness.ts";
import {
  SubqueryModel,
  type Delivery,
  type DependentShape,
  type DependentTemplate,
  type Row,
} from "../support/subquery-model.ts";

const columnsOf = (...names: string[]) => names.map((name) => ({ name, isBool: name === "done" }));

const items: RelationDescription = {
  oid: 16384,
  schema: "public",
  name: "items",
  columns: columnsOf("id", "org", 'the "label"', "price", "done"),
  key: [0],
};
const [ID, ORG, LABEL, PRICE, DONE] = [0, 1, 2, 3, 4] as const;

const orgs: RelationDescription = {
  oid: 16400,
  schema: "public",
  name: "orgs",
  columns: columnsOf("id", "name", "fee", "plan"),
  key: [0],
};
const families: readonly ViewTemplate[] = [
  { relation: orgs, projection: [0], by: 3, kinds: ["int"] },
  { relation: orgs, projection: [2], by: 3, kinds: ["decimal"] },
  { relation: orgs, projection: [1, 0], by: 3, kinds: ["text", "int"] },
];
const model = new SubqueryModel(families);
const PLANS = ["pro", "free"];

const org: Access = { type: "subquery", terms: [{ column: ORG, kind: "int" }], dependency: 0 };
const price: Access = {
  type: "subquery",
  terms: [{ column: PRICE, kind: "decimal" }],
  dependency: 1,
};
const pair: Access = {
  type: "subquery",
  terms: [
    { column: LABEL, kind: "text" },
    { column: ORG, kind: "int" },
  ],
  dependency: 0,
};
const EVERY = [ID, ORG, LABEL, PRICE, DONE];
const common = { relation: items, columns: EVERY, replica: "default", ownConstants: 0 } as const;
const inOrg = { dependency: 0, columns: [ORG], isNegated: false };
const isDone = { test: (row: Row) => row[DONE] === "t" };
const hasLabel = { test: (row: Row, [label]: readonly string[]) => row[LABEL] === label };

const templates: readonly DependentTemplate[] = [
  {
    ...common,
    name: "org IN (S)",
    plan: { branches: [org], isExact: true },
    dependencies: [0],
    literals: [inOrg],
    disjuncts: [[0]],
    read: [ORG],
  },
  {
    ...common,
    name: "org NOT IN (S)",
    plan: { branches: [{ type: "all" }], listed: [org], isExact: false },
    replica: "full",
    dependencies: [0],
    literals: [{ ...inOrg, isNegated: true }],
    disjuncts: [[0]],
    read: [ORG],
  },
  {
    ...common,
    name: "org IN (S) OR price IN (T)",
    plan: { branches: [org, price], isExact: true },
    columns: [ID, DONE],
    dependencies: [0, 1],
    literals: [inOrg, { dependency: 1, columns: [PRICE], isNegated: false }],
    disjuncts: [[0], [1]],
    read: [ORG, PRICE],
  },
  {
    ...common,
    name: "(label, org) IN (S) AND done",
    plan: { branches: [pair], isExact: false },
    dependencies: [2],
    literals: [{ dependency: 0, columns: [LABEL, ORG], isNegated: false }, isDone],
    disjuncts: [[0, 1]],
    read: [ORG, LABEL, DONE],
  },
  {
    ...common,
    name: "org IN (S) AND label = ? OR price NOT IN (T)",
    plan: { branches: [{ type: "all" }], listed: [org, price], isExact: false },
    ownConstants: 1,
    dependencies: [0, 1],
    literals: [inOrg, hasLabel, { dependency: 1, columns: [PRICE], isNegated: true }],
    disjuncts: [[0, 1], [2]],
    read: [ORG, LABEL, PRICE],
  },
  {
    ...common,
    name: "SELECT price, id WHERE org IN (S) OR done",
    plan: { branches: [{ type: "all" }], listed: [org], isExact: false },
    columns: [PRICE, ID],
    isView: true,
    dependencies: [0],
    literals: [inOrg, isDone],
    disjuncts: [[0], [1]],
    read: [ORG, DONE],
  },
];

const LABELS = ["a", "x/y", 'q"\n', "é"];
const pools: readonly (readonly string[])[] = [
  ["1", "2"],
  ["1", "2", "3"],
  LABELS,
  ["1.0", "1.00", "2.5", "0", "-0.0", "-0"],
  ["t", "f"],
];
const nullable = (pool: readonly string[]) => fc.option(fc.constantFrom(...pool), { freq: 5 });
const itemRow = fc.tuple(
  fc.constantFrom(...pools[ID]!),
  ...[ORG, LABEL, PRICE, DONE].map((column) => nullable(pools[column]!)),
) as fc.Arbitrary<Row>;
const orgRow = fc.tuple(
  fc.constantFrom(...pools[ORG]!),
  nullable(LABELS),
  nullable(pools[PRICE]!),
  nullable(PLANS),
) as fc.Arbitrary<Row>;

interface Change {
  readonly relation: RelationDescription;
  readonly oldRow: Row | undefined;
  readonly newRow: Row | undefined;
}

const changeOf = (relation: RelationDescription, row: fc.Arbitrary<Row>): fc.Arbitrary<Change> =>
  fc
    .tuple(row, row, fc.constantFrom("insert", "delete", "update"), fc.array(fc.boolean(), full))
    .map(([one, other, kind, keeps]) => ({
      relation,
      oldRow: kind === "insert" ? undefined : one,
      newRow:
        kind === "delete"
          ? undefined
          : one.map((value, column) => (keeps[column]! ? value : other[column]!)),
    }));
const full = { minLength: 5, maxLength: 5 } as const;
const itemChange = changeOf(items, itemRow);

const pick = fc.nat(99);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("add" as const), pick, views: fc.tuple(pick, pick) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), pick }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("gate" as const), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("views" as const),
      changes: fc.array(fc.tuple(pick, pick, fc.boolean(), itemRow), { maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("transaction" as const),
      changes: fc.array(fc.oneof(itemChange, itemChange, changeOf(orgs, orgRow)), { maxLength: 6 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("replay" as const),
      template: fc.nat(templates.length - 1),
      change: itemChange,
      positions: fc.array(pick, { minLength: 4, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("fetched" as const),
      template: fc.nat(templates.length - 1),
      row: itemRow,
      positions: fc.array(pick, { minLength: 4, maxLength: 4 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
const scripts = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
  isCramped: fc.boolean(),
});

describe.each(BUILDS)("%s", (build) => {
  test("rows reach the shapes whose subqueries say so", { timeout: 300_000 }, () => {
    check(
      fc.property(scripts, ({ steps, isCramped }) => {
        const options = isCramped ? { outputBytes: 1 } : {};
        const harness = new SubqueryHarness(build, options);
        harness.kindsOf.push(...families.map(({ kinds }) => kinds));
        families.forEach((family) => harness.addFamily(family, PLANS));
        const ids = templates.map((template) => harness.addTemplate(template));
        let lsn = 1n;
        for (const each of steps) {
          perform(harness, each, lsn++);
          harness.verify();
        }
        for (const id of harness.shapes.keys()) harness.removeShape(id);
        for (const id of ids) harness.router.removeTemplate(id);
        harness.verify();
      }),
      60,
    );
  });
});

function perform(harness: SubqueryHarness, step: Step, lsn: bigint): void {
  const at = { lsn, xid: Number(lsn) + 700 };
  switch (step.type) {
    case "add":
      addShape(harness, step.pick, step.views);
      return;
    case "remove":
    case "gate": {
      const shapes = [...harness.shapes.values()];
      const shape = shapes[step.pick % Math.max(shapes.length, 1)];
      if (shape === undefined) return;
      if (step.type === "remove") harness.removeShape(shape.id);
      else harness.setGated(shape.id, !shape.isGated);
      // All positions from now on are kept, or none if nobody needs them.
      const isAnyGated = [...harness.shapes.values()].some(({ isGated }) => isGated);
      if (!isAnyGated) keptSince.delete(harness);
      else if (!keptSince.has(harness)) keptSince.set(harness, harness.now);
      harness.views.keepSince(keptSince.get(harness) as ViewPosition | undefined);
      return;
    }
    case "views":
      harness.step(
        step.changes.map(([family, which, isNew, row]) => {
          const place = family % families.length;
          const view = harness.viewIds[place]![which % PLANS.length]!;
          const sources = [[ORG], [PRICE], [LABEL, ORG]][place]!;
          return { view, tuple: sources.map((column) => row[column]!), isNew };
        }),
      );
      return;
    case "transaction":
      expectTransaction(harness, step.changes, at);
      return;
    case "replay":
      expectReplay(harness, templates[step.template]!, step.change, step.positions, at);
      return;
    case "fetched":
      expectFetched(harness, templates[step.template]!, step.row, step.positions);
  }
}

/** The oldest position that is kept. */
const keptSince = new WeakMap<SubqueryHarness, number>();

function addShape(harness: SubqueryHarness, pick: number, views: readonly number[]): void {
  const template = templates[pick % templates.length]!;
  const own = template.ownConstants === 0 ? [] : [LABELS[pick % LABELS.length]!];
  const ids = template.dependencies.map((family, place) => {
    return harness.viewIds[family]![views[place]! % PLANS.length]!.toString();
  });
  const id = harness.addShape(template, [...own, ...ids]);
  if (id === undefined) return;
  for (const view of ids) {
    const { ids: users, next } = harness.router.usersOf(Number(view) as ShapeId);
    expect(users).toContain(id);
    expect(next).toBe(undefined);
    expect(users).toEqual(usersIn(harness, view));
  }
}

function usersIn(harness: SubqueryHarness, view: string): number[] {
  const users = [...harness.shapes.values()].filter(({ constants, template }) => {
    return constants.slice(template.ownConstants).includes(view);
  });
  return users.map(({ id }) => id).sort((a, b) => a - b);
}

function expectTransaction(
  harness: SubqueryHarness,
  changes: readonly Change[],
  at: { readonly lsn: bigint; readonly xid: number },
): void {
  const state = harness.stateAt(harness.now);
  const expected = changes.flatMap((change, index) => {
    const place = { ...at, op: index * 2 };
    if (change.relation === orgs) return deltasOf(harness, change, place.op);
    const live = [...harness.shapes.values()].filter(({ isGated }) => !isGated);
    return live.flatMap((shape) => {
      const { oldRow, newRow } = change;
      return model.deliver(shape, oldRow, newRow, { old: state, new: state }, place);
    });
  });
  const bytes = pgoutput.transaction(at.lsn, at.xid, changes.map(encode));
  expect(inOrder(harness.route(bytes))).toEqual(inOrder(expected));
}

/** What the views of every family get. */
function deltasOf(harness: SubqueryHarness, change: Change, op: number): Delivery[] {
  return families.flatMap(({ projection, by }, family) => {
    return PLANS.flatMap((plan, index) => {
      const view = {
        id: harness.viewIds[family]![index]!,
        template: {
          ...templates[0]!,
          relation: orgs,
          columns: projection,
          isView: true,
          literals: [{ test: (row: Row) => row[by] === plan }],
        },
        constants: [],
        isGated: false,
      };
      const none = new Map();
      const place = { op, lsn: 0n, xid: 0 };
      return model.deliver(view, change.oldRow, change.newRow, { old: none, new: none }, place);
    });
  });
}

/** Each gated shape has a position of its own; some are not meant. */
function positionIn(harness: SubqueryHarness, id: number, picks: readonly number[], place: number) {
  const since = keptSince.get(harness) ?? harness.now;
  const [chosen, other] = [picks[id % 2]!, picks[2 + ((id + place) % 2)]!];
  if (chosen % 5 === 4) return undefined;
  const within = (pick: number) => since + (pick % (harness.now - since + 1));
  return { old: within(chosen), new: within(place === 0 ? chosen : other) };
}

function gatedOf(harness: SubqueryHarness, template: DependentTemplate): DependentShape[] {
  const shapes = [...harness.shapes.values()];
  return shapes.filter((shape) => shape.isGated && shape.template === template);
}

function expectReplay(
  harness: SubqueryHarness,
  template: DependentTemplate,
  change: Change,
  picks: readonly number[],
  { lsn, xid }: { readonly lsn: bigint; readonly xid: number },
): void {
  const at = { lsn, xid, op: 6 };
  const positionsOf = (id: number) => positionIn(harness, id, picks, 0);
  const expected = gatedOf(harness, template).flatMap((shape) => {
    const positions = positionsOf(shape.id);
    if (positions === undefined) return [];
    const states = { old: harness.stateAt(positions.old), new: harness.stateAt(positions.new) };
    return model.deliver(shape, change.oldRow, change.newRow, states, at);
  });
  const actual = harness.replay(template, encode(change), at, "change", positionsOf);
  expect(inOrder(actual)).toEqual(inOrder(expected));
}

function expectFetched(
  harness: SubqueryHarness,
  template: DependentTemplate,
  row: Row,
  picks: readonly number[],
): void {
  const positionsOf = (id: number) => positionIn(harness, id, picks, 1);
  const expected = gatedOf(harness, template).flatMap((shape) => {
    const positions = positionsOf(shape.id);
    if (positions === undefined) return [];
    const states = { old: harness.stateAt(positions.old), new: harness.stateAt(positions.new) };
    return model.deliver(shape, row, row, states, undefined);
  });
  const at = { lsn: 9n, xid: 7, op: 0 };
  const actual = harness.replay(template, fetchedRow(row), at, "fetched", positionsOf);
  expect(inOrder(actual)).toEqual(inOrder(expected));
}

function inOrder(deliveries: readonly Delivery[]): Delivery[] {
  const nameOf = ({ id, op, text }: Delivery) => `${id} ${op} ${text}`;
  return [...deliveries].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

function encode({ relation: { oid }, oldRow, newRow }: Change): Buffer {
  if (oldRow === undefined) return pgoutput.insert(oid, newRow!);
  const old = { kind: "O" as const, tuple: oldRow };
  return newRow === undefined ? pgoutput.remove(oid, old) : pgoutput.update(oid, newRow, old);
}
