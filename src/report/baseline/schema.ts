/**
 * Tables, templates and projections as the plain JavaScript engines hold them: a few objects per
 * template, none per shape.
 */

import { quoteTable } from "../../model/table.ts";
import { TEXT_VALUE, type Tuple } from "./pgoutput-reader.ts";
import type { ConstantKind, RelationSpec, TemplateSpec } from "./routing-engine.ts";

/** The order of conjunction terms that several templates share, and the filter behind it. */
export interface Path<Filter> {
  readonly columns: readonly number[];
  readonly kinds: readonly ConstantKind[];
  readonly filter: Filter;
}

/** What of a row a body carries: shapes of one projection share their bodies. */
export interface Projection {
  readonly columns: readonly number[];
  readonly isFull: boolean;
  /** The change for which `isChanged` holds. */
  serial: number;
  /** Whether that change changed a selected column. */
  isChanged: boolean;
  /** Of the change at hand: the whole of it, and of a changed key the deletion and insertion. */
  readonly bodies: readonly [BodySpan, BodySpan, BodySpan];
}

/** A body in the writer's buffer, if it is of the change at hand. */
export interface BodySpan {
  serial: number;
  operation: number;
  offset: number;
  size: number;
}

export interface Template<Filter> {
  readonly index: number;
  readonly relation: Relation<Filter>;
  readonly path: Path<Filter>;
  readonly projection: Projection;
}

/** A table. Its members are spelled out in JSON once. */
export class Relation<Filter> {
  readonly paths: Path<Filter>[] = [];
  readonly key: readonly number[];
  readonly columnCount: number;
  readonly isBool: readonly boolean[];
  readonly memberNames: readonly Buffer[];
  readonly keyPrefix: Buffer;
  readonly headers: Buffer;
  readonly #names: readonly string[];
  readonly #projections = new Map<string, Projection>();
  /** Where the wire puts each column; -1 where it does not send it. */
  positions: Int32Array;

  constructor(spec: RelationSpec) {
    this.key = spec.key;
    this.columnCount = spec.columns.length;
    this.isBool = spec.columns.map((column) => column.isBool);
    this.#names = spec.columns.map((column) => column.name);
    this.memberNames = this.#names.map((name) => Buffer.from(`${JSON.stringify(name)}:`));
    this.keyPrefix = Buffer.from(JSON.stringify(quoteTable(spec)).slice(1, -1));
    const names = JSON.stringify([spec.schema, spec.name]);
    this.headers = Buffer.from(`,"relation":${names},"txids":[`);
    this.positions = Int32Array.from(spec.columns.keys());
  }

  setLayout(wireNames: readonly string[]): void {
    this.positions = Int32Array.from(this.#names, (name) => wireNames.indexOf(name));
  }

  pathOf({ terms }: TemplateSpec, makeFilter: () => Filter): Path<Filter> {
    const isSame = (path: Path<Filter>): boolean =>
      path.columns.length === terms.length &&
      terms.every(({ column, kind }, index) => {
        return path.columns[index] === column && path.kinds[index] === kind;
      });
    const known = this.paths.find(isSame);
    if (known !== undefined) return known;
    const columns = terms.map((term) => term.column);
    const path = { columns, kinds: terms.map((term) => term.kind), filter: makeFilter() };
    this.paths.push(path);
    return path;
  }

  projectionOf({ columns, replica }: TemplateSpec): Projection {
    const name = `${replica}:${columns.join(",")}`;
    let projection = this.#projections.get(name);
    if (projection === undefined) {
      projection = {
        columns,
        isFull: replica === "full",
        serial: 0,
        isChanged: false,
        bodies: [emptySpan(), emptySpan(), emptySpan()],
      };
      this.#projections.set(name, projection);
    }
    return projection;
  }

  /** Whether a column has the same value in both tuples. An absent column has. */
  isSameColumn(bytes: Uint8Array, a: Tuple, b: Tuple, column: number): boolean {
    const position = this.positions[column]!;
    if (position < 0) return true;
    const kind = a.kinds[position]!;
    if (kind !== b.kinds[position]!) return false;
    if (kind !== TEXT_VALUE) return true;
    const size = a.sizes[position]!;
    if (size !== b.sizes[position]!) return false;
    return isSameRange(bytes, a.starts[position]!, b.starts[position]!, size);
  }

  areSameColumns(bytes: Uint8Array, a: Tuple, b: Tuple, columns: readonly number[]): boolean {
    for (const column of columns) if (!this.isSameColumn(bytes, a, b, column)) return false;
    return true;
  }
}

/** Values are short: a loop beats the call of Buffer.compare. */
function isSameRange(bytes: Uint8Array, a: number, b: number, size: number): boolean {
  for (let index = 0; index < size; index += 1) {
    if (bytes[a + index] !== bytes[b + index]) return false;
  }
  return true;
}

function emptySpan(): BodySpan {
  return { serial: 0, operation: 0, offset: 0, size: 0 };
}
