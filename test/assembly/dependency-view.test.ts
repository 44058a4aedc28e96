/**
 * Dependency views against maps: the sets of values as they were after every step.
 *
 * Goal: a view says of each value, of NULL and of being empty what the rows applied so far make of
 * it, now and at every position that is kept; a step's transitions are the difference that it made;
 * a view that was removed is swept, and then as if it had never been; emptied, the structures have
 * the bytes that they began with.
 *
 * Method: few views and values, so that most operations meet what is there; families of every class
 * of key; views of one template that share values; history numbers and positions that start again
 * at 0 in between; every invariant verified after each run.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { EqualityKind } from "../../src/model/access-plan.ts";
import type { ShapeId, TemplateId } from "../../src/model/ids.ts";
import type { ViewPosition } from "../../src/model/view.ts";
import { Accounting } from "../../src/router/accounting.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { LIVE, ViewBit, Views } from "../../src/router/views.ts";
import { encodeTuple } from "../../src/model/view-tuple.ts";
import { builds, newCore, type Build } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

type Value = readonly (string | null)[];

interface Family {
  readonly kinds: readonly EqualityKind[];
  /** The same value may be written in two ways; the first is canonical. */
  readonly values: readonly (readonly Value[])[];
}

const UUIDS = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
const FAMILIES: readonly Family[] = [
  { kinds: ["int"], values: [[["1"]], [["-1"]], [["4294967296"]], [["0"]]] },
  { kinds: ["uuid"], values: UUIDS.map((uuid) => [[uuid]]) },
  { kinds: ["decimal"], values: [[["1"], ["1.0"]], [["0"], ["-0.00"]], [["1.5"]]] },
  { kinds: ["timestamp"], values: [[["2024-01-01 00:00:00"]], [["infinity"]]] },
  {
    kinds: ["text", "int", "uuid"],
    values: [[["a", "1", UUIDS[0]!]], [["a", "2", UUIDS[0]!]], [["", "1", UUIDS[1]!]]],
  },
];

/** What is in a view at some moment: how many rows give each value, by its number. */
interface Contents {
  readonly counts: Map<number, number>;
  nulls: number;
}

interface ViewModel {
  readonly id: ShapeId;
  readonly family: number;
  /** The step after which it was filled. */
  bornAt: number;
  isInUse: boolean;
  /** After each step, by its number. */
  readonly past: Map<number, Contents>;
  now: Contents;
}

