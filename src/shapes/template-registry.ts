/**
 * What shapes have in common, kept once: tables and templates, each as long as a shape needs it.
 *
 *     table (oid) ── RelationId ──┬── template (text) ── TemplateId ── shapes: only counted
 *                                 └── template
 *
 * There are as many of these objects as an application has kinds of queries, not as it has shapes.
 * The Relation messages of the running replication session are kept too, one for each table that
 * has changed: Postgres sends one before a table's first change and never again, so a shape that
 * comes later must find it here.
 */

import type { RelationMessage } from "../decoder/pgoutput.ts";
import { layoutOf } from "../decoder/relation-layout.ts";
import { assert } from "../lib/assert.ts";
import { LitzError } from "../lib/errors.ts";
import type { AccessPlan, EqualityKind } from "../model/access-plan.ts";
import type { RelationId, TemplateId } from "../model/ids.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import { keyColumnsOf, quoteTable, type Table } from "../model/table.ts";
import { agree, holdsOn, merge } from "../model/template-columns.ts";
import type { RelationDescription, TemplateDescription } from "../router/descriptions.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import { compileDependentFilter } from "../where/dependent-filter.ts";
import type { EvaluationFacts } from "../where/evaluate.ts";
import { compileFilter } from "../where/filter.ts";
import { timeZoneNamesOf } from "../where/time-zone-names.ts";

/** Of a template without a WHERE. */
const EVERY_ROW: AccessPlan = { branches: [{ type: "all" }], isExact: true, isConjunction: true };

export interface LiveRelation {
  readonly id: RelationId;
  /** The latest description that all of its templates hold on. */
  table: Table;
  templateCount: number;
}

/** Told of tables that come to have shapes and cease to. */
export interface RelationListener {
  /** Also when the table was described anew. False: out of memory budget. */
  added(relation: LiveRelation): boolean;
  /** The last shape is gone, the relation still there. */
  removing(relation: LiveRelation): void;
  unused(table: Table): void;
}

const NOBODY: RelationListener = {
  added: () => true,
  removing: () => undefined,
  unused: () => undefined,
};

export interface LiveTemplate {
  readonly id: TemplateId;
  readonly template: ShapeTemplate;
  readonly relation: LiveRelation;
  shapeCount: number;
}

export class TemplateRegistry {
  readonly #router: Router;
  readonly #views: Views;
  readonly #relations = new Map<number, LiveRelation>();
  readonly #relationsById = new Map<RelationId, LiveRelation>();
  readonly #templates = new Map<string, LiveTemplate>();
  readonly #templatesById = new Map<TemplateId, LiveTemplate>();
  readonly #messages = new Map<number, RelationMessage>();
  readonly #listener: RelationListener;
  readonly #facts: EvaluationFacts;

  /** @param facts of the database, for what is evaluated here. */
  constructor(
    router: Router,
    views: Views,
    listener: RelationListener = NOBODY,
    facts: EvaluationFacts = {},
  ) {
    this.#router = router;
    this.#views = views;
    this.#listener = listener;
    this.#facts = facts;
  }

  get templateCount(): number {
    return this.#templates.size;
  }

  find(text: string): LiveTemplate | undefined {
    return this.#templates.get(text);
  }

  get(id: TemplateId): LiveTemplate {
    const live = this.#templatesById.get(id);
    assert(live !== undefined, `template ${id} is live`);
    return live;
  }

  has(id: TemplateId): boolean {
    return this.#templatesById.has(id);
  }

  relationOf(oid: number): LiveRelation | undefined {
    return this.#relations.get(oid);
  }

