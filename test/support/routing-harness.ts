/**
 * A router and its model side by side: what is done to one is done to the other, and what a stream
 * of bytes makes the router say is taken down in the model's form.
 */

import { readFileSync } from "node:fs";
import type { Access } from "../../src/model/access-plan.ts";
import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { RelationId, ShapeId, StorageKey, TemplateId } from "../../src/model/ids.ts";
import type { RowFilter } from "../../src/model/row-filter.ts";
import { Core, type CoreOptions } from "../../src/router/core.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { GATED_BIT, Router, type RouterOptions } from "../../src/router/router.ts";
import { RunOutcome } from "../../src/router/run-outcome.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import type { ModelBody, ModelShape, ModelTemplate, PlannedWhere } from "./routing-model.ts";

/** Both builds of the same sources; every routing test runs on each. */
export const BUILDS: readonly string[] = ["core.testing.checked.wasm", "core.testing.wasm"];

const modules = new Map<string, WebAssembly.Module>();

export function makeCore(build: string, options: CoreOptions = {}): Core {
  let module = modules.get(build);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(new URL(`../../build/${build}`, import.meta.url)));
    modules.set(build, module);
  }
  return new Core(module, { seed: [1, 2], ...options });
}

/** From `assembly/testing.ts`. */
interface TestingExports {
  routerVerify(): void;
  routerLeftovers(): number;
}

/** A body as the router put it out, with the transaction it belongs to. */
export interface RoutedBody extends ModelBody {
  readonly lsn: bigint;
}

export class RoutingHarness {
  readonly core: Core;
  readonly router: Router;
  readonly table: ShapeTable;
  /** How often the core has asked for a residual. */
  residualCount = 0;
  readonly shapes = new Map<number, ModelShape>();
  readonly #templates = new Map<ModelTemplate, TemplateId>();
  readonly #testing: TestingExports;
  #nextKey = 1;

  constructor(build: string, options: RouterOptions & CoreOptions = {}) {
    this.core = makeCore(build, options);
    this.#testing = this.core.exports as unknown as TestingExports;
    this.router = new Router(this.core, options);
    this.table = new ShapeTable(this.core);
  }

  addRelation(relation: RelationDescription): RelationId {
    return this.router.addRelation(relation)!;
  }

  addTemplate(relation: RelationId, template: ModelTemplate): TemplateId {
    const { terms, columns, replica, planned } = template;
    if (planned !== undefined) return this.#addPlanned(relation, template, planned);
    const branches: readonly Access[] = [
      terms.length === 0 ? { type: "all" } : { type: "equality", terms },
    ];
    const plan = { branches, isExact: true, isConjunction: true };
    const id = this.router.addTemplate(relation, { plan, columns, replica })!;
    this.#templates.set(template, id);
    return id;
  }

  #addPlanned(
    relation: RelationId,
    template: ModelTemplate,
    { plan, matches }: PlannedWhere,
  ): TemplateId {
    const { columns, replica } = template;
    const all = template.relation.columns.map((_, column) => column);
    const residual: RowFilter = {
      columns: all,
      matches: (row, constants) => {
        this.residualCount += 1;
        return matches(
          all.map((column) => row.text(column)),
          constants,
        );
      },
    };
    const description = { plan, columns, replica, ...(plan.isExact ? {} : { residual }) };
    const id = this.router.addTemplate(relation, description)!;
    this.#templates.set(template, id);
    return id;
  }

  addShape(template: ModelTemplate, constants: readonly string[]): ShapeId | undefined {
    const templateId = this.#templates.get(template)!;
    if (this.find(template, constants) !== undefined) return undefined;
    const id = this.table.mint(this.#nextKey++ as StorageKey, 1)!;
    const entries = template.planned?.entriesOf(constants);
    const isAdded = this.router.addShape(id, templateId, encodeConstants(constants), entries);
    if (!isAdded) throw new Error("out of memory budget");
    this.shapes.set(id, { id, template, constants, isGated: false });
    return id;
  }

  removeShape(id: ShapeId): void {
    const { template, constants } = this.shapes.get(id)!;
    // As the server does: entries are made of what the core has kept.
    const kept = this.router.constantsOf(id);
    if (kept.join("\0") !== constants.join("\0"))
      throw new Error(`constants became ${kept.join()}`);
    this.router.removeShape(id, template.planned?.entriesOf(kept));
    this.table.retire(id);
    this.shapes.delete(id);
  }

  setGated(id: ShapeId, isGated: boolean): void {
    this.router.setGated(id, isGated);
    this.shapes.get(id)!.isGated = isGated;
  }

  find(template: ModelTemplate, constants: readonly string[]): ShapeId | undefined {
    return this.router.findShape(this.#templates.get(template)!, encodeConstants(constants));
  }

  route(bytes: Uint8Array): RoutedBody[] {
    return routeAll(this.router, bytes, () => this.takeOutput());
  }

  /** Checks every invariant; in the build with assertions a broken one is a trap. */
  verify(): void {
    this.#testing.routerVerify();
  }

  /** 0 when nothing is left of any shape. */
  get leftovers(): number {
    return this.#testing.routerLeftovers() >>> 0;
  }

  /** Takes the output and clears it. */
  takeOutput(): RoutedBody[] {
    const { router } = this;
    const bodies: RoutedBody[] = [];
    const { bytes, matches, transactionLsn: lsn } = router;
    for (let index = 0; index < router.bodyCount; index++) {
      const address = router.bodyAddress(index);
      const text = Buffer.from(bytes.buffer, address, router.bodySize(index)).toString();
      const first = router.bodyFirstMatch(index);
      const words = matches.subarray(first, first + router.bodyMatchCount(index));
      const gated = [...words].filter((word) => (word & GATED_BIT) !== 0).map(withoutBit);
      if (router.bodyIsGated(index) !== gated.length > 0) throw new Error("bodyIsGated is wrong");
      const ids = [...words].map(withoutBit).sort((a, b) => a - b);
      bodies.push({
        lsn,
        op: router.bodyOp(index),
        text,
        ids,
        gated: gated.sort((a, b) => a - b),
      });
    }
    router.clearOutput();
    return bodies;
  }
}

/** The order of bodies within a change is nobody's business: bodies in a canonical order. */
export function sorted<Body extends ModelBody>(bodies: readonly Body[]): Body[] {
  const nameOf = (body: Body): string => `${body.op} ${body.text} ${body.ids.join()}`;
  return [...bodies].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

function withoutBit(word: number): number {
  return word & ~GATED_BIT;
}

/** Feeds bytes in one piece and runs them to their end. Traffic that is not WAL is an error. */
export function routeAll<Output>(
  router: Router,
  bytes: Uint8Array,
  takeOutput: () => readonly Output[],
): Output[] {
  if (!router.receive(bytes)) throw new Error("out of memory budget");
  const outputs: Output[] = [];
  for (;;) {
    const outcome = router.run();
    outputs.push(...takeOutput());
    if (outcome === RunOutcome.NEEDS_INPUT) return outputs;
    if (outcome === RunOutcome.NEEDS_GROWTH) {
      if (!router.grow()) throw new Error("out of memory budget");
    } else if (outcome !== RunOutcome.COMMIT && outcome !== RunOutcome.OUTPUT_FULL) {
      throw new Error(`unexpected outcome ${outcome}`);
    }
  }
}
