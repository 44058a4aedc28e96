/**
 * Any clauses in ordinary JavaScript, as a good engineer would write it without an index in linear
 * memory: rows are read where they lie, each template has the index that suggests itself
 * (`clause-index.ts`), and shapes are named by handle or by a small integer
 * (`../baseline/shape-names.ts`).
 */

import {
  DELETE,
  INSERT,
  PgoutputReader,
  TEXT_VALUE,
  type Tuple,
} from "../baseline/pgoutput-reader.ts";
import type { ShapeNames } from "../baseline/shape-names.ts";
import type { ClauseIndex, RowTexts } from "./clause-index.ts";
import type { ClauseEngine, ClauseSet } from "./clause-set.ts";

export class OrdinaryEngine<Ref extends string | number> implements ClauseEngine {
  readonly #clauses: ClauseSet;
  readonly #names: ShapeNames<Ref>;
  readonly #indexes = new Map<string, ClauseIndex<Ref>>();
  readonly #reader: PgoutputReader;
  #matches = 0;

  constructor(clauses: ClauseSet, names: ShapeNames<Ref>) {
    this.#clauses = clauses;
    this.#names = names;
    this.#reader = new PgoutputReader({
      begin: () => undefined,
      relation: () => undefined,
      truncate: () => undefined,
      change: (kind, _oid, offset) => {
        const { bytes, oldTuple, newTuple } = this.#reader;
        this.#reader.readTuples(kind, offset);
        if (kind === INSERT) this.#find(readRow(bytes, newTuple));
        else if (kind === DELETE) this.#find(readRow(bytes, oldTuple));
        else this.#findEither(readRow(bytes, oldTuple), readRow(bytes, newTuple));
      },
    });
  }

  add(slot: number): void {
    const name = this.#clauses.templateNameOf(slot);
    const { constants } = this.#clauses.shapeOf(name, slot);
    const ref = this.#names.add(definitionOf(name, constants));
    this.#indexOf(name).add(ref, constants);
  }

  remove(slot: number): void {
    const name = this.#clauses.templateNameOf(slot);
    const { constants } = this.#clauses.shapeOf(name, slot);
    const ref = this.#names.remove(definitionOf(name, constants));
    this.#indexOf(name).remove(ref, constants);
  }

  has(slot: number): boolean {
    const name = this.#clauses.templateNameOf(slot);
    const { constants } = this.#clauses.shapeOf(name, slot);
    return this.#names.find(definitionOf(name, constants)) !== undefined;
  }

  route(chunk: Uint8Array): number {
    this.#matches = 0;
    this.#reader.receive(chunk);
    return this.#matches;
  }

  structures(): undefined {
    return undefined;
  }

  #find(row: RowTexts): void {
    for (const index of this.#indexes.values()) index.find(row, this.#count);
  }

  /** A shape that both rows of an update are for is told once. */
  #findEither(before: RowTexts, after: RowTexts): void {
    for (const index of this.#indexes.values()) {
      const found = new Set<Ref>();
      const note = (ref: Ref): void => void found.add(ref);
      index.find(before, note);
      index.find(after, note);
      this.#matches += found.size;
    }
  }

  readonly #count = (): void => {
    this.#matches += 1;
  };

  #indexOf(name: string): ClauseIndex<Ref> {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = this.#clauses.createIndex<Ref>(name);
      this.#indexes.set(name, index);
    }
    return index;
  }
}

/** A template name has no NUL. */
function definitionOf(name: string, constants: readonly string[]): string {
  return `${name}\0${constants.join("\0")}`;
}

function readRow(bytes: Buffer, { kinds, starts, sizes }: Tuple): RowTexts {
  return {
    text(column) {
      if (kinds[column] !== TEXT_VALUE) return null;
      return bytes.toString("latin1", starts[column], starts[column]! + sizes[column]!);
    },
  };
}
