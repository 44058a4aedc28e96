/**
 * A router whose shapes are clauses, as the planner hands them to the core, and beside it what
 * Postgres makes of them.
 *
 *     row of the stream   ┌────┬───────────────────┬─────┐    id: of the sample, which Postgres was
 *                         │ id │ columns of things │ key │    asked about; key: of its own, so that
 *                         └────┴───────────────────┴─────┘    a row can change and keep its key
 */

import assert from "node:assert/strict";
import { encodeConstants } from "../../src/model/constants-codec.ts";
import type { RelationId, ShapeId, StorageKey, TemplateId } from "../../src/model/ids.ts";
import type { ShapeDefinition, WhereTemplate } from "../../src/model/shape-definition.ts";
import type { Table } from "../../src/model/table.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { entriesOf } from "../../src/where/access-entries.ts";
import { compileFilter } from "../../src/where/filter.ts";
import * as pgoutput from "../support/pgoutput.ts";
import type { Tuple } from "../support/pgoutput.ts";
import { RoutingHarness } from "../support/routing-harness.ts";
import {
  route,
  type Change,
  type ModelBody,
  type ModelShape,
  type Row,
} from "../support/routing-model.ts";
import type { GeneratedClause } from "./clause-generator.ts";
import type { Comparison } from "./comparison.ts";

/** A clause that Postgres and our evaluator agree upon, and that does not select every row. */
export interface AnsweredClause extends GeneratedClause {
  readonly definition: ShapeDefinition;
  readonly where: WhereTemplate;
  /** Ids of the samples that it selects. */
  readonly selected: ReadonlySet<string>;
}

interface RoutedClause {
  readonly clause: AnsweredClause;
  /** Asks Postgres' answer. */
  readonly model: ModelShape;
}

export class RoutedClauses {
  readonly #harness: RoutingHarness;
  readonly #facts: Comparison["facts"];
  readonly #relation: RelationDescription;
  readonly #relationId: RelationId;
  readonly #templates = new Map<string, TemplateId>();
  readonly #shapes = new Map<ShapeId, RoutedClause>();
  #keys = 0;
  #lsn = 1n;

  constructor(build: string, { table, facts }: Comparison) {
    this.#harness = new RoutingHarness(build);
    this.#facts = facts;
    this.#relation = describe(table);
    this.#relationId = this.#harness.addRelation(this.#relation);
  }

  /** If there is no shape yet that means the same. */
  add(clause: AnsweredClause): void {
    const { router, table } = this.#harness;
    const { where } = clause;
    const { constants } = clause.definition;
    const template = this.#templateOf(clause);
    if (router.findShape(template, encodeConstants(constants)) !== undefined) return;
    const id = table.mint(++this.#keys as StorageKey, 1)!;
    const entries = entriesOf(where, () => constants);
    assert.ok(router.addShape(id, template, encodeConstants(constants), entries));
    this.#shapes.set(id, { clause, model: this.#modelOf(clause, id) });
  }

  /** A transaction in two pieces, cut at such a share of its bytes. What was routed is compared. */
  route(changes: readonly Change[], cut = 0): void {
    const lsn = this.#lsn++;
    const xid = Number(lsn) + 700;
    const messages = changes.map((change) => encode(this.#relation.oid, change));
    const bytes = pgoutput.transaction(lsn, xid, messages);
    const middle = Math.floor(cut * bytes.length);
    const pieces = [bytes.subarray(0, middle), bytes.subarray(middle)];
    const actual = byShape(pieces.flatMap((piece) => this.#harness.route(piece)));
    const models = [...this.#shapes.values()].map(({ model }) => model);
    const expected = byShape(
      changes.flatMap((change, index) => {
        return route(models, this.#relation, change, index * 2, { lsn, xid });
      }),
    );
    for (const [id, { clause }] of this.#shapes) {
      assert.deepEqual(actual.get(id) ?? [], expected.get(id) ?? [], explain(clause));
    }
    assert.deepEqual(this.#harness.router.takeFailures(), []);
  }

  /** What the server does with a shape that goes. */
  removeUnless(isKept: (clause: AnsweredClause) => boolean): void {
    const { router, table } = this.#harness;
    for (const [id, { clause }] of this.#shapes) {
      if (isKept(clause)) continue;
      const kept = router.constantsOf(id);
      assert.deepEqual(kept, clause.definition.constants, explain(clause));
      router.removeShape(
        id,
        entriesOf(clause.where, () => kept),
      );
      table.retire(id);
      this.#shapes.delete(id);
    }
    this.verify();
  }

  verify(): void {
    this.#harness.verify();
  }

  /** Nothing is left. REQUIRES: every shape has been removed. */
  close(): void {
    const { router } = this.#harness;
    for (const template of this.#templates.values()) router.removeTemplate(template);
    router.removeRelation(this.#relationId);
    this.verify();
    assert.equal(this.#harness.leftovers, 0);
  }

  #templateOf({ definition: { template }, where }: AnsweredClause): TemplateId {
    const known = this.#templates.get(template.text);
    if (known !== undefined) return known;
    const { plan } = where;
    const { replica } = template;
    const residual = plan.isExact ? {} : { residual: compileFilter(where, this.#facts) };
    const description = { plan, replica, columns: this.#allColumns(), ...residual };
    const id = this.#harness.router.addTemplate(this.#relationId, description)!;
    this.#templates.set(template.text, id);
    return id;
  }

  #modelOf({ text, definition, where, selected }: AnsweredClause, id: ShapeId): ModelShape {
    const { replica } = definition.template;
    const planned = {
      name: text,
      plan: where.plan,
      entriesOf: () => [],
      matches: ([sample]: Row) => selected.has(sample!),
    };
    const columns = this.#allColumns();
    const template = { relation: this.#relation, terms: [], columns, replica, planned };
    return { id, template, constants: definition.constants, isGated: false };
  }

  #allColumns(): readonly number[] {
    return this.#relation.columns.map((_, column) => column);
  }
}

/** Of a table, with a key at the end. */
function describe({ oid, schema, name, columns }: Table): RelationDescription {
  const described = columns.map(({ name, typeName, dimensionCount }) => {
    return { name, isBool: typeName === "bool" && dimensionCount === 0 };
  });
  const key = { name: "key", isBool: false };
  return { oid, schema, name, columns: [...described, key], key: [columns.length] };
}

function encode(oid: number, change: Change): Buffer {
  if (change.type === "insert") return pgoutput.insert(oid, change.newRow as Tuple);
  const old = { kind: "O", tuple: change.oldRow as Tuple } as const;
  return change.type === "delete"
    ? pgoutput.remove(oid, old)
    : pgoutput.update(oid, change.newRow as Tuple, old);
}

/** What each shape gets, in order. */
function byShape(bodies: readonly ModelBody[]): Map<number, string[]> {
  const texts = new Map<number, string[]>();
  for (const { ids, text } of bodies) {
    for (const id of ids) {
      const known = texts.get(id);
      if (known === undefined) texts.set(id, [text]);
      else known.push(text);
    }
  }
  return texts;
}

function explain({ text, parameters, where, definition }: AnsweredClause): string {
  return [
    text,
    `  parameters ${JSON.stringify(parameters)}`,
    `  constants  ${JSON.stringify(definition.constants)}`,
    `  plan       ${JSON.stringify(where.plan)}`,
  ].join("\n");
}
