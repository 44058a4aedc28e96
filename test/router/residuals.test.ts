/**
 * What the core asks of TypeScript, and what becomes of a shape when the answer is an error.
 *
 * Goal: residuals are asked for candidates only, once per change for all of them, and once for both
 * rows of an update that leaves their columns alone; a row without candidates allocates nothing and
 * asks nothing. A WHERE that raises an error is true of nothing, its shape is named once, and the
 * others get their change. What cannot be looked up is said to be unroutable, never passed over.
 */

import { describe, expect, test } from "vitest";
import type { AccessEntry, AccessPlan } from "../../src/model/access-plan.ts";
import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { RowFilter } from "../../src/model/row-filter.ts";
import type { StorageKey } from "../../src/model/ids.ts";
import { ABSENT, Router } from "../../src/router/router.ts";
import { RunOutcome, UnroutableReason } from "../../src/router/run-outcome.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { BUILDS, makeCore } from "../support/routing-harness.ts";

const OID = 16_500;
const ITEMS = {
  oid: OID,
  schema: "public",
  name: "items",
  columns: ["id", "n", "label"].map((name) => ({ name, isBool: false })),
  key: [0],
};
const BY_N: AccessPlan = {
  branches: [{ type: "equality", terms: [{ column: 1, kind: "int" }] }],
  isExact: false,
};
const ONE: readonly AccessEntry[] = [{ branch: 0, values: ["1"] }];
const EVERY: readonly AccessEntry[] = [{ branch: 0, values: [] }];
const ALL: AccessPlan = { branches: [{ type: "all" }], isExact: false };

class Subject {
  readonly router: Router;
  readonly asked: string[] = [];
  readonly #shapes: ShapeTable;
  readonly #relation;
  #keys = 0;

  constructor(build: string, layout?: readonly number[]) {
    const core = makeCore(build);
    this.router = new Router(core);
    this.#shapes = new ShapeTable(core);
    this.#relation = this.router.addRelation(ITEMS)!;
    if (layout !== undefined) {
      this.router.setRelationLayout(this.#relation, Uint16Array.from(layout));
    }
  }

  /** A shape whose residual is true of rows with this label, and raises an error at `bad`. */
  add(plan: AccessPlan, constants: readonly string[], entries: readonly AccessEntry[]): number {
    const residual: RowFilter = {
      columns: [2],
      matches: (row, [label]) => {
        const text = row.text(2);
        this.asked.push(text ?? "NULL");
        if (text === "bad") throw new Error("division by zero");
        return text === label;
      },
    };
    const template = { plan, columns: [0, 1, 2], replica: "default" as const, residual };
    const templateId = this.router.addTemplate(this.#relation, template)!;
    const id = this.#shapes.mint(++this.#keys as StorageKey, 1)!;
    this.router.addShape(id, templateId, encodeConstants(constants), entries);
    return id;
  }

  /** Routes one transaction. Returns the ids of each body, and what stopped it. */
  route(...messages: readonly Buffer[]): { bodies: number[][]; outcomes: RunOutcome[] } {
    const { router } = this;
    router.receive(pgoutput.transaction(7n, 700, messages));
    const bodies: number[][] = [];
    const outcomes: RunOutcome[] = [];
    for (;;) {
      const outcome = router.run();
      for (let body = 0; body < router.bodyCount; body++) {
        const first = router.bodyFirstMatch(body);
        const ids = router.matches.subarray(first, first + router.bodyMatchCount(body));
        bodies.push([...ids].sort((a, b) => a - b));
      }
      router.clearOutput();
      if (outcome === RunOutcome.NEEDS_INPUT) return { bodies, outcomes };
      if (outcome !== RunOutcome.COMMIT) outcomes.push(outcome);
    }
  }
}

const insert = (...row: readonly (string | null)[]): Buffer => pgoutput.insert(OID, row);
const update = (before: readonly (string | null)[], after: readonly (string | null)[]): Buffer =>
  pgoutput.update(OID, after, { kind: "O", tuple: before });

describe.each(BUILDS)("%s", (build) => {
  test("only candidates are asked, once for both rows where their columns stay", () => {
    const subject = new Subject(build);
    const first = subject.add(BY_N, ["a"], ONE);
    const second = subject.add(BY_N, ["b"], ONE);
    expect(subject.route(insert("1", "2", "a"), insert("1", null, "a")).bodies).toEqual([]);
    expect(subject.asked).toEqual([]);
    expect(subject.route(insert("1", "1", "a")).bodies).toEqual([[first]]);
    expect(subject.asked.splice(0)).toEqual(["a", "a"]);
    expect(subject.route(update(["1", "1", "b"], ["2", "1", "b"])).bodies).toEqual([
      [second],
      [second],
    ]);
    expect(subject.asked.splice(0)).toEqual(["b", "b"]);
    // The row leaves `n = 1`: only its old self is anybody's.
    expect(subject.route(update(["1", "1", "b"], ["1", "3", "a"])).bodies).toEqual([[second]]);
    expect(subject.asked.splice(0)).toEqual(["b", "b"]);
  });

  test("a WHERE that raises an error fails its shape, once, and no other", () => {
    const subject = new Subject(build);
    const first = subject.add(ALL, ["a"], EVERY);
    const exact = subject.add({ ...ALL, isExact: true }, [], EVERY);
    expect(subject.route(insert("1", "1", "bad"), insert("2", "1", "bad")).bodies).toEqual([
      [exact],
      [exact],
    ]);
    const failures = subject.router.takeFailures();
    expect(failures.map(({ id, error }) => [id, error.message])).toEqual([
      [first, "division by zero"],
    ]);
    expect(subject.router.takeFailures()).toEqual([]);
    expect(subject.route(insert("1", "1", "a")).bodies).toEqual([[first, exact]]);
  });

  test("a value that is no text of its type, or is not sent, makes the change unroutable", () => {
    const unreadable = [
      new Subject(build),
      new Subject(build, [0, ABSENT, 2]),
      new Subject(build, [0, 1, ABSENT]),
    ];
    for (const [index, subject] of unreadable.entries()) {
      // The third has its value for the index and lacks the one that its residual reads.
      subject.add(BY_N, ["a"], ONE);
      const { bodies, outcomes } = subject.route(insert("1", index === 0 ? "x" : "1", "a"));
      expect(bodies).toEqual([]);
      expect(outcomes).toEqual([RunOutcome.UNROUTABLE]);
      expect(subject.router.unroutableReason).toBe(UnroutableReason.VALUE_UNREADABLE);
    }
  });

  test("entries that are not of their access's kind are refused, with nothing left behind", () => {
    const subject = new Subject(build);
    const both: AccessPlan = {
      branches: [BY_N.branches[0]!, { type: "range", column: 1, order: "int" }],
      isExact: true,
    };
    const good = [
      { branch: 0, values: ["1"] },
      { branch: 1, lower: { value: "5", isInclusive: true } },
    ];
    const bad = [...good, { branch: 1, upper: { value: "x", isInclusive: true } }];
    expect(() => subject.add(both, ["a"], bad)).toThrow(RangeError);
    expect(subject.route(insert("1", "1", "a"), insert("1", "7", "a")).bodies).toEqual([]);
    const id = subject.add(both, ["a"], good);
    expect(subject.route(insert("1", "1", "a"), insert("1", "7", "a")).bodies).toEqual([
      [id],
      [id],
    ]);
    const template = { columns: [0], replica: "default" as const };
    const relation = subject.router.addRelation({ ...ITEMS, oid: 9 })!;
    expect(() => subject.router.addTemplate(relation, { ...template, plan: ALL })).toThrow(
      "residual",
    );
  });
});
