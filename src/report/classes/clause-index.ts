/**
 * Ordinary indexes of clauses: what suggests itself to a good engineer for each of them.
 *
 *     TextIndex     Map from text to a name, or to a Set of two and more
 *     RangeIndex    sorted by lower bound, in chunks; the widest says how far back
 *     PrefixIndex   a Map for each length of prefix
 *     NullIndex     the Set of all shapes beside the index of what else they are for
 *     PatternList   the text in lower case once, then every pattern in turn
 */

import { partitionPoint } from "../../lib/partition-point.ts";
import { COLUMN } from "./events.ts";

export type Visit<Ref> = (ref: Ref) => void;

/** An index of the shapes of one template. */
export interface ClauseIndex<Ref> {
  add(ref: Ref, constants: readonly string[]): void;
  remove(ref: Ref, constants: readonly string[]): void;
  find(row: RowTexts, visit: Visit<Ref>): void;
}

export interface RowTexts {
  /** Null, also where Postgres has NULL. */
  text(column: number): string | null;
}

/** The text of one column. */
export const one =
  (column: number) =>
  (row: RowTexts): readonly string[] => [row.text(column)!];

/** One id inline, two or more in a Set: a Set of one costs 150 bytes more. */
export class TextIndex<Ref extends string | number> implements ClauseIndex<Ref> {
  readonly #refs = new Map<string, Ref | Set<Ref>>();
  readonly #keysOfShape: (constants: readonly string[]) => readonly string[];
  readonly #keysOfRow: (row: RowTexts) => readonly string[];

  constructor(
    keysOfShape: (constants: readonly string[]) => readonly string[],
    keysOfRow: (row: RowTexts) => readonly string[],
  ) {
    this.#keysOfShape = keysOfShape;
    this.#keysOfRow = keysOfRow;
  }

  add(ref: Ref, constants: readonly string[]): void {
    for (const key of this.#keysOfShape(constants)) {
      const there = this.#refs.get(key);
      if (there === undefined) this.#refs.set(key, ref);
      else if (typeof there === "object") there.add(ref);
      else this.#refs.set(key, new Set([there, ref]));
    }
  }

  remove(ref: Ref, constants: readonly string[]): void {
    for (const key of this.#keysOfShape(constants)) {
      const there = this.#refs.get(key);
      if (typeof there !== "object") {
        this.#refs.delete(key);
        continue;
      }
      there.delete(ref);
      if (there.size === 1) for (const last of there) this.#refs.set(key, last);
    }
  }

  find(row: RowTexts, visit: Visit<Ref>): void {
    for (const key of this.#keysOfRow(row)) {
      const there = this.#refs.get(key);
      if (typeof there === "object") there.forEach(visit);
      else if (there !== undefined) visit(there);
    }
  }
}

interface Range<Ref> {
  readonly from: number;
  readonly to: number;
  readonly ref: Ref;
}

/** Chunks are cut in two when they have more. */
const CHUNK_RANGES_MAX = 512;

export class RangeIndex<Ref> implements ClauseIndex<Ref> {
  /** Ascending, and each of them so within; none is empty but the only one. */
  readonly #chunks: Range<Ref>[][] = [[]];
  #widest = 0;

  add(ref: Ref, [from, to]: readonly string[]): void {
    const range = { from: Number(from), to: Number(to), ref };
    this.#widest = Math.max(this.#widest, range.to - range.from);
    const at = this.#chunkOf(range.from);
    const chunk = this.#chunks[at]!;
    const place = lowerBound(chunk, range.from);
    chunk.splice(place, 0, range);
    if (chunk.length <= CHUNK_RANGES_MAX) return;
    // Ranges that come in their order leave full chunks behind.
    const isLast = place === CHUNK_RANGES_MAX;
    this.#chunks.splice(at + 1, 0, chunk.splice(isLast ? place : CHUNK_RANGES_MAX / 2));
  }

  remove(ref: Ref, [from]: readonly string[]): void {
    for (let at = this.#chunkOf(Number(from)); ; at += 1) {
      const chunk = this.#chunks[at]!;
      const place = chunk.findIndex((range) => range.ref === ref);
      if (place < 0) continue;
      chunk.splice(place, 1);
      if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
      return;
    }
  }

  find(row: RowTexts, visit: Visit<Ref>): void {
    const n = Number(row.text(COLUMN.n));
    const least = n - this.#widest;
    for (let at = this.#chunkOf(least); at < this.#chunks.length; at += 1) {
      const chunk = this.#chunks[at]!;
      for (let place = lowerBound(chunk, least); place < chunk.length; place += 1) {
        const { from, to, ref } = chunk[place]!;
        if (from > n) return;
        if (n <= to) visit(ref);
      }
    }
  }

  /** The first chunk in which a range may be that begins there. */
  #chunkOf(from: number): number {
    const after = partitionPoint(this.#chunks.length, (at) => {
      const chunk = this.#chunks[at]!;
      return chunk.length > 0 && chunk[0]!.from < from;
    });
    return Math.max(0, after - 1);
  }
}

/** The first range that does not begin before `from`. */
function lowerBound<Ref>(ranges: readonly Range<Ref>[], from: number): number {
  return partitionPoint(ranges.length, (at) => ranges[at]!.from < from);
}

export class PrefixIndex<Ref extends string | number> implements ClauseIndex<Ref> {
  readonly #byLength = new Map<number, TextIndex<Ref>>();

  add(ref: Ref, [pattern]: readonly string[]): void {
    const { length } = pattern!;
    let index = this.#byLength.get(length - 1);
    if (index === undefined) {
      index = new TextIndex(
        ([text]) => [text!.slice(0, -1)],
        (row) => [row.text(COLUMN.name)!.slice(0, length - 1)],
      );
      this.#byLength.set(length - 1, index);
    }
    index.add(ref, [pattern!]);
  }

  remove(ref: Ref, [pattern]: readonly string[]): void {
    this.#byLength.get(pattern!.length - 1)!.remove(ref, [pattern!]);
  }

  find(row: RowTexts, visit: Visit<Ref>): void {
    for (const index of this.#byLength.values()) index.find(row, visit);
  }
}

/** `column IS NULL OR ...` */
export class NullIndex<Ref> implements ClauseIndex<Ref> {
  readonly #column: number;
  readonly #others: ClauseIndex<Ref>;
  readonly #refs = new Set<Ref>();

  constructor(column: number, others: ClauseIndex<Ref>) {
    this.#column = column;
    this.#others = others;
  }

  add(ref: Ref, constants: readonly string[]): void {
    this.#refs.add(ref);
    this.#others.add(ref, constants);
  }

  remove(ref: Ref, constants: readonly string[]): void {
    this.#refs.delete(ref);
    this.#others.remove(ref, constants);
  }

  find(row: RowTexts, visit: Visit<Ref>): void {
    if (row.text(this.#column) === null) this.#refs.forEach((ref) => visit(ref));
    else this.#others.find(row, visit);
  }
}

export class PatternList<Ref> implements ClauseIndex<Ref> {
  readonly #parts = new Map<Ref, string>();

  add(ref: Ref, [pattern]: readonly string[]): void {
    this.#parts.set(ref, pattern!.slice(1, -1).toLowerCase());
  }

  remove(ref: Ref): void {
    this.#parts.delete(ref);
  }

  find(row: RowTexts, visit: Visit<Ref>): void {
    const name = row.text(COLUMN.name)!.toLowerCase();
    for (const [ref, part] of this.#parts) if (name.includes(part)) visit(ref);
  }
}
