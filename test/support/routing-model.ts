/**
 * What routing means, written down as plainly as possible: every shape is asked about every change,
 * rows are arrays of strings and bodies are made by JSON.stringify. The router's tests compare with
 * it, and nothing here is meant to be fast.
 */

import type { AccessEntry, AccessPlan, AccessTerm } from "../../src/model/access-plan.ts";
import type { ReplicaMode } from "../../src/model/shape-definition.ts";
import { quoteTable } from "../../src/model/table.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { UNCHANGED } from "./pgoutput.ts";

/** A row in catalog order; undefined where the stream does not carry the column. */
export type Row = readonly (string | null | undefined)[];

/** A row in which values may be left out as unchanged. */
export type SentRow = readonly (string | null | undefined | typeof UNCHANGED)[];

export type Change =
  | { readonly type: "insert"; readonly newRow: Row }
  | { readonly type: "update"; readonly oldRow: Row; readonly newRow: SentRow }
  | { readonly type: "delete"; readonly oldRow: Row };

export interface ModelTemplate {
  readonly relation: RelationDescription;
  /** Of kinds int, uuid and text. */
  readonly terms: readonly AccessTerm[];
  readonly columns: readonly number[];
  readonly replica: ReplicaMode;
  /** What it is in place of an AND of its terms, which are none then. */
  readonly planned?: PlannedWhere;
}

/** A WHERE of any other form: how the core finds its shapes, and what it means. */
export interface PlannedWhere {
  readonly name: string;
  readonly plan: AccessPlan;
  readonly entriesOf: (constants: readonly string[]) => readonly AccessEntry[];
  /** Written for the test: it shares nothing with what it is compared with. */
  readonly matches: (row: Row, constants: readonly string[]) => boolean;
}

export interface ModelShape {
  readonly id: number;
  readonly template: ModelTemplate;
  readonly constants: readonly string[];
  isGated: boolean;
}

export interface ModelBody {
  readonly op: number;
  readonly text: string;
  /** Ascending. */
  readonly ids: number[];
  /** Those of `ids` that are gated. */
  readonly gated: number[];
}

/** Two kinds of shapes get different bodies if and only if their projections differ. */
export function projectionOf({ columns, replica }: ModelTemplate): string {
  return `${columns.join(",")} ${replica}`;
}

/** What a change sends to whom, one body per projection and text, in no particular order. */
export function route(
  shapes: Iterable<ModelShape>,
  relation: RelationDescription,
  change: Change,
  op: number,
  transaction: { readonly lsn: bigint; readonly xid: number },
): ModelBody[] {
  const bodies = new Map<string, ModelBody>();
  for (const shape of shapes) {
    if (shape.template.relation !== relation) continue;
    for (const { position, body } of messagesFor(shape, change, op)) {
      const headers = {
        operation: body.operation,
        relation: [relation.schema, relation.name],
        txids: [transaction.xid],
        lsn: transaction.lsn.toString(),
        op_position: position,
        ...body.keyChange,
      };
      const text = JSON.stringify({ key: body.key, ...body.values, headers });
      const name = `${projectionOf(shape.template)} ${text}`;
      const known = bodies.get(name) ?? { op: position, text, ids: [], gated: [] };
      bodies.set(name, known);
      known.ids.push(shape.id);
      if (shape.isGated) known.gated.push(shape.id);
    }
  }
  for (const { ids, gated } of bodies.values()) {
    ids.sort((a, b) => a - b);
    gated.sort((a, b) => a - b);
  }
  return [...bodies.values()];
}

interface Body {
  readonly operation: "insert" | "update" | "delete";
  readonly key: string;
  readonly values: object;
  readonly keyChange?: object;
}

function messagesFor(
  { template, constants }: ModelShape,
  change: Change,
  op: number,
): { position: number; body: Body }[] {
  const oldRow = change.type === "insert" ? undefined : change.oldRow;
  const newRow = newRowOf(change);
  const wasIn = oldRow !== undefined && belongs(oldRow, template, constants);
  const isIn = newRow !== undefined && belongs(newRow, template, constants);

  const one = (body: Body) => [{ position: op, body }];
  if (wasIn && isIn) {
    const oldKey = keyOf(template, oldRow);
    const newKey = keyOf(template, newRow);
    if (oldKey === newKey) return update(template, oldRow, newRow).flatMap(one);
    const deleted = deletion(template, oldRow, { key_change_to: newKey });
    const inserted = insertion(template, newRow, { key_change_from: oldKey });
    return [...one(deleted), { position: op + 1, body: inserted }];
  }
  if (isIn) return one(insertion(template, newRow));
  if (wasIn) return one(deletion(template, oldRow));
  return [];
}

function newRowOf(change: Change): Row | undefined {
  if (change.type === "delete") return undefined;
  if (change.type === "insert") return change.newRow;
  return change.newRow.map((value, column) => {
    return value === UNCHANGED ? change.oldRow[column] : value;
  });
}

function belongs(row: Row, template: ModelTemplate, constants: readonly string[]): boolean {
  const { terms, planned } = template;
  if (planned !== undefined) return planned.matches(row, constants);
  return terms.every(({ column, kind }, index) => {
    const value = row[column];
    if (value === null || value === undefined) return false;
    return kind === "int" ? areSameInt(value, constants[index]!) : value === constants[index];
  });
}

function areSameInt(a: string, b: string): boolean {
  return /^-?[0-9]+$/.test(a) && BigInt(a) === BigInt(b);
}

function insertion(template: ModelTemplate, row: Row, keyChange: object = {}): Body {
  const value = pick(template, row, template.columns);
  return { operation: "insert", key: keyOf(template, row), values: { value }, keyChange };
}

function deletion(template: ModelTemplate, row: Row, keyChange: object = {}): Body {
  const { columns, relation, replica } = template;
  const sent = replica === "full" ? columns : columns.filter((c) => relation.key.includes(c));
  const value = pick(template, row, sent);
  return { operation: "delete", key: keyOf(template, row), values: { value }, keyChange };
}

/** At most one body: an update that changes nothing that the shape selects is not sent. */
function update(template: ModelTemplate, oldRow: Row, newRow: Row): Body[] {
  const { columns, relation, replica } = template;
  const changed = columns.filter((column) => oldRow[column] !== newRow[column]);
  if (changed.length === 0) return [];
  const sent = columns.filter((c) => relation.key.includes(c) || changed.includes(c));
  const values =
    replica === "full"
      ? { value: pick(template, newRow, columns), old_value: pick(template, oldRow, changed) }
      : { value: pick(template, newRow, sent) };
  return [{ operation: "update", key: keyOf(template, newRow), values }];
}

function pick({ relation }: ModelTemplate, row: Row, columns: readonly number[]): object {
  const sent = columns.filter((column) => row[column] !== undefined);
  return Object.fromEntries(
    sent.map((column) => [relation.columns[column]!.name, valueOf(relation, row, column)]),
  );
}

function valueOf(relation: RelationDescription, row: Row, column: number): string | null {
  const value = row[column] ?? null;
  if (!relation.columns[column]!.isBool) return value;
  return value === "t" ? "true" : value === "f" ? "false" : value;
}

/** Protocol 8.1. */
function keyOf({ relation }: ModelTemplate, row: Row): string {
  const parts = relation.key.map((column) => {
    const value = valueOf(relation, row, column);
    return value === null ? "_" : `"${value.replaceAll("/", "//")}"`;
  });
  return [quoteTable(relation), ...parts].join("/");
}
