/** The router of this project with shapes of every class. */

import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { RelationId, StorageKey, TemplateId } from "../../src/model/ids.ts";
import { Accounting } from "../../src/router/accounting.ts";
import type { Core } from "../../src/router/core.ts";
import { Router } from "../../src/router/router.ts";
import { RunOutcome } from "../../src/router/run-outcome.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { granted, NOT_OF_SHAPES } from "../core-engine.ts";
import { classOf, shapeOf, templateOf, type ClassName, type SimpleClass } from "./classes.ts";
import { ALL_COLUMNS, EVENTS } from "./events.ts";
import type { ClassEngine } from "./ordinary.ts";

/** Removals between two boundaries of transactions, at which ids may begin to be used again. */
const REMOVALS_PER_EPOCH = 1024;

export class CoreClassEngine implements ClassEngine {
  readonly #name: ClassName;
  readonly #router: Router;
  readonly #shapes: ShapeTable;
  readonly #accounting: Accounting;
  readonly #relation: RelationId;
  readonly #templates = new Map<SimpleClass, TemplateId>();
  #keys = 0;
  #removals = 0;

  constructor(name: ClassName, core: Core) {
    this.#name = name;
    this.#router = new Router(core);
    this.#shapes = new ShapeTable(core);
    this.#accounting = new Accounting(core);
    this.#relation = granted(this.#router.addRelation(EVENTS));
  }

  add(slot: number): void {
    const name = classOf(this.#name, slot);
    const { constants, entries } = shapeOf(name, slot);
    const template = this.#templateOf(name);
    this.#keys += 1;
    const id = granted(this.#shapes.mint(this.#keys as StorageKey, 0));
    if (!this.#router.addShape(id, template, encodeConstants(constants), entries)) {
      throw new RangeError("out of memory");
    }
  }

  remove(slot: number): void {
    const name = classOf(this.#name, slot);
    const { constants, entries } = shapeOf(name, slot);
    const id = this.#router.findShape(this.#templateOf(name), encodeConstants(constants))!;
    this.#router.removeShape(id, entries);
    this.#shapes.retire(id);
    this.#removals += 1;
    if (this.#removals % REMOVALS_PER_EPOCH === 0) this.#shapes.advanceEpoch();
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

  heldBytes(): number {
    return this.#accounting
      .report()
      .filter(({ owner }) => !NOT_OF_SHAPES.includes(owner))
      .reduce((sum, { committedBytes }) => sum + committedBytes, 0);
  }

  #templateOf(name: SimpleClass): TemplateId {
    let template = this.#templates.get(name);
    if (template === undefined) {
      const description = {
        ...templateOf(name),
        columns: ALL_COLUMNS,
        replica: "default" as const,
      };
      template = granted(this.#router.addTemplate(this.#relation, description));
      this.#templates.set(name, template);
    }
    return template;
  }
}
