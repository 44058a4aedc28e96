/**
 * What routing means for shapes with subqueries, as plainly as possible: views are arrays of
 * tuples, one array for each position, and every shape is asked about every row (protocol 14).
 */

import type { AccessPlan, EqualityKind } from "../../src/model/access-plan.ts";
import type { ReplicaMode } from "../../src/model/shape-definition.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";

export type Row = readonly (string | null)[];
export type Tuple = Row;

export interface ModelMembership {
  readonly dependency: number;
  readonly columns: readonly number[];
  readonly isNegated: boolean;
}

export type ModelLiteral =
  ModelMembership | { readonly test: (row: Row, constants: readonly string[]) => boolean };

export interface DependentTemplate {
  readonly name: string;
  readonly relation: RelationDescription;
  readonly plan: AccessPlan;
  readonly columns: readonly number[];
  readonly replica: ReplicaMode;
  readonly isView?: boolean;
  /** Indexes of families. */
  readonly dependencies: readonly number[];
  readonly literals: readonly ModelLiteral[];
  readonly disjuncts: readonly (readonly number[])[];
  /** That the WHERE reads. */
  readonly read: readonly number[];
  /** How many constants stand before the ids of the views. */
  readonly ownConstants: number;
}

export interface DependentShape {
  readonly id: number;
  readonly template: DependentTemplate;
  /** Routed: the last are ids of views. */
  readonly constants: readonly string[];
  isGated: boolean;
}

/** The tuples of each view at a position. */
export type ViewState = ReadonlyMap<number, readonly Tuple[]>;

/** A body for one shape. Texts are UTF-8 as latin1, since deltas are no text. */
export interface Delivery {
  readonly id: number;
  readonly op: number;
  readonly text: string;
}

export interface Family {
  readonly kinds: readonly EqualityKind[];
}

export class SubqueryModel {
  readonly #families: readonly Family[];

  constructor(families: readonly Family[]) {
    this.#families = families;
  }

  /** What is true of a row. */
  judge({ template, constants }: DependentShape, row: Row, state: ViewState): readonly boolean[] {
    const { dependencies, literals } = template;
    return literals.map((literal) => {
      if ("test" in literal) return literal.test(row, constants);
      const place = constants.length - dependencies.length + literal.dependency;
      const tuples = state.get(Number(constants[place]!))!;
      const { kinds } = this.#families[dependencies[literal.dependency]!]!;
      const left = literal.columns.map((column) => row[column] ?? null);
      const isMember = tuples.some((tuple) => areEqual(tuple, left, kinds));
      if (!literal.isNegated) return isMember;
      const hasNull = [...tuples, left].some((tuple) => tuple.includes(null));
      return tuples.length === 0 || (!isMember && !hasNull);
    });
  }

  isIn(shape: DependentShape, active: readonly boolean[]): boolean {
    return shape.template.disjuncts.some((disjunct) => disjunct.every((n) => active[n]));
  }

  /** `stateOf` says at which state of the views a shape sees the old row and the new one. */
  deliver(
    shape: DependentShape,
    oldRow: Row | undefined,
    newRow: Row | undefined,
    states: { readonly old: ViewState; readonly new: ViewState },
    at: { readonly op: number; readonly lsn: bigint; readonly xid: number } | undefined,
  ): Delivery[] {
    const { template, id } = shape;
    const wasActive = oldRow && this.judge(shape, oldRow, states.old);
    const isActive = newRow && this.judge(shape, newRow, states.new);
    const before = wasActive && this.isIn(shape, wasActive) ? oldRow : undefined;
    const after = isActive && this.isIn(shape, isActive) ? newRow : undefined;
    if (template.isView === true) {
      const text = delta(template, before, after);
      return text === undefined ? [] : [{ id, op: at?.op ?? 0, text }];
    }
    const bodies = this.#bodies(template, before, after, (after ? isActive : wasActive)!, at);
    return bodies.map(({ op, body }) => ({ id, op, text: textOf(body) }));
  }

