/** The router of this project behind the interface of the benchmark. */

import { readFileSync } from "node:fs";
import type { Access } from "../model/access-plan.ts";
import { encodeConstants } from "../model/constants-codec.ts";
import type { RelationId, ShapeId, StorageKey, TemplateId } from "../model/ids.ts";
import { Accounting, type Owner } from "../router/accounting.ts";
import { Core } from "../router/core.ts";
import { Router } from "../router/router.ts";
import { RunOutcome } from "../router/run-outcome.ts";
import { ShapeTable } from "../router/shape-table.ts";
import {
  definitionHash,
  type MatchSink,
  type RelationSpec,
  type RoutingEngine,
  type TemplateSpec,
} from "./baseline/routing-engine.ts";
import type { StructureReport } from "./structure-report.ts";

/** Removals between two boundaries of transactions, at which ids may begin to be used again. */
const REMOVALS_PER_EPOCH = 1024;

/** Owners that hold the same whatever the number of shapes, and pages that nobody holds. */
const NOT_OF_SHAPES: readonly Owner[] = ["free", "static", "page pool", "input and output"];

class CoreEngine implements RoutingEngine<number> {
  readonly name = "core";
  unroutableCount = 0;
  readonly #router: Router;
  readonly #shapes: ShapeTable;
  readonly #accounting: Accounting;
  #keys = 0;
  #removals = 0;

  constructor(core: Core) {
    this.#router = new Router(core);
    this.#shapes = new ShapeTable(core);
    this.#accounting = new Accounting(core);
  }

  get shapeCount(): number {
    return this.#shapes.count;
  }

  addRelation(spec: RelationSpec): number {
    return granted(this.#router.addRelation(spec));
  }

  addTemplate(relation: number, spec: TemplateSpec): number {
    const { terms, columns, replica } = spec;
    const branches: readonly Access[] = [
      terms.length === 0 ? { type: "all" } : { type: "equality", terms },
    ];
    const plan = { branches, isExact: true, isConjunction: true };
    return granted(this.#router.addTemplate(relation as RelationId, { plan, columns, replica }));
  }

  add(template: number, constants: readonly string[]): number {
    this.#keys += 1;
    const hash = definitionHash(template, constants);
    const id = granted(this.#shapes.mint(this.#keys as StorageKey, hash));
    if (!this.#router.addShape(id, template as TemplateId, encodeConstants(constants))) {
      throw new RangeError("out of memory");
    }
    return id;
  }

  remove(id: number): void {
    this.#router.removeShape(id as ShapeId);
    this.#shapes.retire(id as ShapeId);
    this.#removals += 1;
    if (this.#removals % REMOVALS_PER_EPOCH === 0) this.#shapes.advanceEpoch();
  }

  find(template: number, constants: readonly string[]): number | undefined {
    return this.#router.findShape(template as TemplateId, encodeConstants(constants));
  }

  route(chunk: Uint8Array, sink: MatchSink<number>): void {
    if (!this.#router.receive(chunk)) throw new RangeError("out of memory");
    for (;;) {
      const outcome = this.#router.run();
      this.#take(sink);
      switch (outcome) {
        case RunOutcome.NEEDS_INPUT:
          return;
        case RunOutcome.UNROUTABLE:
          this.unroutableCount += 1;
          break;
        case RunOutcome.NEEDS_GROWTH:
          if (!this.#router.grow()) throw new RangeError("out of memory");
          break;
        case RunOutcome.MALFORMED:
        case RunOutcome.FOREIGN_FRAME:
          throw new Error(`the stream cannot be read: outcome ${outcome}`);
      }
    }
  }

  structures(): readonly StructureReport[] {
    return structuresOf(this.#accounting);
  }

  #take(sink: MatchSink<number>): void {
    const router = this.#router;
    const { bodyCount } = router;
    if (bodyCount === 0) return;
    const { bytes, matches } = router;
    for (let body = 0; body < bodyCount; body += 1) {
      const op = router.bodyOp(body);
      const address = router.bodyAddress(body);
      const size = router.bodySize(body);
      const first = router.bodyFirstMatch(body);
      const end = first + router.bodyMatchCount(body);
      // No shape here is gated: a match is an id.
      for (let match = first; match < end; match += 1) {
        sink(matches[match]!, op, bytes, address, size);
      }
    }
    router.clearOutput();
  }
}

/** All owners; their committed bytes are the size of linear memory. */
export function structuresOf(accounting: Accounting): readonly StructureReport[] {
  return accounting.report().map(({ owner, entries, liveBytes, committedBytes }) => ({
    structure: owner,
    entries,
    liveBytes,
    committedBytes,
    isOfShapes: !NOT_OF_SHAPES.includes(owner),
  }));
}

export function createCoreEngine(): RoutingEngine<number> {
  return new CoreEngine(createCore());
}

/** The least that can be asked of the core: what crossing into it costs. */
export function makeEmptyCall(): () => number {
  const { exports } = createCore();
  return () => exports.flushCount();
}

let compiled: WebAssembly.Module | undefined;

export function createCore(): Core {
  compiled ??= new WebAssembly.Module(
    readFileSync(new URL("../../build/core.wasm", import.meta.url)),
  );
  // A fixed seed: a run follows from its parameters alone.
  return new Core(compiled, { seed: [1, 2] });
}

export function granted<Id>(id: Id | undefined): Id {
  if (id === undefined) throw new RangeError("out of memory");
  return id;
}
