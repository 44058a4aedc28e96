/**
 * Definitions that were asked for before. Nearly every request names a shape that exists, or one
 * that differs from others by its parameters alone; to analyse its clause takes 200 us and more.
 *
 *     table ── columns, modes, clause, number of parameters ── template, sources of its constants
 *
 * A clause is known by its form (`literals.ts`) where the template is the same for all literals of
 * it, otherwise as it is written. Kept are only clauses whose template is the same for all values
 * of the parameters. Whether a text is a value of a type is asked anew for each: if it is not, the
 * clause is analysed again, and says so.
 */

import type { Constants, ShapeDefinition, ShapeTemplate } from "../model/shape-definition.ts";
import type { Table } from "../model/table.ts";
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
  /** How often the meaning of the clause asked for the value of a parameter. */
  readonly parameterCount: number;
  /** And for that of a literal. */
  readonly literalCount: number;
}

export const NO_TRACES: Traces = { sources: [], parameterCount: 0, literalCount: 0 };

/** Whether the template is the same for all values of the parameters. */
export function isTraced({ sources, parameterCount }: Traces, given: number): boolean {
  return indexesIn(sources).filter((index) => index < given).length === parameterCount;
}

/** And whether it is for all literals: each has become a constant, and had no other effect. */
export function areLiteralsTraced(
  { sources, literalCount }: Traces,
  given: number,
  literals: number,
): boolean {
  const traced = indexesIn(sources).filter((index) => index >= given);
  return traced.length === literalCount && new Set(traced).size === literals;
}

function indexesIn(sources: readonly ConstantSource[]): readonly number[] {
  return sources.flatMap(({ value }) => (value === undefined ? [] : [value.index]));
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

  /** REQUIRES: the template is the same for all values that `find` will be given. */
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
      const given = value === undefined ? undefined : values[value.index];
      // A clause that is known as it is written has its literals in it.
      if (given === undefined) return text;
      const { format, parse } = typeNamed(type);
      return format(parse(value?.sign === "-" ? `-${given}` : given));
    });
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}
