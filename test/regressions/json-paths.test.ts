/**
 * A row cost as much as there were JSON paths to look under, and a key that stands many times in a
 * document of type json was looked up from the beginning each time.
 *
 * Goal: a document is walked once, however many paths there are and however often one is met.
 * Method: so many paths, keys and rows that the old way would take minutes.
 */

import { expect, test } from "vitest";
import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { Router } from "../../src/router/router.ts";
import { RunOutcome } from "../../src/router/run-outcome.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { makeCore } from "../support/routing-harness.ts";

const OID = 16_500;

class Subject {
  readonly #router: Router;
  readonly #shapes: ShapeTable;
  readonly #relation;
  #keys = 0;

  constructor() {
    const core = makeCore("core.wasm");
    this.#router = new Router(core, { inputBytes: 1 << 22, outputBytes: 1 << 22 });
    this.#shapes = new ShapeTable(core);
    const columns = ["id", "document"].map((name) => ({ name, isBool: false }));
    const relation = { oid: OID, schema: "public", name: "items", columns, key: [0] };
    this.#relation = this.#router.addRelation(relation)!;
  }

  /** A shape of `document -> ... ->> ... = value`. */
  add(path: readonly string[], value: string): ShapeId {
    const plan = { branches: [{ type: "path", column: 1, path } as const], isExact: true };
    const description = { plan, columns: [0], replica: "default" } as const;
    const template = this.#router.addTemplate(this.#relation, description)!;
    const id = this.#shapes.mint(++this.#keys as StorageKey, 1)!;
    const entries = [{ branch: 0, values: [value] }];
    this.#router.addShape(id, template, encodeConstants([value]), entries);
    return id;
  }

  /** Inserts rows; returns the ids that they reach, in order. */
  insert(...documents: readonly string[]): number[] {
    const rows = documents.map((document) => pgoutput.insert(OID, ["1", document]));
    this.#router.receive(pgoutput.transaction(7n, 700, rows));
    const ids: number[] = [];
    for (;;) {
      const outcome = this.#router.run();
      for (let body = 0; body < this.#router.bodyCount; body++) {
        const first = this.#router.bodyFirstMatch(body);
        ids.push(
          ...this.#router.matches.subarray(first, first + this.#router.bodyMatchCount(body)),
        );
      }
      this.#router.clearOutput();
      if (outcome === RunOutcome.NEEDS_INPUT) return ids.sort((a, b) => a - b);
    }
  }
}

test("a key that stands a hundred thousand times is passed over once", () => {
  const subject = new Subject();
  const first = subject.add(["a", "b"], "first");
  const last = subject.add(["a", "b"], "last");
  const members = Array.from({ length: 100_000 }, (_, n) => `"b":"${n}"`).join();
  const document = `{"a":{"b":"first",${members},"b":"last"}}`;
  expect(subject.insert(document)).toEqual([first, last]);
});

test("ten thousand paths cost a row no more than its own keys", () => {
  const subject = new Subject();
  const ids = Array.from({ length: 10_000 }, (_, n) => subject.add([`k${n}`, "name"], "x"));
  const documents = Array.from({ length: 50_000 }, (_, n) => {
    return `{"k${n % 10_000}":{"name":"${n < 10_000 ? "x" : "y"}"},"other":[1,{"name":"x"}]}`;
  });
  expect(subject.insert(...documents)).toEqual(ids);
});
