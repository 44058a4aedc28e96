/**
 * The same in ordinary JavaScript, as a good engineer would write it without an index in linear
 * memory: ids are small integers, rows are read where they lie, and each class has the structure
 * that suggests itself.
 *
 *     in-list, elements, path, residual   Map from text to an id, or to a Set of two and more
 *     range                               array sorted by lower bound; the widest says how far back
 *     prefix                              a Map for each length of prefix
 *     ilike                               the name in lower case once, then every pattern in turn
 */

import { INSERT, PgoutputReader, TEXT_VALUE, type Tuple } from "../baseline/pgoutput-reader.ts";
import { classOf, shapeOf, type ClassName, type SimpleClass } from "./classes.ts";
import { COLUMN } from "./events.ts";

export interface ClassEngine {
  add(slot: number): void;
  remove(slot: number): void;
  /** Routes bytes of the socket and returns how many matches there were. */
  route(chunk: Uint8Array): number;
  /** Bytes that it says it holds; undefined: ask the garbage collector. */
  heldBytes(): number | undefined;
}

type Visit = (id: number) => void;

/** An index of one class. */
interface OrdinaryIndex {
  add(id: number, constants: readonly string[]): void;
  remove(id: number, constants: readonly string[]): void;
  find(row: RowTexts, visit: Visit): void;
}

interface RowTexts {
  text(column: number): string | null;
}

export class OrdinaryEngine implements ClassEngine {
  readonly #name: ClassName;
  readonly #indexes = new Map<SimpleClass, OrdinaryIndex>();
  /** What every server has of a shape: by definition, and by id. */
  readonly #ids = new Map<string, number>();
  readonly #constants: (readonly string[] | undefined)[] = [undefined];
  readonly #free: number[] = [];
  readonly #reader: PgoutputReader;
  #matches = 0;

  constructor(name: ClassName) {
    this.#name = name;
    const visit = (): void => {
      this.#matches += 1;
    };
    this.#reader = new PgoutputReader({
      begin: () => undefined,
      relation: () => undefined,
      truncate: () => undefined,
      change: (kind, _oid, offset) => {
        if (kind !== INSERT) throw new Error("the streams of classes are inserts");
        this.#reader.readTuples(kind, offset);
        const row = readRow(this.#reader.bytes, this.#reader.newTuple);
        for (const index of this.#indexes.values()) index.find(row, visit);
      },
    });
  }

  add(slot: number): void {
    const name = classOf(this.#name, slot);
    const { constants } = shapeOf(name, slot);
    const id = this.#free.pop() ?? this.#constants.length;
    this.#ids.set(`${name}\0${constants.join("\0")}`, id);
    this.#constants[id] = constants;
    this.#indexOf(name).add(id, constants);
  }

  remove(slot: number): void {
    const name = classOf(this.#name, slot);
    const { constants } = shapeOf(name, slot);
    const definition = `${name}\0${constants.join("\0")}`;
    const id = this.#ids.get(definition)!;
    this.#ids.delete(definition);
    this.#constants[id] = undefined;
    this.#free.push(id);
    this.#indexOf(name).remove(id, constants);
  }

  route(chunk: Uint8Array): number {
    this.#matches = 0;
    this.#reader.receive(chunk);
    return this.#matches;
  }

  heldBytes(): undefined {
    return undefined;
  }

  #indexOf(name: SimpleClass): OrdinaryIndex {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = createIndex(name);
      this.#indexes.set(name, index);
    }
    return index;
  }
}

function createIndex(name: SimpleClass): OrdinaryIndex {
  switch (name) {
    case "in-list":
      return new TextIndex(([list]) => list!.slice(1, -1).split(","), one(COLUMN.n));
    case "residual":
      return new TextIndex(
        ([n]) => [n!],
        (row) => {
          return row.text(COLUMN.note) === null ? one(COLUMN.n)(row) : [];
        },
      );
    case "elements":
      return new TextIndex(
        ([list]) => list!.slice(1, -1).split(","),
        (row) => {
          return row.text(COLUMN.tags)!.slice(1, -1).split(",");
        },
      );
    case "path":
      return new TextIndex(
        ([name]) => [name!],
        (row) => {
          const document = JSON.parse(row.text(COLUMN.document)!) as { owner: { name: string } };
          return [document.owner.name];
        },
      );
    case "range":
      return new RangeIndex();
    case "prefix":
      return new PrefixIndex();
    case "ilike":
      return new PatternList();
  }
}