  /** In the order of their making. */
  all(): readonly LiveTemplate[] {
    return [...this.#templates.values()];
  }

  /** How a table's rows are laid out in this session. */
  messageOf(oid: number): RelationMessage | undefined {
    return this.#messages.get(oid);
  }

  /** The templates of a table, in the order of their making. */
  templatesOf(relation: RelationId): readonly LiveTemplate[] {
    return [...this.#templates.values()].filter((live) => live.relation.id === relation);
  }

  /**
   * From now on the table is described so. False: out of memory budget, nothing has changed.
   * REQUIRES: every live template of it holds on the description (`model/template-columns.ts`).
   */
  redefine(relation: LiveRelation, table: Table): boolean {
    if (relation.table === table) return true;
    if (!this.#router.redescribeRelation(relation.id, describe(table))) return false;
    relation.table = table;
    const message = this.#messages.get(table.oid);
    if (message !== undefined) this.#setLayout(relation, message);
    return this.#listener.added(relation);
  }

  /** Names of the time zones that the filters of live templates need, before the first row. */
  timeZoneNames(): readonly string[] {
    const names = new Set<string>();
    for (const { template } of this.#templates.values()) {
      if (template.where === undefined) continue;
      for (const name of timeZoneNamesOf(template.where.expression)) names.add(name);
    }
    return [...names];
  }

  /** Tables that have shapes. */
  relationOids(): readonly number[] {
    return [...this.#relations.keys()];
  }

  oidOf(id: RelationId): number {
    const relation = this.#relationsById.get(id);
    assert(relation !== undefined, `relation ${id} is live`);
    return relation.table.oid;
  }

  /**
   * Counts one more shape of this template; makes the core know it first if need be. Undefined: out
   * of memory budget, nothing has changed. REQUIRES: the templates of its dependencies are live.
   *
   * @param kinds of a view: how each projected value becomes a key.
   */
  acquire(template: ShapeTemplate, kinds: readonly EqualityKind[] = []): LiveTemplate | undefined {
    const live = this.#templates.get(template.text) ?? this.#add(template, kinds);
    if (live !== undefined) live.shapeCount += 1;
    return live;
  }

  /** Counts one less. The last one takes the template, and perhaps the table, out of the core. */
  release(live: LiveTemplate): void {
    live.shapeCount -= 1;
    if (live.shapeCount > 0) return;
    this.#router.removeTemplate(live.id);
    if (live.template.projection !== undefined) this.#views.removeFamily(live.id);
    this.#templates.delete(live.template.text);
    this.#templatesById.delete(live.id);
    live.relation.templateCount -= 1;
    this.#releaseRelation(live.relation);
  }

  /** Remembers how a table's rows are laid out in this session, and tells the core. */
  describe(message: RelationMessage): void {
    this.#messages.set(message.oid, message);
    const relation = this.#relations.get(message.oid);
    if (relation !== undefined) this.#setLayout(relation, message);
  }

  /** A new session describes every table anew. */
  forgetMessages(): void {
    this.#messages.clear();
  }

  /** @throws {LitzError} SCHEMA_CHANGED when shapes are live that know the table otherwise. */
  #add(template: ShapeTemplate, kinds: readonly EqualityKind[]): LiveTemplate | undefined {
    const { table } = template;
    const known = this.#relations.get(table.oid);
    if (known !== undefined && !this.#learn(known, template)) return undefined;
    const relation = known ?? this.#addRelation(table);
    if (relation === undefined) return undefined;
    const id = this.#addToCore(relation.id, template, kinds);
    if (id === undefined) {
      this.#releaseRelation(relation);
      return undefined;
    }
    relation.templateCount += 1;
    const live = { id, template, relation, shapeCount: 0 };
    this.#templates.set(template.text, live);
    this.#templatesById.set(id, live);
    return live;
  }

  #addToCore(
    relation: RelationId,
    template: ShapeTemplate,
    kinds: readonly EqualityKind[],
  ): TemplateId | undefined {
    const id = this.#router.addTemplate(relation, this.#describe(template));
    if (id === undefined || template.projection === undefined) return id;
    if (this.#views.addFamily(id, kinds)) return id;
    this.#router.removeTemplate(id);
    return undefined;
  }

  #describe(template: ShapeTemplate): TemplateDescription {
    const { where, projection, replica } = template;
    const view = projection === undefined ? {} : ({ isView: true } as const);
    const columns = projection ?? template.columns;
    if (where === undefined) return { plan: EVERY_ROW, columns, replica, ...view };
    const { plan, subqueries } = where;
    if (subqueries !== undefined) {
      const families = subqueries.dependencies.map(({ template: { text } }) => {
        const family = this.#templates.get(text);
        assert(family !== undefined, "a view is live before the shapes that use it");
        return family.id;
      });
      const filter = compileDependentFilter(where, this.#facts);
      const dependent = { subqueries, families, filter, table: template.table };
      return { plan, columns, replica, dependent, ...view };
    }
    const residual = plan.isExact ? {} : { residual: compileFilter(where, this.#facts) };
    return { plan, columns, replica, ...residual, ...view };
  }

  /**
   * Makes the relation's description one that the template holds on too, which it is unless one of
   * the two is out of date. False: out of memory budget, nothing has changed.
   *
   * @throws {LitzError} SCHEMA_CHANGED when they contradict each other.
   */
  #learn(relation: LiveRelation, template: ShapeTemplate): boolean {
    const { table } = template;
    if (relation.table.isPartial === undefined && holdsOn(relation.table, template)) return true;
    if (agree(relation.table, table)) return this.redefine(relation, merge(relation.table, table));
    throw new LitzError(`${quoteTable(table)} has changed its columns`, {
      code: "SCHEMA_CHANGED",
      httpStatus: 409,
      retriable: true,
    });
  }

  #addRelation(table: Table): LiveRelation | undefined {
    const id = this.#router.addRelation(describe(table));
    if (id === undefined) return undefined;
    const relation = { id, table, templateCount: 0 };
    this.#relations.set(table.oid, relation);
    this.#relationsById.set(id, relation);
    const message = this.#messages.get(table.oid);
    if (message !== undefined) this.#setLayout(relation, message);
    if (!this.#listener.added(relation)) {
      this.#releaseRelation(relation);
      return undefined;
    }
    return relation;
  }

  #releaseRelation(relation: LiveRelation): void {
    if (relation.templateCount > 0) return;
    this.#listener.removing(relation);
    this.#router.removeRelation(relation.id);
    this.#relations.delete(relation.table.oid);
    this.#relationsById.delete(relation.id);
    this.#listener.unused(relation.table);
  }

  #setLayout(relation: LiveRelation, message: RelationMessage): void {
    this.#router.setRelationLayout(relation.id, layoutOf(relation.table, message));
  }
}

function describe(table: Table): RelationDescription {
  return {
    oid: table.oid,
    schema: table.schema,
    name: table.name,
    columns: table.columns.map((column) => ({
      name: column.name,
      isBool: column.typeName === "bool" && column.dimensionCount === 0,
    })),
    key: keyColumnsOf(table),
  };
}
