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
import type { RelationId, TemplateId } from "../model/ids.ts";
import { electricSchema } from "../model/electric-schema.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import { keyColumnsOf, quoteTable, type Table } from "../model/table.ts";
import type { Router } from "../router/router.ts";

export interface LiveRelation {
  readonly id: RelationId;
  readonly table: Table;
  templateCount: number;
}

export interface LiveTemplate {
  readonly id: TemplateId;
  readonly template: ShapeTemplate;
  readonly relation: LiveRelation;
  /** The `electric-schema` header (protocol section 9). */
  readonly schemaHeader: string;
  shapeCount: number;
}

export class TemplateRegistry {
  readonly #router: Router;
  readonly #relations = new Map<number, LiveRelation>();
  readonly #relationsById = new Map<RelationId, LiveRelation>();
  readonly #templates = new Map<string, LiveTemplate>();
  readonly #templatesById = new Map<TemplateId, LiveTemplate>();
  readonly #messages = new Map<number, RelationMessage>();

  constructor(router: Router) {
    this.#router = router;
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

  relationOf(oid: number): LiveRelation | undefined {
    return this.#relations.get(oid);
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
   * of memory budget, nothing has changed.
   */
  acquire(template: ShapeTemplate): LiveTemplate | undefined {
    const live = this.#templates.get(template.text) ?? this.#add(template);
    if (live !== undefined) live.shapeCount += 1;
    return live;
  }

  /** Counts one less. The last one takes the template, and perhaps the table, out of the core. */
  release(live: LiveTemplate): void {
    live.shapeCount -= 1;
    if (live.shapeCount > 0) return;
    this.#router.removeTemplate(live.id);
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
  #add(template: ShapeTemplate): LiveTemplate | undefined {
    const known = this.#relations.get(template.table.oid);
    if (known !== undefined && !haveSameColumns(known.table, template.table)) {
      throw new LitzError(`${quoteTable(template.table)} has changed its columns`, {
        code: "SCHEMA_CHANGED",
        httpStatus: 409,
        retriable: true,
      });
    }
    const relation = known ?? this.#addRelation(template.table);
    if (relation === undefined) return undefined;
    const id = this.#router.addTemplate(relation.id, template);
    if (id === undefined) {
      this.#releaseRelation(relation);
      return undefined;
    }
    relation.templateCount += 1;
    const schemaHeader = electricSchema(template.table, template.columns);
    const live = { id, template, relation, schemaHeader, shapeCount: 0 };
    this.#templates.set(template.text, live);
    this.#templatesById.set(id, live);
    return live;
  }

  #addRelation(table: Table): LiveRelation | undefined {
    const id = this.#router.addRelation({
      oid: table.oid,
      schema: table.schema,
      name: table.name,
      columns: table.columns.map((column) => ({
        name: column.name,
        isBool: column.typeName === "bool" && column.dimensionCount === 0,
      })),
      key: keyColumnsOf(table),
    });
    if (id === undefined) return undefined;
    const relation = { id, table, templateCount: 0 };
    this.#relations.set(table.oid, relation);
    this.#relationsById.set(id, relation);
    const message = this.#messages.get(table.oid);
    if (message !== undefined) this.#setLayout(relation, message);
    return relation;
  }

  #releaseRelation(relation: LiveRelation): void {
    if (relation.templateCount > 0) return;
    this.#router.removeRelation(relation.id);
    this.#relations.delete(relation.table.oid);
    this.#relationsById.delete(relation.id);
  }

  #setLayout(relation: LiveRelation, message: RelationMessage): void {
    this.#router.setRelationLayout(relation.id, layoutOf(relation.table, message));
  }
}

/** Templates and layouts speak of columns by their index, which has to mean one and the same. */
function haveSameColumns(one: Table, other: Table): boolean {
  if (one === other) return true;
  if (quoteTable(one) !== quoteTable(other)) return false;
  if (one.columns.length !== other.columns.length) return false;
  return one.columns.every((column, index) => {
    const { name, typeOid, typeModifier } = other.columns[index]!;
    const isSameType = column.typeOid === typeOid && column.typeModifier === typeModifier;
    return column.name === name && isSameType;
  });
}
