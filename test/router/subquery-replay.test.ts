/**
 * Bodies of shapes with subqueries, letter by letter, and what the core does for moves.
 *
 * Goal: headers are those of protocol 14.3, with what is hashed between control bytes; the tape has
 * every change of its table once, whatever interrupts the routing of it; a replay may come at any
 * moment, of a partition's change too, and leaves the stream as it was; users of a view are listed
 * in slices; what cannot be is refused with nothing changed.
 */

import { describe, expect, test } from "vitest";
import type { RelationId, ShapeId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { ViewPosition } from "../../src/model/view.ts";
import type { DependentDescription, RelationDescription } from "../../src/router/descriptions.ts";
import { fetchedRow } from "../../src/router/fetched-row.ts";
import { RunOutcome } from "../../src/router/run-outcome.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { BUILDS } from "../support/routing-harness.ts";
import { SubqueryHarness, type ViewTemplate } from "../support/subquery-harness.ts";
import type { DependentTemplate, Row } from "../support/subquery-model.ts";

const names = ["id", "p", "v", "done"];
const items: RelationDescription = {
  oid: 500,
  schema: "public",
  name: "items",
  columns: names.map((name) => ({ name, isBool: name === "done" })),
  key: [0],
};
const orgs: RelationDescription = { ...items, oid: 600, name: "orgs" };
const family: ViewTemplate = { relation: orgs, projection: [1], by: 2, kinds: ["text"] };
const pairs: ViewTemplate = { ...family, projection: [0, 3], kinds: ["int", "text"] };

const p = { type: "subquery", terms: [{ column: 1, kind: "text" }], dependency: 0 } as const;
const base = {
  relation: items,
  columns: [0, 1],
  replica: "default",
  dependencies: [0],
  ownConstants: 0,
} as const;
const inViews = { dependency: 0, columns: [1], isNegated: false };
const isPositive = { test: (row: Row) => Number(row[2]) > 0 };

const plain: DependentTemplate = {
  ...base,
  name: "p IN (S)",
  plan: { branches: [p], isExact: true },
  literals: [inViews],
  disjuncts: [[0]],
  read: [1],
};
const both: DependentTemplate = {
  ...base,
  name: "p IN (S) AND v > 0",
  plan: { branches: [p], isExact: false },
  literals: [inViews, isPositive],
  disjuncts: [[0, 1]],
  read: [1, 2],
};
const either: DependentTemplate = {
  ...base,
  name: "p IN (S) OR v > 0",
  plan: { branches: [{ type: "all" }], listed: [p], isExact: false },
  literals: [inViews, isPositive],
  disjuncts: [[0], [1]],
  read: [1, 2],
};
const composite: DependentTemplate = {
  ...base,
  name: "(id, done) IN (S)",
  plan: {
    branches: [
      {
        type: "subquery",
        terms: [
          { column: 0, kind: "int" },
          { column: 3, kind: "text" },
        ],
        dependency: 0,
      },
    ],
    isExact: true,
  },
  dependencies: [1],
  literals: [{ dependency: 0, columns: [0, 3], isNegated: false }],
  disjuncts: [[0]],
  read: [0, 3],
};

const insert = (...row: readonly (string | null)[]): Buffer => pgoutput.insert(500, row);
const update = (before: Row, after: Row): Buffer =>
  pgoutput.update(500, after, { kind: "O", tuple: before });

/** A harness with one view for each family, which contain `a` and (1, t). */
function make(
  build: string,
  templates: readonly DependentTemplate[],
  options: ConstructorParameters<typeof SubqueryHarness>[1] = {},
): { harness: SubqueryHarness; views: readonly ShapeId[]; ids: readonly ShapeId[] } {
  const harness = new SubqueryHarness(build, options);
  for (const each of [family, pairs]) {
    harness.kindsOf.push(each.kinds);
    harness.addFamily(each, ["pro"]);
  }
  const views = harness.viewIds.map(([view]) => view!);
  harness.step([
    { view: views[0]!, tuple: ["a"], isNew: true },
    { view: views[1]!, tuple: ["1", "t"], isNew: true },
  ]);
  const ids = templates.map((template) => {
    harness.addTemplate(template);
    return harness.addShape(template, [`${views[template.dependencies[0]!]!}`])!;
  });
  return { harness, views, ids };
}

/** What one transaction makes of a template's shape: parsed headers, control bytes shown. */
function headersOf(harness: SubqueryHarness, ...messages: readonly Buffer[]): object[] {
  const bodies = harness.route(pgoutput.transaction(9n, 7, messages));
  return bodies.map(({ text }) => {
    const json = text.replaceAll("\u0001", "<").replaceAll("\u0002", ">");
    return (JSON.parse(json) as { headers: object }).headers;
  });
}

describe.each(BUILDS)("%s", (build) => {
  test("a body has tags and active conditions at its end, byte for byte", () => {
    const { harness } = make(build, [plain]);
    const [body] = harness.route(pgoutput.transaction(9n, 7, [insert("1", "a", "5", "t")]));
    expect(body!.text).toBe(
      '{"key":"\\"public\\".\\"items\\"/\\"1\\"","value":{"id":"1","p":"a"},' +
        '"headers":{"operation":"insert","relation":["public","items"],"txids":[7],"lsn":"9",' +
        '"op_position":0,"tags":["\u0001v:a\u0002"],"active_conditions":[true]}}',
    );
  });

  test("a disjunct's tag has a slot for every literal", () => {
    const row = insert("1", "a", "5", "t");
    const tagged = (template: DependentTemplate, message: Buffer) => {
      return headersOf(make(build, [template]).harness, message)[0];
    };
    const active = [true, true];
    expect(tagged(both, row)).toMatchObject({ tags: ["<v:a>/1"], active_conditions: active });
    expect(tagged(either, row)).toMatchObject({
      tags: ["<v:a>/", "/1"],
      active_conditions: active,
    });
    expect(tagged(either, insert("1", "b", "5", "t"))).toMatchObject({
      tags: ["<v:b>/", "/1"],
      active_conditions: [false, true],
    });
    expect(tagged(either, insert("1", null, "5", "t"))).toMatchObject({
      tags: ["<NULL>/", "/1"],
    });
    expect(tagged(composite, row)).toMatchObject({ tags: ["<id:v:1done:v:true>"] });
  });

  test("an update names the tags that the row had before", () => {
    const { harness } = make(build, [either]);
    const moved = update(["1", "a", "5", "t"], ["1", "b", "5", "t"]);
    expect(headersOf(harness, moved)).toMatchObject([
      { tags: ["<v:b>/", "/1"], removed_tags: ["<v:a>/"], active_conditions: [false, true] },
    ]);
    // Nothing that is selected has changed, but what the WHERE reads has.
    const touched = update(["1", "a", "5", "t"], ["1", "a", "0", "t"]);
    expect(headersOf(harness, touched)).toMatchObject([
      { operation: "update", removed_tags: [], active_conditions: [true, false] },
    ]);
    const rekeyed = update(["1", "a", "5", "t"], ["2", "b", "5", "t"]);
    expect(headersOf(harness, rekeyed)).toMatchObject([
      { operation: "delete", tags: ["<v:b>/", "/1", "<v:a>/"] },
      { operation: "insert", tags: ["<v:b>/", "/1"] },
    ]);
  });

  test("the tape has each change once, also of skipped transactions and of partitions", () => {
    const { harness } = make(build, [plain], { outputBytes: 1 });
    const { router } = harness;
    const taped: [RelationId, number, string, number][] = [];
    router.onTape = (relation, op, message) => {
      taped.push([relation, op, Buffer.from(message).toString("hex"), router.xid]);
    };
    const relation = harness.relationOf(items);
    router.linkPartition(501, relation, Uint16Array.from([3, 2, 1, 0]));
    router.setTaped(relation, true);
    router.skipTo(5n as Lsn);
    const long = insert("1", "a", "x".repeat(1000), "t");
    const leaf = pgoutput.insert(501, ["t", "5", "a", "1"]);
    const others = pgoutput.insert(600, ["1", "a", "other", "t"]);
    harness.route(pgoutput.transaction(5n, 70, [long]));
    // The output holds fewer bodies than that, so changes are started more than once.
    const many = Array.from({ length: 400 }, () => long);
    harness.route(pgoutput.transaction(6n, 71, [leaf, others, ...many]));
    router.setTaped(relation, false);
    harness.route(pgoutput.transaction(7n, 72, [long]));
    expect(taped).toHaveLength(402);
    expect(taped[0]).toEqual([relation, 0, long.toString("hex"), 70]);
    expect(taped[1]).toEqual([relation, 0, leaf.toString("hex"), 71]);
    expect(taped.slice(2).map(([, op]) => op)).toEqual(many.map((_, index) => index * 2 + 4));
  });

  test("a replay in the middle of a transaction leaves the stream as it was", () => {
    const { harness, views } = make(build, [plain, both]);
    const { router } = harness;
    const second = harness.addShape(both, [`${views[0]!}`]);
    expect(second).toBe(undefined);
    const [first, gated] = [...harness.shapes.keys()];
    harness.setGated(gated!, true);
    const relation = harness.relationOf(items);
    router.linkPartition(501, relation, Uint16Array.from([3, 2, 1, 0]));
    const row = insert("1", "a", "5", "t");
    const bytes = pgoutput.transaction(9n, 7, [row, row]);
    const cut = bytes.length - 80;
    const before = harness.route(bytes.subarray(0, cut));
    expect(router.isInTransaction).toBe(true);

    const leaf = pgoutput.insert(501, ["t", "5", "a", "1"]);
    const at = { lsn: 3n, xid: 4, op: 8 };
    const now = { old: harness.now, new: harness.now };
    const replayed = harness.replay(both, leaf, at, "change", () => now);
    expect(replayed).toMatchObject([{ id: gated, op: 8 }]);
    expect(replayed[0]!.text).toContain('"txids":[4],"lsn":"3","op_position":8');
    expect([router.transactionLsn, router.xid]).toEqual([9n, 7]);
    const after = harness.route(bytes.subarray(cut));
    const expected = [0, 2].map((op) => ({ id: first, op }));
    expect([...before, ...after]).toMatchObject(expected);
    expect(after.at(-1)!.text).toContain('"txids":[7],"lsn":"9","op_position":2');
  });

  test("a fetched row is an insert for whom it is new, and says so last", () => {
    const { harness, ids, views } = make(build, [either]);
    const [id] = ids;
    harness.views.keepSince(harness.now as ViewPosition);
    const before = harness.now;
    harness.step([{ view: views[0]!, tuple: ["b"], isNew: true }]);
    harness.setGated(id!, true);
    const move = { old: before, new: harness.now };
    const at = { lsn: 1n, xid: 1, op: 0 };
    const fetch = (...row: readonly (string | null)[]) => {
      return harness.replay(either, fetchedRow(row), at, "fetched", () => move);
    };
    const [body] = fetch("1", "b", "0", "t");
    expect(body!.text).toBe(
      '{"key":"\\"public\\".\\"items\\"/\\"1\\"","value":{"id":"1","p":"b"},' +
        '"headers":{"operation":"insert","relation":["public","items"],' +
        '"tags":["\u0001v:b\u0002/","/1"],"active_conditions":[true,false],"is_move_in":true}}',
    );
    expect(fetch("1", "b", "1", "t")).toEqual([]); // It was in by the other disjunct.
    expect(fetch("1", "c", "0", "t")).toEqual([]);
    expect(() => fetch("1", "b")).toThrow("cannot be read");
  });

  test("a view that is gated gets nothing, until changes are replayed for it", () => {
    const { harness, views } = make(build, []);
    const { router } = harness;
    const [view] = views;
    router.setGated(view!, true);
    const inner = pgoutput.insert(600, ["1", "b", "pro", "t"]);
    expect(harness.route(pgoutput.transaction(9n, 7, [inner]))).toEqual([
      { id: views[1], op: 0, text: "\u0002\u0001\0\0\u00001\u0001\0\0\0t" },
    ]);
    const at = { lsn: 9n as Lsn, xid: 7, op: 0 };
    const replayed = (isMeant: boolean) => {
      const now = { old: 1 as ViewPosition, new: 1 as ViewPosition };
      router.positionsOf = () => (isMeant ? now : undefined);
      expect(router.replay(harness.families[0]!, inner, at, "change")).toBe(true);
      return harness.takeOutput();
    };
    expect(replayed(false)).toEqual([]);
    expect(replayed(true)).toEqual([{ id: view, op: 0, text: "\u0002\u0001\0\0\0b" }]);
    router.setGated(view!, false);
    expect(replayed(true)).toEqual([]);
  });

  test("a shape whose WHERE fails in a replay has failed in the transaction that it is of", () => {
    const { harness, ids } = make(build, [
      {
        ...both,
        literals: [
          inViews,
          {
            test: () => {
              throw new Error("division by zero");
            },
          },
        ],
      },
    ]);
    harness.setGated(ids[0]!, true);
    const template = harness.shapes.get(ids[0]!)!.template;
    const now = { old: harness.now, new: harness.now };
    const at = { lsn: 3n, xid: 4, op: 8 };
    const row = insert("1", "a", "5", "t");
    expect(harness.replay(template, row, at, "change", () => now)).toEqual([]);
    expect(harness.router.takeFailures()).toMatchObject([{ id: ids[0], xid: 4, lsn: 3n }]);
    harness.verify();
  });

  test("users of a view are listed in slices, each once", () => {
    const { harness, views } = make(build, [plain, either]);
    const template: DependentTemplate = { ...both, name: "one of many", ownConstants: 1 };
    harness.addTemplate(template);
    for (let n = 0; n < 9000; n++) harness.addShape(template, [`${n}`, `${views[0]!}`]);
    for (const id of [...harness.shapes.keys()].filter((id) => id % 7 === 0)) {
      harness.removeShape(id);
    }
    const listed: ShapeId[] = [];
    let after: ShapeId | undefined;
    do {
      const { ids, next } = harness.router.usersOf(views[0]!, after);
      listed.push(...ids);
      after = next;
    } while (after !== undefined);
    expect(listed).toEqual([...harness.shapes.keys()].sort((a, b) => a - b));
    expect(harness.router.usersOf(views[1]!)).toEqual({ ids: [], next: undefined });
  });

  test("more classes of rows than the output has room for make it grow", () => {
    const literals = Array.from({ length: 12 }, (_, bit) => ({
      test: (_row: Row, [mask]: readonly string[]) => (Number(mask) & (1 << bit)) !== 0,
    }));
    const many: DependentTemplate = {
      ...either,
      name: "many disjuncts",
      ownConstants: 1,
      literals: [inViews, ...literals],
      disjuncts: [0, ...literals.keys()].map((_, index) => [index]),
      read: [0, 1],
    };
    const { harness, views } = make(build, [], { outputBytes: 1 });
    harness.addTemplate(many);
    for (let mask = 0; mask < 4096; mask++) harness.addShape(many, [`${mask}`, `${views[0]!}`]);
    const bodies = harness.route(pgoutput.transaction(9n, 7, [insert("1", "a", "5", "t")]));
    expect(bodies).toHaveLength(4096);
    expect(new Set(bodies.map(({ text }) => text)).size).toBe(4096);
    harness.verify();
  });

  test("a template is refused when its plan lacks a subquery", () => {
    const { harness } = make(build, []);
    const { router } = harness;
    const relation = harness.relationOf(items);
    const dependent: DependentDescription = {
      subqueries: {
        dependencies: [{ kinds: ["text"] }],
        literals: [{ is: "membership", ...inViews }],
        disjuncts: [[0]],
      },
      families: [harness.families[0]!],
      filter: { columns: [1], judge: () => true },
      table: items,
    };
    const description = { columns: [0], replica: "default", dependent } as const;
    const none = { branches: [{ type: "all" }], isExact: false } as const;
    expect(() => router.addTemplate(relation, { ...description, plan: none })).toThrow(RangeError);
    const strange = { branches: [{ ...p, dependency: 1 }], isExact: true } as const;
    expect(() => router.addTemplate(relation, { ...description, plan: strange })).toThrow(
      "dependency 1 has no views",
    );
    harness.verify();
  });

  test("shapes are refused when the budget is spent, and routing goes on", () => {
    const template: DependentTemplate = { ...plain, ownConstants: 1 };
    const { harness, views } = make(build, [], { memoryBytesMax: 24 * 2 ** 20 });
    harness.addTemplate(template);
    const text = "x".repeat(4000);
    let added = 0;
    while (harness.addShape(template, [`${text}${added}`, `${views[0]!}`]) !== undefined) added++;
    expect(added).toBeGreaterThan(0);
    harness.verify();
    const bodies = harness.route(pgoutput.transaction(9n, 7, [insert("1", "a", "5", "t")]));
    expect(bodies).toHaveLength(added);
    expect(harness.router.usersOf(views[0]!).ids).toHaveLength(added);
  });

  test("a change that is cut short while it is taped ends as any other", () => {
    const { harness } = make(build, [plain]);
    const { router } = harness;
    const taped: number[] = [];
    router.onTape = (_, op) => taped.push(op);
    router.setTaped(harness.relationOf(items), true);
    router.receive(pgoutput.transaction(9n, 7, [insert("1", "a", "5", "t").subarray(0, 12)]));
    expect(router.run()).toBe(RunOutcome.MALFORMED);
    router.resetStream();
    harness.route(pgoutput.transaction(9n, 7, [insert("1", "a", "5", "t")]));
    expect(taped.at(-1)).toBe(0);
    router.setTaped(harness.relationOf(items), false);
  });
});