  #bodies(
    template: DependentTemplate,
    before: Row | undefined,
    after: Row | undefined,
    active: readonly boolean[],
    at: { readonly op: number; readonly lsn: bigint; readonly xid: number } | undefined,
  ): { op: number; body: object }[] {
    const tagsOf = (row: Row): string[] => this.#tags(template, row);
    const end = { active_conditions: active };
    const { schema, name } = template.relation;
    const headers = (operation: string, op: number) => ({
      operation,
      relation: [schema, name],
      ...(at && { txids: [at.xid], lsn: at.lsn.toString(), op_position: op }),
    });
    const op = at?.op ?? 0;
    const insertion = (row: Row, extra: object, place: number) => {
      const tagged = { ...headers("insert", place), ...extra, tags: tagsOf(row), ...end };
      const isMoveIn = at === undefined ? { is_move_in: true } : {};
      const value = pick(template, row, template.columns);
      const body = { key: keyOf(template, row), value, headers: { ...tagged, ...isMoveIn } };
      return { op: place, body };
    };
    const deletion = (row: Row, extra: object, tags: string[]) => {
      const { columns, relation, replica } = template;
      const sent = replica === "full" ? columns : columns.filter((c) => relation.key.includes(c));
      const value = pick(template, row, sent);
      const tagged = { ...headers("delete", op), ...extra, tags, ...end };
      return { op, body: { key: keyOf(template, row), value, headers: tagged } };
    };

    if (before === undefined) return after === undefined ? [] : [insertion(after, {}, op)];
    if (after === undefined) return at === undefined ? [] : [deletion(before, {}, tagsOf(before))];
    const changed = template.columns.filter((column) => before[column] !== after[column]);
    const isRead = template.read.some((column) => before[column] !== after[column]);
    if (changed.length === 0 && !isRead) return [];
    const removed = tagsOf(before).filter((tag) => !tagsOf(after).includes(tag));
    const [oldKey, newKey] = [keyOf(template, before), keyOf(template, after)];
    if (oldKey !== newKey) {
      const tags = [...tagsOf(after), ...removed];
      return [
        deletion(before, { key_change_to: newKey }, tags),
        insertion(after, { key_change_from: oldKey }, op + 1),
      ];
    }
    const values = updated(template, before, after, changed);
    const tagged = { ...headers("update", op), tags: tagsOf(after), removed_tags: removed, ...end };
    return [{ op, body: { key: newKey, ...values, headers: tagged } }];
  }

  #tags({ literals, disjuncts, dependencies, relation }: DependentTemplate, row: Row): string[] {
    return disjuncts.map((disjunct) =>
      literals
        .map((literal, index) => {
          if (!disjunct.includes(index)) return "";
          if ("test" in literal) return "1";
          const { kinds } = this.#families[dependencies[literal.dependency]!]!;
          const parts = literal.columns.map((column, place) => {
            const value = valueOf(relation, row, column);
            return value === null ? "NULL" : `v:${canonical(value, kinds[place]!)}`;
          });
          if (parts.length === 1) return `\u0001${parts[0]!}\u0002`;
          const names = literal.columns.map((column) => relation.columns[column]!.name);
          return `\u0001${names.map((name, place) => `${name}:${parts[place]!}`).join("")}\u0002`;
        })
        .join("/"),
    );
  }
}

function areEqual(tuple: Tuple, left: Tuple, kinds: readonly EqualityKind[]): boolean {
  return tuple.every((value, place) => {
    const other = left[place] ?? null;
    if (value === null || other === null) return false;
    return canonical(value, kinds[place]!) === canonical(other, kinds[place]!);
  });
}

function canonical(text: string, kind: EqualityKind): string {
  return kind === "decimal" ? String(Number(text)) : text;
}

function delta(template: DependentTemplate, before?: Row, after?: Row): string | undefined {
  const tuple = (row: Row) => template.columns.map((column) => row[column] ?? null);
  if (before === undefined && after === undefined) return undefined;
  if (before && after && tuple(before).join("\0") === tuple(after).join("\0")) {
    const isSame = tuple(before).every((value, place) => value === tuple(after)[place]);
    if (isSame) return undefined;
  }
  const parts = [Buffer.from([(before ? 1 : 0) | (after ? 2 : 0)])];
  for (const row of [before, after]) {
    if (row === undefined) continue;
    for (const value of tuple(row)) {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(value === null ? 0xffff_ffff : Buffer.byteLength(value));
      parts.push(size, Buffer.from(value ?? ""));
    }
  }
  return Buffer.concat(parts).toString("latin1");
}

/** The control bytes stand there as they are: whoever reads the log takes them out. */
function textOf(body: object): string {
  const json = JSON.stringify(body).replaceAll("\\u0001", "\u0001").replaceAll("\\u0002", "\u0002");
  return Buffer.from(json).toString("latin1");
}

function updated(
  template: DependentTemplate,
  before: Row,
  after: Row,
  changed: readonly number[],
): object {
  const { columns, relation } = template;
  if (template.replica === "full") {
    return { value: pick(template, after, columns), old_value: pick(template, before, changed) };
  }
  const sent = columns.filter((c) => relation.key.includes(c) || changed.includes(c));
  return { value: pick(template, after, sent) };
}

function pick({ relation }: DependentTemplate, row: Row, columns: readonly number[]): object {
  return Object.fromEntries(
    columns.map((column) => [relation.columns[column]!.name, valueOf(relation, row, column)]),
  );
}

function valueOf(relation: RelationDescription, row: Row, column: number): string | null {
  const value = row[column] ?? null;
  if (!relation.columns[column]!.isBool || value === null) return value;
  return value === "t" ? "true" : "false";
}

/** Protocol 8.1. */
function keyOf({ relation }: DependentTemplate, row: Row): string {
  const parts = relation.key.map((column) => `"${row[column]!}"`);
  return [`"${relation.schema}"."${relation.name}"`, ...parts].join("/");
}
