/**
 * The routing state of an ordinary sync engine: Map and Set, keyed by the handle.
 *
 *     rows     handle -> row { template, key, tail, last use, state }
 *     filter   per (table, columns): values -> handle, or a Set of two and more
 *
 * Nothing is kept twice. The handle is the key of its row and not in it; the row's constants are
 * the filter's key, the same string; a shape is found by definition through the filter, so there is
 * no second map of definitions; a table's shapes are the rows whose template is on it, so there is
 * no map of partitions. Who waits on a shape and what is not flushed yet concerns active shapes
 * only: no entry for an idle one, here or in the core, hence nothing to compare. A handle is never
 * used again, so there is no generation. `string-staged.ts` is what the division of labour of a
 * pipeline adds to this.
 *
 * Texts are one byte a character, the bytes of the wire: equal strings are equal bytes.
 */

import { BaselineEngine, type Filter } from "./baseline-engine.ts";
import { canonicalInt, isCanonicalInt } from "./canonical-int.ts";
import { flatText } from "./flat-text.ts";
import { TEXT_VALUE, type Tuple } from "./pgoutput-reader.ts";
import { definitionHash, EPOCH_MICROSECONDS } from "./routing-engine.ts";
import type { Path, Template } from "./schema.ts";

type StringFilter = Filter<string, string>;

interface ShapeRow {
  readonly template: Template<StringFilter>;
  /** The constants, as the filter has them. */
  readonly key: string;
  /** 0 unknown, 1 known to be empty, else the position of the last entry. */
  tail: number;
  /** Minutes since the start. */
  lastUse: number;
  state: number;
}

export class StringKeyedEngine extends BaselineEngine<string, string> {
  readonly name: string = "string-keyed";
  readonly #rows = new Map<string, ShapeRow>();
  #keys = 0;

  get shapeCount(): number {
    return this.#rows.size;
  }

  add(templateIndex: number, constants: readonly string[]): string {
    const template = this.templates[templateIndex]!;
    const key = this.keyOfConstants(template.path, constants);
    this.#keys += 1;
    const hash = definitionHash(templateIndex, constants);
    const handle = flatText(`${hash}-${EPOCH_MICROSECONDS + this.#keys}`);
    this.#rows.set(handle, { template, key, tail: 1, lastUse: 0, state: 0 });
    this.file(template.path.filter, key, handle);
    return handle;
  }

  remove(handle: string): void {
    const row = this.#rows.get(handle)!;
    this.#rows.delete(handle);
    this.unfile(row.template.path.filter, row.key, handle);
  }

  find(template: number, constants: readonly string[]): string | undefined {
    return this.findFiled(template, constants);
  }

  protected templateOf(handle: string): Template<StringFilter> {
    return this.#rows.get(handle)!.template;
  }

  protected constantsOf(handle: string): string {
    return this.#rows.get(handle)!.key;
  }

  protected keyOfConstants(path: Path<StringFilter>, constants: readonly string[]): string {
    const texts = constants.map((text, index) => canonicalConstant(path, index, text));
    return texts.length === 1 ? texts[0]! : joinTexts(texts);
  }

  protected keyOfRow(
    path: Path<StringFilter>,
    positions: Int32Array,
    row: Tuple,
  ): string | undefined {
    if (path.columns.length === 1) return this.#textOf(path, 0, positions, row);
    let joined = "";
    for (let index = 0; index < path.columns.length; index += 1) {
      const text = this.#textOf(path, index, positions, row);
      if (text === undefined) return undefined;
      joined += `${text.length}:${text}`;
    }
    return joined;
  }

  #textOf(
    path: Path<StringFilter>,
    index: number,
    positions: Int32Array,
    row: Tuple,
  ): string | undefined {
    const position = positions[path.columns[index]!]!;
    if (position < 0 || row.kinds[position] !== TEXT_VALUE) return undefined;
    const start = row.starts[position]!;
    const size = row.sizes[position]!;
    const text = this.reader.bytes.toString("latin1", start, start + size);
    switch (path.kinds[index]!) {
      case "int":
        return isCanonicalInt(this.reader.bytes, start, size) ? text : canonicalInt(text);
      case "uuid":
        return text.toLowerCase();
      case "text":
        return text;
    }
  }
}

/** A constant in the form in which rows are looked up. */
export function canonicalConstant(path: Path<unknown>, index: number, text: string): string {
  switch (path.kinds[index]!) {
    case "int":
      return requireCanonical(canonicalInt(text), text);
    case "uuid":
      return requireCanonical(canonicalUuid(text), text);
    case "text":
      return Buffer.from(text, "utf8").toString("latin1");
  }
}

/** Injective: each text carries its length. */
export function joinTexts(texts: readonly string[]): string {
  return texts.map((text) => `${text.length}:${text}`).join("");
}

function canonicalUuid(text: string): string | undefined {
  return UUID_PATTERN.test(text) ? text.toLowerCase() : undefined;
}

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function requireCanonical(canonical: string | undefined, text: string): string {
  if (canonical === undefined) throw new RangeError(`no constant of its kind: ${text}`);
  return canonical;
}
