/**
 * The reference meaning of routing: evaluates every shape against every row, slowly and obviously,
 * and builds bodies as objects for JSON.stringify.
 */

import type { RelationSpec, TemplateSpec } from "../../src/report/baseline/routing-engine.ts";
import type { WireValue } from "../../src/report/frame-writer.ts";

export type Row = readonly (string | null)[];

export type Change =
  | { readonly type: "insert"; readonly after: Row }
  | { readonly type: "update"; readonly before: Row; readonly after: readonly WireValue[] }
  | { readonly type: "delete"; readonly before: Row };

export interface Shape {
  readonly spec: TemplateSpec;
  readonly constants: readonly string[];
}

export interface Transaction {
  readonly lsn: bigint;
  readonly xid: number;
}

/** (op, body) pairs that one change sends to one shape. */
export function evaluate(
  relation: RelationSpec,
  { spec, constants }: Shape,
  { lsn, xid }: Transaction,
  op: number,
  change: Change,
): (readonly [op: number, body: string])[] {
  const before = change.type === "insert" ? undefined : change.before;
  const after = newRowOf(change);
  const wasIn = before !== undefined && belongs(before, spec, constants);
  const isIn = after !== undefined && belongs(after, spec, constants);

  const body = (
    operation: string,
    position: number,
    row: Row,
    values: object,
    more: object = {},
    old?: object,
  ): readonly [number, string] => [
    position,
    JSON.stringify({
      key: keyOf(relation, row),
      value: values,
      ...(old === undefined ? {} : { old_value: old }),
      headers: {
        operation,
        relation: [relation.schema, relation.name],
        txids: [xid],
        lsn: lsn.toString(),
        op_position: position,
        ...more,
      },
    }),
  ];
  const selected = (row: Row, isWanted: (column: number) => boolean): object =>
    pick(relation, row, spec.columns.filter(isWanted));
  const all = (): boolean => true;
  const deleted = (column: number): boolean =>
    spec.replica === "full" || relation.key.includes(column);

  if (wasIn && !isIn) return [body("delete", op, before, selected(before, deleted))];
  if (!wasIn && isIn) return [body("insert", op, after, selected(after, all))];
  if (!wasIn || !isIn) return [];

  const [from, to] = [keyOf(relation, before), keyOf(relation, after)];
  if (from !== to) {
    return [
      body("delete", op, before, selected(before, deleted), { key_change_to: to }),
      body("insert", op + 1, after, selected(after, all), { key_change_from: from }),
    ];
  }
  const changed = (column: number): boolean => before[column] !== after[column];
  if (!spec.columns.some(changed)) return [];
  if (spec.replica === "full") {
    return [body("update", op, after, selected(after, all), {}, selected(before, changed))];
  }
  const isSent = (column: number): boolean => changed(column) || relation.key.includes(column);
  return [body("update", op, after, selected(after, isSent))];
}

/** The row as it is now: what was not sent again is what it was. */
function newRowOf(change: Change): Row | undefined {
  if (change.type === "delete") return undefined;
  if (change.type === "insert") return change.after;
  return change.after.map((value, column) =>
    value === undefined ? change.before[column]! : value,
  );
}

function belongs(row: Row, spec: TemplateSpec, constants: readonly string[]): boolean {
  return spec.terms.every(({ column, kind }, index) => {
    const value = row[column] ?? null;
    if (value === null) return false;
    return kind === "int"
      ? BigInt(value) === BigInt(constants[index]!)
      : value === constants[index]!;
  });
}

function keyOf(relation: RelationSpec, row: Row): string {
  const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const parts = relation.key.map((column) => {
    const value = wireText(relation, row, column);
    return value === null ? "_" : `"${value.replaceAll("/", "//")}"`;
  });
  return [`${quote(relation.schema)}.${quote(relation.name)}`, ...parts].join("/");
}

function pick(relation: RelationSpec, row: Row, columns: readonly number[]): object {
  return Object.fromEntries(
    columns.map((column) => [relation.columns[column]!.name, wireText(relation, row, column)]),
  );
}

function wireText(relation: RelationSpec, row: Row, column: number): string | null {
  const value = row[column] ?? null;
  if (value === null || !relation.columns[column]!.isBool) return value;
  return value === "t" ? "true" : "false";
}
