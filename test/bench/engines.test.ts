/**
 * The benchmark compares engines that do the same: here is the proof that they do.
 *
 * Goal: for any templates, shapes and changes, every engine names the same shapes at the same
 * positions with the same bodies as brute force does, which evaluates every shape against every row
 * and lets JSON.stringify write the bodies. Asked for no bodies, they name the same shapes.
 *
 * Method: columns of every kind, values from spaces of two to five with NULLs, unchanged values,
 * slashes, quotes, control characters and the extremes of 64 bits among them, so that key changes
 * and rows that move between shapes are frequent. Shapes come and go between transactions. The
 * bytes are cut at arbitrary places.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { IntegerKeyedEngine } from "../../src/report/baseline/integer-keyed.ts";
import type {
  RelationSpec,
  RoutingEngine,
  TemplateSpec,
} from "../../src/report/baseline/routing-engine.ts";
import { StringKeyedEngine } from "../../src/report/baseline/string-keyed.ts";
import { StringStagedEngine } from "../../bench/string-staged.ts";
import { createCoreEngine } from "../../src/report/core-engine.ts";
import { FrameWriter, type WireValue } from "../../src/report/frame-writer.ts";
import { check } from "../support/property.ts";
import { evaluate, type Change, type Row, type Shape, type Transaction } from "./brute-force.ts";

const RELATION: RelationSpec = {
  oid: 16_400,
  schema: 'pub"lic',
  name: "things",
  columns: [
    { name: "id", isBool: false },
    { name: "count", isBool: false },
    { name: "owner", isBool: false },
    { name: 'la"bel', isBool: false },
    { name: "isDone", isBool: true },
  ],
  key: [0, 3],
};
const KINDS = ["int", "int", "uuid", "text", "text"] as const;

const COUNTS = ["0", "-7", "9223372036854775807", "-9223372036854775808", "-999999999999999"];
const OWNERS = ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"];
const LABELS = ["", "a/b", 'q"\\', "\u0001\u001f\b\n\u007f", "é日\u{1f600}\u2028"];
const VALUES: readonly (readonly string[])[] = [["1", "2"], COUNTS, OWNERS, LABELS, ["t", "f"]];

const row = fc.tuple(
  ...VALUES.map((values, column) =>
    column === 0 ? fc.constantFrom(...values) : fc.constantFrom(null, ...values),
  ),
);
/** A new row that most often differs from the old one in few columns. */
const updated = (before: Row): fc.Arbitrary<readonly WireValue[]> =>
  fc.tuple(
    ...before.map((value, column) =>
      fc.oneof(
        { weight: 3, arbitrary: fc.constant(value) },
        { weight: 1, arbitrary: fc.constantFrom(undefined, ...VALUES[column]!) },
      ),
    ),
  );
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ type: fc.constant("insert" as const), after: row }),
  fc.record({ type: fc.constant("delete" as const), before: row }),
  row.chain((before) =>
    fc.record({
      type: fc.constant("update" as const),
      before: fc.constant(before),
      after: updated(before),
    }),
  ),
);
const columns = fc.uniqueArray(fc.nat(4), { maxLength: 5 });
const template: fc.Arbitrary<TemplateSpec> = fc
  .record({
    termColumns: fc.uniqueArray(fc.nat(4), { maxLength: 2 }),
    columns,
    replica: fc.constantFrom("default" as const, "full" as const),
  })
  .map(({ termColumns, columns, replica }) => ({
    terms: ascending(termColumns).map((column) => ({ column, kind: KINDS[column]! })),
    columns: ascending([...new Set([...columns, ...RELATION.key])]),
    replica,
  }));
const step = fc.record({
  /** Picks a template and its constants; the shape is removed if it is there, else added. */
  toggles: fc.array(fc.tuple(fc.nat(), fc.array(fc.nat(), { minLength: 2, maxLength: 2 })), {
    maxLength: 8,
  }),
  changes: fc.array(change, { maxLength: 6 }),
});
const script = fc.record({
  templates: fc.array(template, { minLength: 1, maxLength: 4 }),
  steps: fc.array(step, { minLength: 1, maxLength: 5 }),
  cuts: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 }),
});

const ENGINES: Record<string, () => RoutingEngine<string> | RoutingEngine<number>> = {
  "string-keyed": () => new StringKeyedEngine(),
  "string-staged": () => new StringStagedEngine(),
  "integer-keyed": () => new IntegerKeyedEngine(),
  core: () => createCoreEngine(),
};

for (const [name, create] of Object.entries(ENGINES)) {
  test(`${name} routes as brute force does`, () => {
    check(
      fc.property(script, fc.boolean(), ({ templates, steps, cuts }, hasBodies) => {
        const run = new Run(create(), templates, hasBodies);
        for (const { toggles, changes } of steps) {
          for (const [pick, constants] of toggles) run.toggle(pick % templates.length, constants);
          run.transaction(changes, cuts);
        }
      }),
    );
  });
}

