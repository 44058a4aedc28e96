/**
 * Shapes with a subquery in the router of this project: a view of each distinct subquery, whose
 * values are applied as the rows of its table would be, and shapes that refer to it.
 */

import type { Access, AccessEntry, AccessPlan } from "../../model/access-plan.ts";
import { encodeConstants } from "../../model/constants-codec.ts";
import type { ShapeId, StorageKey, TemplateId } from "../../model/ids.ts";
import type { DependentFilter } from "../../model/row-filter.ts";
import type { Literal } from "../../model/subquery.ts";
import { Accounting } from "../../router/accounting.ts";
import type { Core } from "../../router/core.ts";
import { Router } from "../../router/router.ts";
import { ShapeTable } from "../../router/shape-table.ts";
import { Views } from "../../router/views.ts";
import type { RelationSpec } from "../baseline/routing-engine.ts";
import { granted, structuresOf } from "../core-engine.ts";
import type { StructureReport } from "../structure-report.ts";
import type { Population } from "../workload.ts";
import type { SubquerySet } from "./subquery-set.ts";

const GRANTS = relationOf(16_800, "grants", ["id", "role", "item"]);
const ITEMS = relationOf(16_801, "items", ["id", "item", "kind"]);
const ROLE = 1;
const GRANTED_ITEM = 2;
const ITEM = 1;
const KIND = 2;

/** Removals between two rounds of sweeping what removed views have left behind. */
const REMOVALS_PER_SWEEP = 1024;
const SWEPT_PAIRS = 65_536;

export class CoreSubqueries implements Population {
  readonly #set: SubquerySet;
  readonly #router: Router;
  readonly #shapes: ShapeTable;
  readonly #views: Views;
  readonly #accounting: Accounting;
  readonly #viewTemplate: TemplateId;
  readonly #template: TemplateId;
  /** Removed, and not yet forgotten by the core. */
  readonly #dying = new Set<ShapeId>();
  #keys = 0;
  #removals = 0;

  constructor(set: SubquerySet, core: Core) {
    this.#set = set;
    this.#router = new Router(core);
    this.#shapes = new ShapeTable(core);
    this.#views = new Views(core);
    this.#accounting = new Accounting(core);
    this.#viewTemplate = this.#addViewTemplate();
    this.#template = this.#addTemplate();
  }

  add(shape: number): void {
    const subquery = this.#set.subselectOf(shape);
    const view = this.#findView(subquery) ?? this.#addView(subquery);
    this.#keys += 1;
    const id = granted(this.#shapes.mint(this.#keys as StorageKey, 0));
    this.#route(id, this.#template, this.#constantsOf(shape, view), this.#entriesOf(shape, view));
  }

  remove(shape: number): void {
    const view = this.#findView(this.#set.subselectOf(shape))!;
    const constants = encodeConstants(this.#constantsOf(shape, view));
    const id = this.#router.findShape(this.#template, constants)!;
    this.#router.removeShape(id, this.#entriesOf(shape, view));
    this.#shapes.retire(id);
    if (this.#router.usersOf(view).ids.length === 0) {
      this.#router.removeShape(view);
      this.#views.removeView(view);
      this.#dying.add(view);
    }
    this.#removals += 1;
    if (this.#removals % REMOVALS_PER_SWEEP === 0) this.sweep();
  }

  has(shape: number): boolean {
    const view = this.#findView(this.#set.subselectOf(shape));
    if (view === undefined) return false;
    const constants = encodeConstants(this.#constantsOf(shape, view));
    return this.#router.findShape(this.#template, constants) !== undefined;
  }

  structures(): readonly StructureReport[] {
    return structuresOf(this.#accounting);
  }

  #findView(subquery: number): ShapeId | undefined {
    return this.#router.findShape(this.#viewTemplate, encodeConstants([String(subquery)]));
  }

  #addView(subquery: number): ShapeId {
    const view = granted(this.#shapes.mintView());
    this.#route(view, this.#viewTemplate, [String(subquery)], []);
    this.#views.addView(view, this.#viewTemplate);
    for (const value of this.#set.valuesOf(subquery)) {
      const outcome = this.#views.apply(view, encodeConstants([value]), 1);
      if (outcome !== "applied") throw new RangeError(`a value is ${outcome}`);
    }
    return view;
  }

  /** As they are routed: those of the WHERE, and the view behind them. */
  #constantsOf(shape: number, view: ShapeId): readonly string[] {
    return this.#set.isShared ? [String(shape), String(view)] : [String(view)];
  }

  #entriesOf(shape: number, view: ShapeId): readonly AccessEntry[] {
    if (!this.#set.isShared) return [{ branch: 0, values: [String(view)] }];
    return [
      { branch: 0, values: [String(shape)] },
      { branch: 1, values: [String(view)] },
    ];
  }

  #route(
    id: ShapeId,
    template: TemplateId,
    constants: readonly string[],
    entries: readonly AccessEntry[],
  ): void {
    const isAdded = this.#router.addShape(id, template, encodeConstants(constants), entries);
    if (!isAdded) throw new RangeError("out of memory");
  }

  /** Lets the core forget removed views, so that their ids can be used again. */
  sweep(): void {
    while (!this.#views.sweep(SWEPT_PAIRS));
    for (const view of this.#dying) {
      if (!this.#views.isSwept(view)) continue;
      this.#dying.delete(view);
      this.#shapes.retire(view);
    }
    this.#shapes.advanceEpoch();
  }

  /** `SELECT item FROM grants WHERE role = $1` */
  #addViewTemplate(): TemplateId {
    const relation = granted(this.#router.addRelation(GRANTS));
    const template = granted(
      this.#router.addTemplate(relation, {
        plan: {
          branches: [{ type: "equality", terms: [{ column: ROLE, kind: "int" }] }],
          isExact: true,
          isConjunction: true,
        },
        columns: [GRANTED_ITEM],
        replica: "default",
        isView: true,
      }),
    );
    granted(this.#views.addFamily(template, [this.#set.kind]) || undefined);
    return template;
  }

  /** `item IN (...)`, or `kind = $1 AND item IN (...)`, as the planner has them looked up. */
  #addTemplate(): TemplateId {
    const relation = granted(this.#router.addRelation(ITEMS));
    const { kind } = this.#set;
    const membership: Access = {
      type: "subquery",
      terms: [{ column: ITEM, kind }],
      dependency: 0,
    };
    const equality: Access = { type: "equality", terms: [{ column: KIND, kind: "int" }] };
    const plan: AccessPlan = this.#set.isShared
      ? { branches: [equality], listed: [membership], isExact: false }
      : { branches: [membership], isExact: true };
    const literals: Literal[] = [
      { is: "membership", dependency: 0, columns: [ITEM], isNegated: false },
    ];
    return granted(
      this.#router.addTemplate(relation, {
        plan,
        columns: [...ITEMS.columns.keys()],
        replica: "default",
        dependent: {
          subqueries: { dependencies: [{ kinds: [kind] }], literals, disjuncts: [[0]] },
          families: [this.#viewTemplate],
          filter: NEVER_ASKED,
          table: ITEMS,
        },
      }),
    );
  }
}

/** Nothing is routed here. */
const NEVER_ASKED: DependentFilter = {
  columns: [ITEM, KIND],
  judge: () => {
    throw new Error("no row is routed to these shapes");
  },
};

function relationOf(oid: number, name: string, columns: readonly string[]): RelationSpec {
  const described = columns.map((column) => ({ name: column, isBool: false }));
  return { oid, schema: "public", name, columns: described, key: [0] };
}
