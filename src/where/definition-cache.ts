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

/** Templates of one table. Each is some kilobytes. */
const CAPACITY = 500;
/** Of a key: a longer clause is rare, and would fill the memory. */
const KEY_LENGTH_MAX = 4_096;

interface Known {
  readonly template: ShapeTemplate;
  readonly constants: Constants;
  readonly sources: readonly ConstantSource[];
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

export class DefinitionCache {
  /** The catalog hands out one object for each version of a table. In order of last use. */
  readonly #known = new WeakMap<Table, Map<string, Known>>();

  /** @param values the parameters; with a clause known by its form, its literals too. */
  find(table: Table, key: string, values: readonly string[]): ShapeDefinition | undefined {
    const known = this.#known.get(table);
    const found = known?.get(key);
    if (known === undefined || found === undefined) return undefined;
    known.delete(key);
    known.set(key, found);
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
    const known = this.#known.get(table) ?? new Map<string, Known>();
    this.#known.set(table, known);
    for (const oldest of known.keys()) {
      if (known.size < CAPACITY) break;
      known.delete(oldest);
    }
    known.set(key, { template, constants, sources });
  }
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