test("a change whose old row was not sent in full is counted and passed over", () => {
  const engine = new StringKeyedEngine();
  const relation = engine.addRelation(RELATION);
  engine.add(engine.addTemplate(relation, { terms: [], columns: [0, 3], replica: "full" }), []);
  const writer = new FrameWriter();
  writer.begin();
  writer.updateWithoutOld(RELATION.oid, ["1", "2", null, "x", "t"]);
  writer.insert(RELATION.oid, ["1", "2", null, "x", "t"]);
  writer.commit();
  const ops: number[] = [];
  engine.route(writer.take(), (_handle, op) => ops.push(op));
  assert.deepEqual(ops, [2]);
  assert.equal(engine.unroutableCount, 1);
});

test("an integer key that is removed is used again, with its next generation", () => {
  const engine = new IntegerKeyedEngine();
  const relation = engine.addRelation(RELATION);
  const terms = [{ column: 1, kind: "int" as const }];
  const template = engine.addTemplate(relation, { terms, columns: [0, 3], replica: "full" });
  const first = engine.add(template, ["1"]);
  const handle = engine.handleOf(first);
  engine.remove(first);
  assert.equal(engine.add(template, ["2"]), first);
  assert.notEqual(engine.handleOf(first), handle);
  assert.equal(engine.generationOf(first), 1);
});

/** One engine beside a list of shapes. */
class Run {
  readonly #engine: RoutingEngine;
  readonly #templates: readonly TemplateSpec[];
  readonly #hasBodies: boolean;
  readonly #templateIndexes: readonly number[];
  readonly #shapes = new Map<string, { ref: string | number; shape: Shape }>();
  readonly #writer = new FrameWriter();
  #sentBytes = 0;

  constructor(engine: RoutingEngine, templates: readonly TemplateSpec[], hasBodies: boolean) {
    this.#engine = engine;
    this.#templates = templates;
    if (!hasBodies) engine.setBodies?.(false);
    this.#hasBodies = hasBodies || engine.setBodies === undefined;
    const relation = engine.addRelation(RELATION);
    this.#templateIndexes = templates.map((spec) => engine.addTemplate(relation, spec));
  }

  toggle(pick: number, constantPicks: readonly number[]): void {
    const spec = this.#templates[pick]!;
    const constants = spec.terms.map(({ column }, index) => {
      const values = VALUES[column]!;
      return values[constantPicks[index]! % values.length]!;
    });
    const template = this.#templateIndexes[pick]!;
    const name = JSON.stringify([pick, constants]);
    const there = this.#shapes.get(name);
    expect(this.#engine.find(template, constants)).toBe(there?.ref);
    if (there === undefined) {
      const ref = this.#engine.add(template, constants);
      this.#shapes.set(name, { ref, shape: { spec, constants } });
    } else {
      this.#engine.remove(there.ref);
      this.#shapes.delete(name);
    }
    expect(this.#engine.shapeCount).toBe(this.#shapes.size);
  }

  transaction(changes: readonly Change[], cuts: readonly number[]): void {
    const transaction = this.#writer.begin();
    if (this.#sentBytes === 0) this.#writer.relation(RELATION);
    for (const change of changes) this.#write(change);
    this.#writer.commit();
    assert.deepEqual(this.#route(cuts), this.#expected(transaction, changes));
  }

  #write(change: Change): void {
    const { oid } = RELATION;
    if (change.type === "insert") this.#writer.insert(oid, change.after);
    else if (change.type === "update") this.#writer.update(oid, change.before, change.after);
    else this.#writer.delete(oid, change.before);
  }

  #route(cuts: readonly number[]): string[] {
    const matches: string[] = [];
    const bytes = this.#writer.take().subarray(this.#sentBytes);
    for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
      const size = cuts[cut % cuts.length]!;
      this.#engine.route(bytes.subarray(at, at + size), (ref, op, body, offset, size) => {
        matches.push(`${ref} ${op} ${textOf(body, offset, size)}`);
      });
      at += size;
    }
    this.#sentBytes += bytes.length;
    return matches.sort();
  }

  #expected(transaction: Transaction, changes: readonly Change[]): string[] {
    const matches: string[] = [];
    for (const { ref, shape } of this.#shapes.values()) {
      changes.forEach((change, index) => {
        for (const [op, body] of evaluate(RELATION, shape, transaction, 2 * index, change)) {
          matches.push(`${ref} ${op} ${this.#hasBodies ? body : ""}`);
        }
      });
    }
    return matches.sort();
  }
}

function textOf({ buffer, byteOffset }: Uint8Array, offset: number, size: number): string {
  return Buffer.from(buffer, byteOffset + offset, size).toString("utf8");
}

function ascending(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}