const one =
  (column: number) =>
  (row: RowTexts): readonly string[] => [row.text(column)!];

/** One id inline, two or more in a Set: a Set of one costs 150 bytes more. */
class TextIndex implements OrdinaryIndex {
  readonly #ids = new Map<string, number | Set<number>>();
  readonly #keysOfShape: (constants: readonly string[]) => readonly string[];
  readonly #keysOfRow: (row: RowTexts) => readonly string[];

  constructor(
    keysOfShape: (constants: readonly string[]) => readonly string[],
    keysOfRow: (row: RowTexts) => readonly string[],
  ) {
    this.#keysOfShape = keysOfShape;
    this.#keysOfRow = keysOfRow;
  }

  add(id: number, constants: readonly string[]): void {
    for (const key of this.#keysOfShape(constants)) {
      const there = this.#ids.get(key);
      if (there === undefined) this.#ids.set(key, id);
      else if (typeof there === "number") this.#ids.set(key, new Set([there, id]));
      else there.add(id);
    }
  }

  remove(id: number, constants: readonly string[]): void {
    for (const key of this.#keysOfShape(constants)) {
      const there = this.#ids.get(key);
      if (typeof there === "object") there.delete(id);
      else this.#ids.delete(key);
    }
  }

  find(row: RowTexts, visit: Visit): void {
    for (const key of this.#keysOfRow(row)) {
      const there = this.#ids.get(key);
      if (typeof there === "number") visit(there);
      else there?.forEach(visit);
    }
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly id: number;
}

class RangeIndex implements OrdinaryIndex {
  readonly #ranges: Range[] = [];
  #widest = 0;
  #isSorted = true;

  add(id: number, [from, to]: readonly string[]): void {
    const range = { from: Number(from), to: Number(to), id };
    this.#widest = Math.max(this.#widest, range.to - range.from);
    // Many at once are sorted once, when the first row comes.
    this.#isSorted &&= this.#ranges.length === 0 || this.#ranges.at(-1)!.from <= range.from;
    this.#ranges.push(range);
  }

  remove(id: number, [from]: readonly string[]): void {
    this.#sort();
    let at = this.#lowerBound(Number(from));
    while (this.#ranges[at]!.id !== id) at += 1;
    this.#ranges.splice(at, 1);
  }

  find(row: RowTexts, visit: Visit): void {
    this.#sort();
    const n = Number(row.text(COLUMN.n));
    for (let at = this.#lowerBound(n - this.#widest); at < this.#ranges.length; at += 1) {
      const { from, to, id } = this.#ranges[at]!;
      if (from > n) break;
      if (n <= to) visit(id);
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

class PrefixIndex implements OrdinaryIndex {
  readonly #byLength = new Map<number, TextIndex>();

  add(id: number, [pattern]: readonly string[]): void {
    const { length } = pattern!;
    let index = this.#byLength.get(length - 1);
    if (index === undefined) {
      index = new TextIndex(
        ([text]) => [text!.slice(0, -1)],
        (row) => [row.text(COLUMN.name)!.slice(0, length - 1)],
      );
      this.#byLength.set(length - 1, index);
    }
    index.add(id, [pattern!]);
  }

  remove(id: number, [pattern]: readonly string[]): void {
    this.#byLength.get(pattern!.length - 1)!.remove(id, [pattern!]);
  }

  find(row: RowTexts, visit: Visit): void {
    for (const index of this.#byLength.values()) index.find(row, visit);
  }
}

class PatternList implements OrdinaryIndex {
  readonly #parts = new Map<number, string>();

  add(id: number, [pattern]: readonly string[]): void {
    this.#parts.set(id, pattern!.slice(1, -1).toLowerCase());
  }

  remove(id: number): void {
    this.#parts.delete(id);
  }

  find(row: RowTexts, visit: Visit): void {
    const name = row.text(COLUMN.name)!.toLowerCase();
    for (const [id, part] of this.#parts) if (name.includes(part)) visit(id);
  }
}

function readRow(bytes: Buffer, { kinds, starts, sizes }: Tuple): RowTexts {
  return {
    text(column) {
      if (kinds[column] !== TEXT_VALUE) return null;
      return bytes.toString("latin1", starts[column], starts[column]! + sizes[column]!);
    },
  };
}
