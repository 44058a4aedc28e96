/**
 * Definitions that were asked for before. Nearly every request names a shape that exists, or one
 * that differs from others by its parameters alone; to analyse its clause takes 200 us and more.
 *
 *     table ── columns, modes, clause, number of parameters ── template, sources of its constants
 *
 * A clause is known by its form (`literals.ts`) where the template is the same for all literals of
 * it, otherwise as it is written; and with the values of its parameters where its template is not
 * the same for all of these. Whether a text is a value of a type is asked anew for each: if it is
 * not, the clause is analysed again, and says so.
 */

import type { Constants, ShapeDefinition, ShapeTemplate } from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
import type { ValueSource } from "../model/expression.ts";
import type { ConstantSource } from "./lift.ts";
import { typeNamed } from "./type-table.ts";
import { EvaluationError } from "./values/errors.ts";

/** Templates of one table. Most are some kilobytes. */
const CAPACITY = 500;
/** Characters of all their texts. A template takes a few times as many bytes as its text has. */
const TEXT_LENGTH_MAX = 1024 * 1024;
/** Of a key: a longer clause is rare, and would fill the memory. */
const KEY_LENGTH_MAX = 4_096;

interface Known {
  readonly template: ShapeTemplate;
  readonly constants: Constants;
  readonly sources: readonly ConstantSource[];
  /** Of all uses, the number of the last one. */
  lastUse: number;
}

/** What is known of a clause when it has been analysed. */
export interface Traces {
  readonly sources: readonly ConstantSource[];
  /** What its meaning has asked for, an object for each time: see `Scope`. */
  readonly reads: readonly ValueSource[];
}

export const NO_TRACES: Traces = { sources: [], reads: [] };

/** Whether the template is the same for all values of the parameters, `given` of them. */
export function isTraced(traces: Traces, given: number): boolean {
  return haveBecomeConstants(traces, (index) => index < given);
}

/** And whether it is for all literals: each has become a constant, and had no other effect. */
export function areLiteralsTraced(traces: Traces, given: number, literals: number): boolean {
  const isLiteral = (index: number) => index >= given;
  const read = new Set(traces.reads.map(({ index }) => index).filter(isLiteral));
  return read.size === literals && haveBecomeConstants(traces, isLiteral);
}

/** Reads of which something else was made too than the constants that have them as sources. */
export function usedAgain(reads: readonly ValueSource[]): readonly ValueSource[] {
  return [...reads, ...reads.map((read) => ({ ...read }))];
}

/** Whether each read is the source of one constant, hence was used for nothing else. */
function haveBecomeConstants(
  { sources, reads }: Traces,
  isMeant: (index: number) => boolean,
): boolean {
  const constants = sources.flatMap(({ value }) => value ?? []);
  return reads.every((read) => {
    return !isMeant(read.index) || constants.filter((source) => source === read).length === 1;
  });
}

/** Definitions on one table. */
interface Shelf {
  readonly byKey: Map<string, Known>;
  /** Of the templates' texts. */
  textLength: number;
}

export class DefinitionCache {
  /** The catalog hands out one object for each version of a table. */
  readonly #shelves = new WeakMap<Table, Shelf>();
  #useCount = 0;

  /** @param values the parameters; with a clause known by its form, its literals too. */
  find(table: Table, key: string, values: readonly string[]): ShapeDefinition | undefined {
    const found = this.#shelves.get(table)?.byKey.get(key);
    if (found === undefined) return undefined;
    found.lastUse = ++this.#useCount;
    const constants = constantsOf(found, values);
    return constants === undefined ? undefined : { template: found.template, constants };
  }

  /** REQUIRES: the template is the same for all values that `find` will be given with this key. */
  add(
    table: Table,
    key: string,
    { template, constants }: ShapeDefinition,
    sources: readonly ConstantSource[],
  ): void {
    if (key.length > KEY_LENGTH_MAX) return;
    const shelf = this.#shelves.get(table) ?? { byKey: new Map<string, Known>(), textLength: 0 };
    this.#shelves.set(table, shelf);
    remove(shelf, key);
    shelf.textLength += template.text.length;
    shelf.byKey.set(key, { template, constants, sources, lastUse: ++this.#useCount });
    while (isOverfull(shelf)) remove(shelf, leastUsed(shelf.byKey));
  }
}

function isOverfull({ byKey, textLength }: Shelf): boolean {
  return byKey.size > CAPACITY || textLength > TEXT_LENGTH_MAX;
}

function remove(shelf: Shelf, key: string): void {
  shelf.textLength -= shelf.byKey.get(key)?.template.text.length ?? 0;
  shelf.byKey.delete(key);
}

/**
 * The key that was used longest ago. To look at all is a hundredth of the analysis that comes
 * before; to keep them in order would be work for every request.
 */
function leastUsed(known: ReadonlyMap<string, Known>): string {
  let [key, least] = ["", Infinity];
  for (const [each, { lastUse }] of known) {
    if (lastUse < least) [key, least] = [each, lastUse];
  }
  return key;
}

/** Undefined: a value is none of its type. */
function constantsOf(
  { constants, sources }: Known,
  values: readonly string[],
): Constants | undefined {
  try {
    return constants.map((text, index) => {
      const { value, type } = sources[index]!;
      if (value === undefined) return text;
      const given = values[value.index]!;
      const { format, parse } = typeNamed(type);
      return format(parse(value.sign === "-" ? `-${given}` : given));
    });
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}
