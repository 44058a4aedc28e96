/** The router of this project with the shapes of a clause set. */

import { encodeConstants } from "../../model/constants-codec.ts";
import type { RelationId, StorageKey, TemplateId } from "../../model/ids.ts";
import { Accounting } from "../../router/accounting.ts";
import type { Core } from "../../router/core.ts";
import { Router } from "../../router/router.ts";
import { RunOutcome } from "../../router/run-outcome.ts";
import { ShapeTable } from "../../router/shape-table.ts";
import { granted, structuresOf } from "../core-engine.ts";
import type { StructureReport } from "../structure-report.ts";
import type { ClauseEngine, ClauseSet } from "./clause-set.ts";

/** Removals between two boundaries of transactions, at which ids may begin to be used again. */
const REMOVALS_PER_EPOCH = 1024;

export class CoreClauseEngine implements ClauseEngine {
  readonly #clauses: ClauseSet;
  readonly #router: Router;
  readonly #shapes: ShapeTable;
  readonly #accounting: Accounting;
  readonly #relation: RelationId;
  readonly #templates = new Map<string, TemplateId>();
  #keys = 0;
  #removals = 0;

  constructor(clauses: ClauseSet, core: Core) {
    this.#clauses = clauses;
    this.#router = new Router(core);
    this.#shapes = new ShapeTable(core);
    this.#accounting = new Accounting(core);
    this.#relation = granted(this.#router.addRelation(clauses.relation));
  }

  add(slot: number): void {
    const name = this.#clauses.templateNameOf(slot);
    const { constants, entries } = this.#clauses.shapeOf(name, slot);
    const template = this.#templateOf(name);
    this.#keys += 1;
    const id = granted(this.#shapes.mint(this.#keys as StorageKey, 0));
    if (!this.#router.addShape(id, template, encodeConstants(constants), entries)) {
      throw new RangeError("out of memory");
    }
  }

  remove(slot: number): void {
    const name = this.#clauses.templateNameOf(slot);
    const { constants, entries } = this.#clauses.shapeOf(name, slot);
    const id = this.#router.findShape(this.#templateOf(name), encodeConstants(constants))!;
    this.#router.removeShape(id, entries);
    this.#shapes.retire(id);
    this.#removals += 1;
    if (this.#removals % REMOVALS_PER_EPOCH === 0) this.#shapes.advanceEpoch();
  }

  has(slot: number): boolean {
    const name = this.#clauses.templateNameOf(slot);
    const { constants } = this.#clauses.shapeOf(name, slot);
    return this.#router.findShape(this.#templateOf(name), encodeConstants(constants)) !== undefined;
  }

  route(chunk: Uint8Array): number {
    const router = this.#router;
    if (!router.receive(chunk)) throw new RangeError("out of memory");
    let matches = 0;
    for (;;) {
      const outcome = router.run();
      for (let body = 0; body < router.bodyCount; body += 1) matches += router.bodyMatchCount(body);
      router.clearOutput();
      if (outcome === RunOutcome.NEEDS_INPUT) return matches;
      if (outcome === RunOutcome.NEEDS_GROWTH) granted(router.grow() || undefined);
      else if (outcome === RunOutcome.MALFORMED || outcome === RunOutcome.UNROUTABLE) {
        throw new Error(`the stream cannot be routed: outcome ${outcome}`);
      }
    }
  }

  structures(): readonly StructureReport[] {
    return structuresOf(this.#accounting);
  }

  #templateOf(name: string): TemplateId {
    let template = this.#templates.get(name);
    if (template === undefined) {
      const description = {
        ...this.#clauses.templateOf(name),
        columns: [...this.#clauses.relation.columns.keys()],
        replica: "default" as const,
      };
      template = granted(this.#router.addTemplate(this.#relation, description));
      this.#templates.set(name, template);
    }
    return template;
  }
}
