/**
 * Shapes of templates with a plan, found by their constants, against a Map.
 *
 * Goal: whatever the constants, the shape of exactly these is found, and they are handed out as
 * they came in; when all are gone nothing is left. Those that are a few numbers need no memory
 * beside the entry by which they are found.
 *
 * Method: constants of up to 7 and of more bytes when packed, of every kind there is, some of which
 * differ in what a value does not count (`7` and `07`). Two templates have shapes with equal ones.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { ShapeId, StorageKey, TemplateId } from "../../src/model/ids.ts";
import { Accounting } from "../../src/router/accounting.ts";
import type { CoreOptions } from "../../src/router/core.ts";
import { check } from "../support/property.ts";
import { BUILDS, RoutingHarness } from "../support/routing-harness.ts";

const ITEMS = {
  oid: 16_500,
  schema: "public",
  name: "items",
  columns: [{ name: "id", isBool: false }],
  key: [0],
};
const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";

const constant = fc.oneof(
  fc.constantFrom("7", "07", "-7", "", "a", "A", UUID, UUID.toUpperCase(), "70000", "7000000"),
  fc.constantFrom("x".repeat(6), "x".repeat(7), "x".repeat(8), "x".repeat(64), "x".repeat(3000)),
  fc.nat({ max: 20 }).map(String),
);
const step = fc.record({
  isAdded: fc.boolean(),
  template: fc.nat({ max: 1 }),
  constants: fc.array(constant, { maxLength: 3 }),
});

describe.each(BUILDS)("%s", (build) => {
  test("a shape is found by its constants, and tells them", () => {
    check(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
        const subject = new Subject(build);
        const model = new Map<string, ShapeId>();
        for (const { template, constants, isAdded } of steps) {
          const name = JSON.stringify([template, constants]);
          const there = model.get(name);
          expect(subject.find(template, constants)).toBe(there);
          if (isAdded && there === undefined) model.set(name, subject.add(template, constants)!);
          else if (there !== undefined) {
            expect(subject.constantsOf(there)).toEqual(constants);
            subject.remove(there);
            model.delete(name);
          }
          subject.verify();
        }
        for (const [name, id] of model) {
          const [template, constants] = JSON.parse(name) as [number, string[]];
          expect(subject.find(template, constants)).toBe(id);
          expect(subject.constantsOf(id)).toEqual(constants);
          subject.remove(id);
        }
        expect(subject.leftovers).toBe(0);
      }),
      60,
    );
  });

  test.each([
    ["a number", (n: number) => [String(n)], 0],
    ["two numbers", (n: number) => [String(n * 200), String(n % 1000)], 0],
    ["a number and a word", (n: number) => [String(n % 16_000), `n${Math.floor(n / 16_000)}xx`], 0],
    ["a uuid", (n: number) => [UUID.slice(0, -6) + String(100_000 + n)], 24],
    ["a uuid and a number", (n: number) => [UUID, String(n)], 24],
    ["a text", (n: number) => [`name of ${100_000 + n}`], 16],
  ])("%s: bytes a shape", (_name, constantsOf, bytes) => {
    const subject = new Subject(build);
    const count = 20_000;
    for (let n = 0; n < count; n++) subject.add(0, constantsOf(n));
    const { liveBytes } = subject.definitions;
    // The leaf table has 5.5 to 6.1 bytes an entry.
    expect(liveBytes / count - bytes).toBeGreaterThan(5.4);
    expect(liveBytes / count - bytes).toBeLessThan(6.2);
  });

  test("constants of a mebibyte are told, and more are refused", () => {
    const subject = new Subject(build);
    const constants = ["7", "x".repeat((1 << 20) - 60), UUID];
    const id = subject.add(0, constants)!;
    expect(subject.constantsOf(id)).toEqual(constants);
    expect(subject.find(0, constants)).toBe(id);
    expect(() => subject.add(0, ["x".repeat(1 << 20)])).toThrow(RangeError);
    subject.verify();
    subject.remove(id);
    expect(subject.leftovers).toBe(0);
  });

  test("a shape that is refused memory is not there", () => {
    const subject = new Subject(build, { memoryBytesMax: 300 * 65_536 });
    let count = 0;
    while (subject.add(0, [`${count}`, "x".repeat(20_000)]) !== undefined) count += 1;
    expect(count).toBeGreaterThan(100);
    expect(subject.find(0, [`${count}`, "x".repeat(20_000)])).toBeUndefined();
    expect(subject.find(0, [`${count - 1}`, "x".repeat(20_000)])).toBeDefined();
    subject.verify();
  });
});

class Subject {
  readonly #harness: RoutingHarness;
  readonly #templates: readonly TemplateId[];
  #keys = 0;

  constructor(build: string, options: CoreOptions = {}) {
    this.#harness = new RoutingHarness(build, options);
    const relation = this.#harness.addRelation(ITEMS);
    const description = {
      plan: { branches: [{ type: "all" as const }], isExact: true },
      columns: [0],
      replica: "default" as const,
    };
    const { router } = this.#harness;
    this.#templates = [0, 1].map(() => router.addTemplate(relation, description)!);
  }

  /** Undefined: out of memory budget. */
  add(template: number, constants: readonly string[]): ShapeId | undefined {
    const { table, router } = this.#harness;
    const id = table.mint(++this.#keys as StorageKey, 1);
    if (id === undefined) return undefined;
    const bytes = encodeConstants(constants);
    const isAdded = router.addShape(id, this.#templates[template]!, bytes, ENTRIES);
    return isAdded ? id : undefined;
  }

  remove(id: ShapeId): void {
    this.#harness.router.removeShape(id, ENTRIES);
    this.#harness.table.retire(id);
  }

  find(template: number, constants: readonly string[]): ShapeId | undefined {
    return this.#harness.router.findShape(this.#templates[template]!, encodeConstants(constants));
  }

  constantsOf(id: ShapeId): readonly string[] {
    return this.#harness.router.constantsOf(id);
  }

  verify(): void {
    this.#harness.verify();
  }

  get leftovers(): number {
    return this.#harness.leftovers;
  }

  get definitions() {
    const report = new Accounting(this.#harness.core).report();
    return report.find(({ owner }) => owner === "definition index")!;
  }
}

const ENTRIES = [{ branch: 0, values: [] }];
