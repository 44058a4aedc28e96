/**
 * The same state keyed by dense integers, as a careful engineer writes it in plain JavaScript: what
 * is fixed in width lies in typed columns, a chunk at a time so that none is ever copied, and the
 * filter's Map has small integers. As in the core a handle is two numbers until somebody asks for
 * it, and nothing leads from handles to ids: a request brings its definition.
 *
 *     columns    id -> template, tail, last use, generation, state     17 bytes
 *                id -> storage key, hash: the handle                   12 bytes
 *                id -> constants, as the filter has them                8 bytes beside texts
 *     filter     per (table, columns): values -> id, or a Set of two and more
 *
 * The id of a removed shape is used again, oldest first, under another generation.
 */

import { BaselineEngine, type Filter } from "./baseline-engine.ts";
import { canonicalInt, parseShortInt } from "./canonical-int.ts";
import { TEXT_VALUE, type Tuple } from "./pgoutput-reader.ts";
import { definitionHash, EPOCH_MICROSECONDS } from "./routing-engine.ts";
import type { Path, Template } from "./schema.ts";
import { canonicalConstant, joinTexts } from "./string-keyed.ts";

type IntegerFilter = Filter<string | number, number>;

const CHUNK_BITS = 14;
const CHUNK_SHAPES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SHAPES - 1;

/** The columns of 16,384 shapes. */
class ShapeChunk {
  readonly templates = new Uint32Array(CHUNK_SHAPES);
  readonly tails = new Float64Array(CHUNK_SHAPES);
  readonly lastUses = new Uint16Array(CHUNK_SHAPES);
  readonly generations = new Uint8Array(CHUNK_SHAPES);
  readonly states = new Uint8Array(CHUNK_SHAPES);
  readonly keys = new Float64Array(CHUNK_SHAPES);
  readonly hashes = new Uint32Array(CHUNK_SHAPES);
  readonly constants = new Array<string | number>(CHUNK_SHAPES).fill(0);
}

export class IntegerKeyedEngine extends BaselineEngine<string | number, number> {
  readonly name = "integer-keyed";
  readonly #chunks: ShapeChunk[] = [];
  readonly #retired = new IdQueue();
  /** The next id that no shape has had. */
  #next = 1;
  #keys = 0;
  #shapeCount = 0;

  get shapeCount(): number {
    return this.#shapeCount;
  }

  add(templateIndex: number, constants: readonly string[]): number {
    const template = this.templates[templateIndex]!;
    const key = this.keyOfConstants(template.path, constants);
    this.#keys += 1;
    const id = this.#mint();
    const chunk = this.#chunks[id >>> CHUNK_BITS]!;
    const place = id & CHUNK_MASK;
    chunk.templates[place] = templateIndex;
    chunk.tails[place] = 1;
    chunk.keys[place] = this.#keys;
    chunk.hashes[place] = definitionHash(templateIndex, constants);
    chunk.constants[place] = key;
    this.file(template.path.filter, key, id);
    this.#shapeCount += 1;
    return id;
  }

  remove(id: number): void {
    const chunk = this.#chunks[id >>> CHUNK_BITS]!;
    const place = id & CHUNK_MASK;
    this.unfile(this.templateOf(id).path.filter, chunk.constants[place]!, id);
    chunk.constants[place] = 0;
    chunk.generations[place]! += 1;
    this.#retired.push(id);
    this.#shapeCount -= 1;
  }

  find(template: number, constants: readonly string[]): number | undefined {
    return this.findFiled(template, constants);
  }

  /** What an answer says. */
  handleOf(id: number): string {
    const chunk = this.#chunks[id >>> CHUNK_BITS]!;
    const place = id & CHUNK_MASK;
    return `${chunk.hashes[place]}-${EPOCH_MICROSECONDS + chunk.keys[place]!}`;
  }

  generationOf(id: number): number {
    return this.#chunks[id >>> CHUNK_BITS]!.generations[id & CHUNK_MASK]!;
  }

  protected templateOf(id: number): Template<IntegerFilter> {
    return this.templates[this.#chunks[id >>> CHUNK_BITS]!.templates[id & CHUNK_MASK]!]!;
  }

  protected keyOfConstants(
    path: Path<IntegerFilter>,
    constants: readonly string[],
  ): string | number {
    const texts = constants.map((text, index) => canonicalConstant(path, index, text));
    if (texts.length !== 1) return joinTexts(texts);
    return path.kinds[0] === "int" ? shortestKey(texts[0]!) : texts[0]!;
  }

  protected keyOfRow(
    path: Path<IntegerFilter>,
    positions: Int32Array,
    row: Tuple,
  ): string | number | undefined {
    if (path.columns.length === 1) return this.#keyOfTerm(path, 0, positions, row);
    let joined = "";
    for (let index = 0; index < path.columns.length; index += 1) {
      const key = this.#keyOfTerm(path, index, positions, row);
      if (key === undefined) return undefined;
      const text = String(key);
      joined += `${text.length}:${text}`;
    }
    return joined;
  }

  #keyOfTerm(
    path: Path<IntegerFilter>,
    index: number,
    positions: Int32Array,
    row: Tuple,
  ): string | number | undefined {
    const position = positions[path.columns[index]!]!;
    if (position < 0 || row.kinds[position] !== TEXT_VALUE) return undefined;
    const { bytes } = this.reader;
    const start = row.starts[position]!;
    const end = start + row.sizes[position]!;
    if (path.kinds[index] !== "int") {
      const text = bytes.toString("latin1", start, end);
      return path.kinds[index] === "uuid" ? text.toLowerCase() : text;
    }
    const value = parseShortInt(bytes, start, end - start);
    if (!Number.isNaN(value)) return value;
    const canonical = canonicalInt(bytes.toString("latin1", start, end));
    return canonical === undefined ? undefined : shortestKey(canonical);
  }

  #mint(): number {
    const id = this.#retired.size > 0 ? this.#retired.shift() : this.#next++;
    if (id >>> CHUNK_BITS === this.#chunks.length) this.#chunks.push(new ShapeChunk());
    return id;
  }
}

/** A canonical integer as `parseShortInt` would have it, else as text. */
function shortestKey(canonical: string): string | number {
  const value = Number(canonical);
  return Math.abs(value) < 1e15 ? value : canonical;
}

/** First in, first out, without the cost of Array.shift. */
class IdQueue {
  #ids: number[] = [];
  #head = 0;

  get size(): number {
    return this.#ids.length - this.#head;
  }

  push(id: number): void {
    this.#ids.push(id);
  }

  shift(): number {
    const id = this.#ids[this.#head]!;
    this.#head += 1;
    if (this.#head >= 1024 && 2 * this.#head > this.#ids.length) {
      this.#ids = this.#ids.slice(this.#head);
      this.#head = 0;
    }
    return id;
  }
}
