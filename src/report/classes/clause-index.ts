/**
 * Ordinary indexes of clauses: what suggests itself to a good engineer for each of them.
 *
 *     TextIndex     Map from text to a name, or to a Set of two and more
 *     RangeIndex    array sorted by lower bound; the widest says how far back
 *     PrefixIndex   a Map for each length of prefix
 *     NullIndex     the Set of all shapes beside the index of what else they are for
 *     PatternList   the text in lower case once, then every pattern in turn
 */

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

export class RangeIndex<Ref> implements ClauseIndex<Ref> {
  readonly #ranges: Range<Ref>[] = [];
  #widest = 0;
  #isSorted = true;

  add(ref: Ref, [from, to]: readonly string[]): void {
    const range = { from: Number(from), to: Number(to), ref };
    this.#widest = Math.max(this.#widest, range.to - range.from);
    // Many at once are sorted once, when the first row comes.
    this.#isSorted &&= this.#ranges.length === 0 || this.#ranges.at(-1)!.from <= range.from;
    this.#ranges.push(range);
  }

  remove(ref: Ref, [from]: readonly string[]): void {
    this.#sort();
    let at = this.#lowerBound(Number(from));
    while (this.#ranges[at]!.ref !== ref) at += 1;
    this.#ranges.splice(at, 1);
  }

  find(row: RowTexts, visit: Visit<Ref>): void {
    this.#sort();
    const n = Number(row.text(COLUMN.n));
    for (let at = this.#lowerBound(n - this.#widest); at < this.#ranges.length; at += 1) {
      const { from, to, ref } = this.#ranges[at]!;
      if (from > n) break;
      if (n <= to) visit(ref);
    }
  }

  #lowerBound(from: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.from < from) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sort(): void {
    if (!this.#isSorted) this.#ranges.sort((a, b) => a.from - b.from);
    this.#isSorted = true;
  }
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
