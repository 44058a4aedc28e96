/**
 * Every class of WHERE against brute force.
 *
 * Goal: whatever the class of a shape, a change reaches it if and only if its WHERE is true of the
 * old or the new row, as what it has to be for the shape; never a miss. So it is while shapes come
 * and go, with NULL, with values that were not sent because they did not change, and with keys that
 * change; and when all are gone nothing is left of them.
 *
 * Method: rows are drawn from a few texts per column that compare in surprising ways, so that most
 * constants meet their row; the meaning of each WHERE is written out by hand in `shape-classes.ts`.
 * Some runs hold a few bodies and matches only. One shape in some runs is a plain AND of
 * equalities, which goes another way through the core.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ShapeId } from "../../src/model/ids.ts";
import { check } from "../support/property.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { UNCHANGED, type WireValue } from "../support/pgoutput.ts";
import { BUILDS, RoutingHarness, sorted } from "../support/routing-harness.ts";
import { type Change, type ModelTemplate, route, type Row } from "../support/routing-model.ts";
import { COLUMN_TEXTS, SHAPE_CLASSES, THINGS } from "../support/shape-classes.ts";

const ALL_COLUMNS = THINGS.columns.map((_, column) => column);

const templates: ModelTemplate[] = SHAPE_CLASSES.map((planned, index) => ({
  relation: THINGS,
  terms: [],
  columns: index % 3 === 0 ? [0, 1, 5] : ALL_COLUMNS,
  replica: index % 2 === 0 ? "default" : "full",
  planned,
}));
templates.push(
  { relation: THINGS, terms: [], columns: ALL_COLUMNS, replica: "default" },
  {
    relation: THINGS,
    terms: [
      { column: 1, kind: "int" },
      { column: 6, kind: "uuid" },
    ],
    columns: [0, 1, 5],
    replica: "default",
  },
);

const row: fc.Arbitrary<Row> = fc.tuple(
  ...COLUMN_TEXTS.map((texts, column) => {
    const text = fc.constantFrom(...texts) as fc.Arbitrary<string | null>;
    return column === 0 ? text : fc.option(text, { freq: 6 });
  }),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ type: fc.constant("insert" as const), newRow: row }),
  fc.record({ type: fc.constant("delete" as const), oldRow: row }),
  // Most columns of an update stay, sent again or left out as unchanged.
  fc
    .tuple(
      row,
      row,
      fc.array(fc.constantFrom("same", "same", "unchanged", "new"), {
        minLength: ALL_COLUMNS.length,
        maxLength: ALL_COLUMNS.length,
      }),
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
  | { type: "transaction"; changes: Change[] };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("add" as const),
      template: fc.nat(templates.length - 1),
      picks: fc.array(fc.nat(99), { minLength: 4, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), pick: fc.nat(999) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("gate" as const), pick: fc.nat(999) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("transaction" as const),
      changes: fc.array(change, { maxLength: 8 }),
    }),
  },
) as fc.Arbitrary<Step>;
const steps = fc.array(step, { minLength: 1, maxLength: 150, size: "max" });

describe.each(BUILDS)("%s", (build) => {
  test("a change reaches the shapes whose WHERE it concerns, and no others", () => {
    check(
      fc.property(steps, fc.boolean(), (steps, isCramped) => {
        const run = new Run(build, isCramped);
        for (const each of steps) run.apply(each);
        run.drain();
      }),
      40,
    );
  });

  // Scripts visit each class a few times: here each meets every row of its columns.
  test.each(templates.map((template) => [template.planned?.name ?? "plain", template] as const))(
    "%s",
    (_name, template) => {
      check(
        fc.property(
          fc.array(fc.array(fc.nat(99), { minLength: 4, maxLength: 4 })),
          fc.array(change),
          (picks, changes) => {
            const run = new Run(build, false);
            const index = templates.indexOf(template);
            for (const pick of picks) run.apply({ type: "add", template: index, picks: pick });
            run.apply({ type: "transaction", changes });
            run.drain();
          },
        ),
        20,
      );
    },
  );
});

class Run {
  readonly #harness: RoutingHarness;
  readonly #relation;
  readonly #templateIds;
  #lsn = 1n;

  constructor(build: string, isCramped: boolean) {
    this.#harness = new RoutingHarness(build, isCramped ? { outputBytes: 1 } : {});
    this.#relation = this.#harness.addRelation(THINGS);
    this.#templateIds = templates.map((each) => this.#harness.addTemplate(this.#relation, each));
  }

  apply(step: Step): void {
    if (step.type === "transaction") {
      this.#transact(step.changes);
      return;
    }
    if (step.type === "add") this.#add(templates[step.template]!, step.picks);
    else this.#touch(step.type, step.pick);
    this.#harness.verify();
  }

  drain(): void {
    const harness = this.#harness;
    for (const id of [...harness.shapes.keys()]) harness.removeShape(id as ShapeId);
    this.#templateIds.forEach((id) => harness.router.removeTemplate(id));
    harness.router.removeRelation(this.#relation);
    harness.verify();
    expect(harness.leftovers).toBe(0);
    expect(harness.router.takeFailures()).toEqual([]);
  }

  #add(template: ModelTemplate, picks: readonly number[]): void {
    const pools =
      template.planned === undefined
        ? template.terms.map(({ column }) => COLUMN_TEXTS[column]!)
        : SHAPE_CLASSES[templates.indexOf(template)]!.constantTexts;
    const constants = pools.map((texts, index) => texts[picks[index]! % texts.length]!);
    const same = [...this.#harness.shapes.values()].find(
      (shape) => shape.template === template && shape.constants.join("\0") === constants.join("\0"),
    );
    expect(this.#harness.find(template, constants)).toBe(same?.id);
    const id = this.#harness.addShape(template, constants);
    expect(id === undefined).toBe(same !== undefined);
    if (id !== undefined) expect(this.#harness.find(template, constants)).toBe(id);
  }

  #touch(type: "remove" | "gate", pick: number): void {
    const shapes = [...this.#harness.shapes.values()];
    if (shapes.length === 0) return;
    const shape = shapes[pick % shapes.length]!;
    if (type === "remove") this.#harness.removeShape(shape.id as ShapeId);
    else this.#harness.setGated(shape.id as ShapeId, !shape.isGated);
  }

  #transact(changes: readonly Change[]): void {
    const lsn = this.#lsn++;
    const xid = Number(lsn) + 700;
    const expected = changes.flatMap((change, index) =>
      route(this.#harness.shapes.values(), THINGS, change, index * 2, { lsn, xid }),
    );
    const bytes = pgoutput.transaction(lsn, xid, changes.map(encode));
    const actual = this.#harness.route(bytes);
    expect(sorted(actual)).toEqual(sorted(expected).map((body) => ({ ...body, lsn })));
  }
}

function encode(change: Change): Buffer {
  const wire = (row: readonly (WireValue | undefined)[]): WireValue[] =>
    row.map((value) => value ?? null);
  if (change.type === "insert") return pgoutput.insert(THINGS.oid, wire(change.newRow));
  const old = { kind: "O" as const, tuple: wire(change.oldRow) };
  if (change.type === "delete") return pgoutput.remove(THINGS.oid, old);
  return pgoutput.update(THINGS.oid, wire(change.newRow), old);
}
