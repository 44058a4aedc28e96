/**
 * A router, views and their model side by side, for shapes with subqueries: what is done to one is
 * done to the other, and what comes out is taken down per shape.
 */

import type { AccessEntry } from "../../src/model/access-plan.ts";
import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { ShapeId, StorageKey, TemplateId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { MembershipBit, type DependentFilter } from "../../src/model/row-filter.ts";
import type { Literal } from "../../src/model/subquery.ts";
import type { ViewPosition } from "../../src/model/view.ts";
import type { Core, CoreOptions } from "../../src/router/core.ts";
import type { RelationDescription, TemplateDescription } from "../../src/router/descriptions.ts";
import { matchedShape, Router, type RouterOptions } from "../../src/router/router.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { Views } from "../../src/router/views.ts";
import { encodeTuple } from "../../src/model/view-tuple.ts";
import { makeCore, routeAll } from "./routing-harness.ts";
import type {
  Delivery,
  DependentShape,
  DependentTemplate,
  Family,
  Tuple,
  ViewState,
} from "./subquery-model.ts";

/** A family of views: all rows of a table whose column `by` has a value. */
export interface ViewTemplate extends Family {
  readonly relation: RelationDescription;
  readonly projection: readonly number[];
  readonly by: number;
}

/** From `assembly/testing.ts`. */
interface TestingExports {
  routerVerify(): void;
  routerLeftovers(): number;
}

export class SubqueryHarness {
  readonly core: Core;
  readonly router: Router;
  readonly views: Views;
  readonly table: ShapeTable;
  readonly shapes = new Map<number, DependentShape>();
  /** By family: the ids of its views, and the constant that each has. */
  readonly viewIds: ShapeId[][] = [];
  /** What the views have at each position, the last one being now. */
  readonly states: Map<number, readonly Tuple[]>[] = [new Map<number, readonly Tuple[]>()];
  readonly families: TemplateId[] = [];
  readonly #relations = new Map<RelationDescription, ReturnType<Router["addRelation"]>>();
  readonly #templates = new Map<DependentTemplate, TemplateId>();
  readonly #testing: TestingExports;
  #nextKey = 1;

  constructor(build: string, options: RouterOptions & CoreOptions = {}) {
    this.core = makeCore(build, options);
    this.#testing = this.core.exports as unknown as TestingExports;
    this.router = new Router(this.core, options);
    this.views = new Views(this.core);
    this.table = new ShapeTable(this.core);
  }

  relationOf(relation: RelationDescription) {
    const known = this.#relations.get(relation);
    if (known !== undefined) return known;
    const id = this.router.addRelation(relation)!;
    this.#relations.set(relation, id);
    return id;
  }

  /** Makes a family with a view for each constant. */
  addFamily(family: ViewTemplate, constants: readonly string[]): void {
    const { relation, projection, by, kinds } = family;
    const plan: TemplateDescription["plan"] = {
      branches: [{ type: "equality", terms: [{ column: by, kind: "text" }] }],
      isExact: true,
      isConjunction: true,
    };
    const description = { plan, columns: projection, replica: "default", isView: true } as const;
    const template = this.router.addTemplate(this.relationOf(relation), description)!;
    if (!this.views.addFamily(template, kinds)) throw new Error("out of memory budget");
    this.families.push(template);
    const ids = constants.map((constant) => {
      const view = this.table.mintView()!;
      this.router.addShape(view, template, encodeConstants([constant]));
      this.views.addView(view, template);
      this.states.at(-1)!.set(view, []);
      return view;
    });
    this.viewIds.push(ids);
  }

  addTemplate(template: DependentTemplate): TemplateId {
    const { plan, columns, replica, isView, relation } = template;
    const families = template.dependencies.map((family) => this.families[family]!);
    const dependent = {
      subqueries: {
        dependencies: template.dependencies.map((family) => ({ kinds: this.kindsOf[family]! })),
        literals: template.literals.map(literalOf),
        disjuncts: template.disjuncts,
      },
      families,
      filter: filterOf(template),
      table: relation,
    };
    const description = { plan, columns, replica, dependent, ...(isView && { isView }) };
    const id = this.router.addTemplate(this.relationOf(relation), description)!;
    this.#templates.set(template, id);
    return id;
  }

  readonly kindsOf: Family["kinds"][] = [];

  templateId(template: DependentTemplate): TemplateId {
    return this.#templates.get(template)!;
  }

  /** Undefined: there is one like it. */
  addShape(template: DependentTemplate, constants: readonly string[]): ShapeId | undefined {
    const templateId = this.templateId(template);
    const encoded = encodeConstants(constants);
    if (this.router.findShape(templateId, encoded) !== undefined) return undefined;
    const id = this.table.mint(this.#nextKey++ as StorageKey, 1)!;
    if (!this.router.addShape(id, templateId, encoded, entriesOf(template, constants))) {
      this.table.retire(id);
      return undefined;
    }
    this.shapes.set(id, { id, template, constants, isGated: false });
    return id;
  }

  removeShape(id: number): void {
    const { template, constants } = this.shapes.get(id)!;
    this.router.removeShape(id as ShapeId, entriesOf(template, constants));
    this.table.retire(id as ShapeId);
    this.shapes.delete(id);
  }

  setGated(id: number, isGated: boolean): void {
    this.router.setGated(id as ShapeId, isGated);
    this.shapes.get(id)!.isGated = isGated;
  }

  /** One step: tuples come to a view, or go, where it has them. */
  step(changes: readonly { view: ShapeId; tuple: Tuple; isNew: boolean }[]): void {
    const next = new Map(this.states.at(-1));
    this.views.beginStep(this.states.length as ViewPosition);
    for (const { view, tuple, isNew } of changes) {
      const tuples = next.get(view)!;
      const place = tuples.findIndex((other) => other.every((text, n) => text === tuple[n]));
      if (!isNew && place < 0) continue;
      next.set(view, isNew ? [...tuples, tuple] : tuples.filter((_, n) => n !== place));
      const outcome = this.views.apply(view, encodeTuple(tuple), isNew ? 1 : -1);
      if (outcome !== "applied") throw new Error(outcome);
    }
    this.views.endStep();
    this.states.push(next);
  }

  stateAt(position: number): ViewState {
    return this.states[position]!;
  }

  get now(): number {
    return this.states.length - 1;
  }

  route(bytes: Uint8Array): Delivery[] {
    return routeAll(this.router, bytes, () => this.takeOutput());
  }

  replay(
    template: DependentTemplate,
    message: Uint8Array,
    at: { readonly lsn: bigint; readonly xid: number; readonly op: number },
    mode: "change" | "fetched",
    positionsOf: (id: number) => { old: number; new: number } | undefined,
  ): Delivery[] {
    this.router.positionsOf = (id) => {
      const positions = positionsOf(id);
      return (
        positions && { old: positions.old as ViewPosition, new: positions.new as ViewPosition }
      );
    };
    const where = { ...at, lsn: at.lsn as Lsn };
    if (!this.router.replay(this.templateId(template), message, where, mode)) {
      throw new Error("the row cannot be read");
    }
    return this.takeOutput();
  }

  takeOutput(): Delivery[] {
    const { router } = this;
    const deliveries: Delivery[] = [];
    const seen = new Set<string>();
    for (let index = 0; index < router.bodyCount; index++) {
      const address = router.bodyAddress(index);
      const bytes = Buffer.from(router.bytes.buffer, address, router.bodySize(index));
      const text = bytes.toString("latin1");
      const op = router.bodyOp(index);
      const first = router.bodyFirstMatch(index);
      const ids = [...router.matches.subarray(first, first + router.bodyMatchCount(index))];
      const template = router.templateOf(matchedShape(ids[0]!));
      const name = `${op} ${template} ${text}`;
      if (seen.has(name)) throw new Error(`written twice: ${name}`);
      seen.add(name);
      for (const id of ids) deliveries.push({ id, op, text });
    }
    router.clearOutput();
    return deliveries;
  }

  verify(): void {
    this.#testing.routerVerify();
  }

  get leftovers(): number {
    return this.#testing.routerLeftovers() >>> 0;
  }
}

/** What a shape has in its plan: own constants in equalities, its views in subqueries. */
export function entriesOf(
  { plan, dependencies }: DependentTemplate,
  constants: readonly string[],
): readonly AccessEntry[] {
  return [...plan.branches, ...(plan.listed ?? [])].map((access, branch) => {
    if (access.type !== "subquery") return { branch, values: [] };
    const place = constants.length - dependencies.length + access.dependency;
    return { branch, values: [constants[place]!] };
  });
}

function literalOf(literal: DependentTemplate["literals"][number]): Literal {
  if ("test" in literal) {
    // The core is told only that it is none of a view.
    const condition = { node: "constant" } as unknown as Extract<Literal, { is: "condition" }>;
    return { is: "condition", condition: condition.condition };
  }
  return { is: "membership", ...literal };
}

function filterOf({ literals, disjuncts, read }: DependentTemplate): DependentFilter {
  return {
    columns: read,
    judge: (reader, constants, membership, active) => {
      literals.forEach((literal, index) => {
        active[index] = isTrue(literal, index) ? 1 : 0;
      });
      return disjuncts.some((disjunct) => disjunct.every((index) => active[index] === 1));

      function isTrue(literal: (typeof literals)[number], index: number): boolean {
        if ("test" in literal) {
          const row = Array.from({ length: 1 + Math.max(...read) }, (_, column) =>
            read.includes(column) ? reader.text(column) : null,
          );
          return literal.test(row, constants);
        }
        const bits = membership(index);
        const isMember = (bits & MembershipBit.IS_MEMBER) !== 0;
        if (!literal.isNegated) return isMember;
        if ((bits & MembershipBit.VIEW_IS_EMPTY) !== 0) return true;
        const nulls = MembershipBit.LEFT_HAS_NULL | MembershipBit.VIEW_HAS_NULL;
        return !isMember && (bits & nulls) === 0;
      }
    },
  };
}
