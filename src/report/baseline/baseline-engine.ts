/**
 * What the plain JavaScript engines share: everything but how a shape is named and kept. A subclass
 * says what a filter is and how a row's values become a key of it.
 *
 * The matches of a change are found one path at a time: one probe if the update left the path's
 * columns alone, two if it moved the row from some shapes to others. A body is written once per
 * change, operation and projection.
 */

import { BodyWriter, type BodySource } from "./body-writer.ts";
import { DELETE, INSERT, PgoutputReader, UPDATE, type Tuple } from "./pgoutput-reader.ts";
import type { MatchSink, RelationSpec, RoutingEngine, TemplateSpec } from "./routing-engine.ts";
import { Relation, type BodySpan, type Path, type Template } from "./schema.ts";

export type Filter<Key, Ref> = Map<Key, Ref | Set<Ref>>;

const EMPTY = new Uint8Array(0);

export abstract class BaselineEngine<
  Key extends string | number,
  Ref extends string | number,
> implements RoutingEngine<Ref> {
  abstract readonly name: string;
  abstract readonly shapeCount: number;

  /** Changes that could not be routed because their old row was not sent in full. */
  unroutableCount = 0;

  protected readonly reader: PgoutputReader;
  protected readonly templates: Template<Filter<Key, Ref>>[] = [];
  readonly #relations: Relation<Filter<Key, Ref>>[] = [];
  readonly #byOid = new Map<number, Relation<Filter<Key, Ref>>>();
  readonly #writer = new BodyWriter();
  #hasBodies = true;
  #sink: MatchSink<Ref> = () => undefined;
  #op = 0;
  /** Counts changes, so that what was worked out for one is not taken for the next. */
  #serial = 0;
  #isKeyChanged = false;

  constructor() {
    this.reader = new PgoutputReader({
      begin: (lsnHigh, lsnLow, xid) => {
        this.#op = 0;
        this.#writer.begin(lsnHigh, lsnLow, xid);
      },
      relation: (oid, columns) => this.#byOid.get(oid)?.setLayout(columns),
      change: (kind, oid, offset) => this.#change(kind, oid, offset),
      truncate: () => undefined,
    });
  }

  abstract add(template: number, constants: readonly string[]): Ref;
  abstract remove(ref: Ref): void;
  abstract find(template: number, constants: readonly string[]): Ref | undefined;

  /** The key of a shape's constants. REQUIRES: they are canonical. */
  protected abstract keyOfConstants(
    path: Path<Filter<Key, Ref>>,
    constants: readonly string[],
  ): Key;

  /** The key of a row's values, undefined when one of them equals no constant. */
  protected abstract keyOfRow(
    path: Path<Filter<Key, Ref>>,
    positions: Int32Array,
    row: Tuple,
  ): Key | undefined;

  protected abstract templateOf(ref: Ref): Template<Filter<Key, Ref>>;

  addRelation(spec: RelationSpec): number {
    const relation = new Relation<Filter<Key, Ref>>(spec);
    this.#byOid.set(spec.oid, relation);
    return this.#relations.push(relation) - 1;
  }

  addTemplate(relationIndex: number, spec: TemplateSpec): number {
    const relation = this.#relations[relationIndex]!;
    const path = relation.pathOf(spec, () => new Map<Key, Ref | Set<Ref>>());
    const projection = relation.projectionOf(spec);
    const index = this.templates.length;
    this.templates.push({ index, relation, path, projection });
    return index;
  }

  route(chunk: Uint8Array, sink: MatchSink<Ref>): void {
    this.#sink = sink;
    this.reader.receive(chunk);
  }

  setBodies(isWanted: boolean): void {
    this.#hasBodies = isWanted;
  }

  /** One shape inline, two or more in a Set: a Set of one costs 150 bytes more. */
  protected file(filter: Filter<Key, Ref>, key: Key, ref: Ref): void {
    const there = filter.get(key);
    if (there === undefined) filter.set(key, ref);
    else if (typeof there === "object") there.add(ref);
    else filter.set(key, new Set([there, ref]));
  }

  protected unfile(filter: Filter<Key, Ref>, key: Key, ref: Ref): void {
    const there = filter.get(key);
    if (typeof there !== "object") {
      filter.delete(key);
      return;
    }
    there.delete(ref);
    if (there.size === 1) for (const last of there) filter.set(key, last);
  }

  /** The shape of exactly this definition among those that have its constants. */
  protected findFiled(templateIndex: number, constants: readonly string[]): Ref | undefined {
    const template = this.templates[templateIndex]!;
    const there = template.path.filter.get(this.keyOfConstants(template.path, constants));
    if (there === undefined) return undefined;
    if (typeof there !== "object") return this.templateOf(there) === template ? there : undefined;
    for (const ref of there) if (this.templateOf(ref) === template) return ref;
    return undefined;
  }

  #change(kind: number, oid: number, offset: number): void {
    const op = this.#op;
    this.#op += 2;
    const relation = this.#byOid.get(oid);
    if (relation === undefined) return;
    if (!this.reader.readTuples(kind, offset)) {
      this.unroutableCount += 1;
      return;
    }
    this.#serial += 1;
    this.#writer.clear();
    if (kind === UPDATE) this.#update(relation, op);
    else this.#addition(relation, kind, op);
  }

  #addition(relation: Relation<Filter<Key, Ref>>, kind: number, op: number): void {
    const row = kind === INSERT ? this.reader.newTuple : this.reader.oldTuple;
    for (const path of relation.paths) {
      this.#deliver(kind, op, this.#lookUp(path, relation, row));
    }
  }

  #update(relation: Relation<Filter<Key, Ref>>, op: number): void {
    const { bytes, oldTuple, newTuple } = this.reader;
    this.#isKeyChanged = !relation.areSameColumns(bytes, oldTuple, newTuple, relation.key);
    for (const path of relation.paths) {
      const after = this.#lookUp(path, relation, newTuple);
      if (relation.areSameColumns(bytes, oldTuple, newTuple, path.columns)) {
        this.#deliver(UPDATE, op, after);
        continue;
      }
      const before = this.#lookUp(path, relation, oldTuple);
      // Different text may be the same value: 7 and 07 are one number.
      if (before !== undefined && before === after) this.#deliver(UPDATE, op, after);
      else {
        this.#deliver(DELETE, op, before);
        this.#deliver(INSERT, op, after);
      }
    }
  }

  #lookUp(
    path: Path<Filter<Key, Ref>>,
    relation: Relation<Filter<Key, Ref>>,
    row: Tuple,
  ): Ref | Set<Ref> | undefined {
    if (path.filter.size === 0) return undefined;
    const key = this.keyOfRow(path, relation.positions, row);
    return key === undefined ? undefined : path.filter.get(key);
  }

  #deliver(operation: number, op: number, refs: Ref | Set<Ref> | undefined): void {
    if (refs === undefined) return;
    if (typeof refs !== "object") this.#deliverOne(operation, op, refs);
    else for (const ref of refs) this.#deliverOne(operation, op, ref);
  }

  #deliverOne(operation: number, op: number, ref: Ref): void {
    const template = this.templateOf(ref);
    const { oldTuple, newTuple } = this.reader;
    if (operation !== UPDATE) {
      const row = operation === DELETE ? oldTuple : newTuple;
      this.#tell(template, ref, op, operation, row, undefined, 0);
    } else if (this.#isKeyChanged) {
      this.#tell(template, ref, op, DELETE, oldTuple, newTuple, 1);
      this.#tell(template, ref, op + 1, INSERT, newTuple, oldTuple, 2);
    } else if (this.#isSelectionChanged(template)) {
      this.#tell(template, ref, op, UPDATE, newTuple, oldTuple, 0);
    }
  }

  #isSelectionChanged({ relation, projection }: Template<Filter<Key, Ref>>): boolean {
    if (projection.serial !== this.#serial) {
      const { bytes, oldTuple, newTuple } = this.reader;
      projection.serial = this.#serial;
      projection.isChanged = !relation.areSameColumns(
        bytes,
        oldTuple,
        newTuple,
        projection.columns,
      );
    }
    return projection.isChanged;
  }

  #tell(
    { relation, projection }: Template<Filter<Key, Ref>>,
    ref: Ref,
    op: number,
    operation: number,
    row: Tuple,
    other: Tuple | undefined,
    half: 0 | 1 | 2,
  ): void {
    if (!this.#hasBodies) {
      this.#sink(ref, op, EMPTY, 0, 0);
      return;
    }
    const span = projection.bodies[half];
    if (span.serial !== this.#serial || span.operation !== operation) {
      this.#write(span, { relation, projection, operation, op, row, other });
    }
    this.#sink(ref, op, this.#writer.bytes, span.offset, span.size);
  }

  #write(span: BodySpan, body: BodySource): void {
    span.serial = this.#serial;
    span.operation = body.operation;
    span.offset = this.#writer.offset;
    span.size = this.#writer.write(this.reader.bytes, body);
  }
}