const change = fc.record({
  view: fc.nat(3),
  /** The last one is NULL. */
  value: fc.nat(4),
  spelling: fc.nat(1),
  count: fc.constantFrom(1, 1, 2, -1, -1, -2),
});
const operation = fc.oneof(
  { weight: 2, arbitrary: fc.record({ type: fc.constant("add" as const), family: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), view: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("fill" as const), change }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("step" as const),
      changes: fc.array(change, { maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("keep" as const), back: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("keepNothing" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("sweep" as const), pairs: fc.nat(5) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** The views, the model of them, and what compares the two. */
class Harness {
  readonly test;
  readonly table: ShapeTable;
  readonly views: Views;
  readonly bytesBefore: number;
  /** Templates by family; a new one whenever the last view of a family goes. */
  readonly templates: (TemplateId | undefined)[] = FAMILIES.map(() => undefined);
  live: ViewModel[] = [];
  dead: ShapeId[] = [];
  lastTemplate = 0;
  step = 0;
  /** The step after which things may be asked for. */
  keptSince: number | undefined;
  firstPosition: number;

  constructor(build: Build, firstPosition: number) {
    this.test = newCore(build);
    this.test.exports.storesCreate();
    this.test.exports.viewsCreate();
    this.table = new ShapeTable(this.test.core);
    this.views = new Views(this.test.core);
    this.bytesBefore = this.liveBytes();
    this.firstPosition = firstPosition;
    this.test.exports.viewsStartHistoryAt(firstPosition);
  }

  liveBytes(): number {
    return new Accounting(this.test.core)
      .report()
      .filter(({ owner }) => !["shape table", "handle table", "free"].includes(owner))
      .reduce((sum, { liveBytes }) => sum + liveBytes, 0);
  }

  positionOf(step: number): ViewPosition {
    const position = (this.firstPosition + step * 3) >>> 0;
    return (position === LIVE ? LIVE - 1 : position) as ViewPosition;
  }

  run(operation: Operation): void {
    switch (operation.type) {
      case "add":
        this.add(operation.family);
        break;
      case "remove": {
        const view = this.live[operation.view];
        if (view !== undefined) this.remove(view);
        break;
      }
      case "fill": {
        const view = this.live[operation.change.view];
        if (view === undefined || view.isInUse) break;
        view.bornAt = this.step;
        this.apply(operation.change);
        break;
      }
      case "step":
        this.runStep(operation.changes);
        break;
      case "keep":
        this.keptSince = Math.max(this.keptSince ?? this.step, this.step - operation.back);
        this.views.keepSince(this.positionOf(this.keptSince));
        break;
      case "keepNothing":
        this.keptSince = undefined;
        this.views.keepSince(undefined);
        break;
      case "sweep":
        this.sweep(operation.pairs);
        break;
    }
  }

  add(family: number): void {
    if (this.live.length === 4) return;
    const id = this.table.mintView()!;
    assert.equal(this.table.keyOf(id), undefined);
    let template = this.templates[family];
    if (template === undefined) {
      template = ++this.lastTemplate as TemplateId;
      this.templates[family] = template;
      assert.ok(this.views.addFamily(template, FAMILIES[family]!.kinds));
    }
    this.views.addView(id, template);
    const now = { counts: new Map(), nulls: 0 };
    this.live.push({ id, family, bornAt: this.step, isInUse: false, past: new Map(), now });
  }

  remove(view: ViewModel): void {
    this.live = this.live.filter((other) => other !== view);
    this.dead.push(view.id);
    this.views.removeView(view.id);
    const template = this.templates[view.family];
    if (template === undefined || this.live.some(({ family }) => family === view.family)) return;
    this.views.removeFamily(template);
    this.templates[view.family] = undefined;
  }

  /** Applies a change to both, if there are rows enough, and says so if not. */
  apply({ view: index, value, spelling, count }: Change): void {
    const view = this.live[index];
    if (view === undefined) return;
    const spellings = FAMILIES[view.family]!.values[value];
    const text = spellings?.[spelling] ?? spellings?.[0] ?? nullOf(view.family, spelling);
    const before = spellings ? (view.now.counts.get(value) ?? 0) : view.now.nulls;
    const isPossible = before + count >= 0;
    const outcome = this.views.apply(view.id, encodeTuple(text), count);
    assert.equal(outcome, isPossible ? "applied" : "uncounted");
    if (!isPossible) return;
    if (!spellings) view.now.nulls += count;
    else if (before + count === 0) view.now.counts.delete(value);
    else view.now.counts.set(value, before + count);
  }

  runStep(changes: readonly Change[]): void {
    for (const view of this.live) view.past.set(this.step, copyOf(view.now));
    this.step += 1;
    this.views.beginStep(this.positionOf(this.step));
    for (const change of changes) {
      const view = this.live[change.view];
      if (view !== undefined) view.isInUse = true;
      this.apply(change);
    }
    const actual = this.views.endStep().map((transition) => JSON.stringify(transition));
    const expected = this.live.flatMap((view) => {
      const before = view.past.get(this.step - 1)!;
      return differences(view, before).map((transition) => JSON.stringify(transition));
    });
    assert.deepEqual(actual.sort(), expected.sort());
  }

  sweep(pairs: number): void {
    this.views.sweep(pairs);
    this.dead = this.dead.filter((id) => {
      if (!this.views.isSwept(id)) return true;
      this.table.retire(id);
      return false;
    });
    this.table.advanceEpoch();
  }

  /** Everything that can be asked. */
  compare(): void {
    for (const view of this.live) {
      assert.equal(this.views.countOf(view.id), view.now.counts.size);
      assert.equal(this.views.hasNull(view.id), view.now.nulls > 0);
      this.compareAt(view, view.now, LIVE);
      for (let step = this.keptSince ?? this.step; step < this.step; step++) {
        if (step >= view.bornAt) this.compareAt(view, view.past.get(step)!, this.positionOf(step));
      }
      if (this.keptSince !== undefined && view.isInUse) {
        this.compareAt(view, view.now, this.positionOf(this.step));
      }
      assert.deepEqual(this.valuesOf(view.id), textsOf(view));
    }
  }

  compareAt(view: ViewModel, { counts, nulls }: Contents, position: number): void {
    const hasNull = nulls > 0 ? ViewBit.hasNull : 0;
    const isEmpty = counts.size === 0 && nulls === 0 ? ViewBit.isEmpty : 0;
    for (const [value, spellings] of FAMILIES[view.family]!.values.entries()) {
      const member = counts.has(value) ? ViewBit.member : 0;
      for (const spelling of spellings) {
        const bits = this.views.membershipBits(view.id, encodeTuple(spelling), position);
        assert.equal(bits, member | hasNull | isEmpty, `${view.id} ${spelling.join()} ${position}`);
      }
    }
    const other = encodeTuple(nullOf(view.family, 0));
    assert.equal(this.views.membershipBits(view.id, other, position), hasNull | isEmpty);
  }

  valuesOf(view: ShapeId): string[] {
    const texts: string[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      const page = this.views.valuesOf(view, after, 2);
      assert.ok(page.values.length <= 2);
      texts.push(...page.values.map((value) => value.join()));
      after = page.next;
    }
    return texts.sort();
  }

  /** Removes all there is, and compares with the beginning. */
  empty(): void {
    for (const view of this.live) this.remove(view);
    this.views.keepSince(undefined);
    while (!this.views.sweep(3));
    this.sweep(3);
    assert.deepEqual(this.dead, []);
    assert.equal(this.views.valueCount, 0);
    assert.equal(this.views.historyLength, 0);
    this.test.exports.viewsVerify();
    this.test.exports.shapeVerify();
    this.test.exports.poolVerify();
    assert.equal(this.liveBytes(), this.bytesBefore);
  }
}

function nullOf(family: number, spelling: number): Value {
  const { kinds, values } = FAMILIES[family]!;
  return kinds.map((_, index) =>
    index === spelling % kinds.length ? null : values[0]![0]![index]!,
  );
}

function copyOf({ counts, nulls }: Contents): Contents {
  return { counts: new Map(counts), nulls };
}

function textsOf({ family, now }: ViewModel): string[] {
  return [...now.counts.keys()].map((value) => FAMILIES[family]!.values[value]![0]!.join()).sort();
}

function differences({ id, family, now }: ViewModel, before: Contents): object[] {
  const transitions: object[] = FAMILIES[family]!.values.flatMap(([values], value) => {
    const isEntering = now.counts.has(value);
    if (isEntering === before.counts.has(value)) return [];
    return [{ view: id, kind: "value", isEntering, values }];
  });
  const states = [
    ["null", ({ nulls }: Contents) => nulls > 0],
    ["empty", ({ counts, nulls }: Contents) => counts.size === 0 && nulls === 0],
  ] as const;
  for (const [kind, isSo] of states) {
    if (isSo(now) !== isSo(before)) transitions.push({ view: id, kind, isEntering: isSo(now) });
  }
  return transitions;
}

/** Of many views: one value of its own, three that it shares with others, one that all have. */
function valuesOf(view: number): readonly string[] {
  return [view, 1 + (view % 7), 100 + (view % 97), 1000 + (view % 5), 9].map(
    (value, index) => `${index + 1}${value}`,
  );
}

describe.each(builds)("dependency views, $name", (build) => {
  test("ten thousand views come, change and go without a byte left", () => {
    const harness = new Harness(build, 0);
    const { table, test, views } = harness;
    const others = Array.from({ length: 100 }, (_, index) => 10_000 + index);
    const template = 1 as TemplateId;
    assert.ok(views.addFamily(template, ["int"]));
    const add = (number: number): ShapeId => {
      const id = table.mintView()!;
      views.addView(id, template);
      for (const value of valuesOf(number)) {
        assert.equal(views.apply(id, encodeTuple([value]), 1 + (number % 2)), "applied");
      }
      return id;
    };
    const kept = others.map(add);
    const bytesBefore = harness.liveBytes();
    const ids = Array.from({ length: 10_000 }, (_, number) => add(number));
    // Some have moved, and some are moving: the history names them.
    views.keepSince(harness.positionOf(0));
    views.beginStep(harness.positionOf(1));
    for (const id of ids.slice(0, 500))
      assert.equal(views.apply(id, encodeTuple(["7"]), 1), "applied");
    views.endStep();
    assert.ok(harness.liveBytes() > bytesBefore + 20_000);
    for (const id of ids) views.removeView(id);
    while (!views.sweep(1000));
    for (const id of ids) assert.ok(views.isSwept(id));
    views.keepSince(undefined);
    while (!views.sweep(1000));
    // Indexes may be a little looser than they were before others had been in them.
    assert.ok(harness.liveBytes() < bytesBefore + 2000);
    for (const [index, id] of kept.entries()) {
      assert.deepEqual(harness.valuesOf(id), [...valuesOf(others[index]!)].sort());
    }
    test.exports.viewsVerify();
    for (const id of kept) views.removeView(id);
    views.removeFamily(template);
    while (!views.sweep(1000));
    for (const id of kept) assert.ok(views.isSwept(id));
    assert.equal(harness.liveBytes(), harness.bytesBefore);
    test.exports.viewsVerify();
  });

  test.each([0, 2 ** 32 - 20])("views are what was applied, from position %d", (first) => {
    check(
      fc.property(fc.array(operation, { maxLength: 40, size: "max" }), (operations) => {
        const harness = new Harness(build, first);
        for (const operation of operations) {
          harness.run(operation);
          if (operation.type === "step" || operation.type === "sweep") harness.compare();
        }
        harness.compare();
        harness.test.exports.viewsVerify();
        harness.empty();
      }),
      60,
    );
  });
});
