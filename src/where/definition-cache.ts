/**
 * Definitions that were asked for before. Nearly every request names a shape that exists, or one
 * that differs from others by its parameters alone; to analyse its clause takes 200 us and more.
 *
 *     table ── columns, modes, clause, number of parameters ── template, sources of its constants
 *
 * Kept are only clauses whose template is the same for all values of the parameters. Whether a text
 * is a value of a type is asked anew for each: if it is not, the clause is analysed again, and says
 * so.
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

export class DefinitionCache {
  /** The catalog hands out one object for each version of a table. In order of last use. */
  readonly #known = new WeakMap<Table, Map<string, Known>>();

  find(table: Table, key: string, parameters: readonly string[]): ShapeDefinition | undefined {
    const known = this.#known.get(table);
    const found = known?.get(key);
    if (known === undefined || found === undefined) return undefined;
    known.delete(key);
    known.set(key, found);
    const constants = constantsOf(found, parameters);
    return constants === undefined ? undefined : { template: found.template, constants };
  }

  /**
   * @param parameterCount how often the meaning of the clause asked for the value of a parameter.
   */
  add(
    table: Table,
    key: string,
    { template, constants }: ShapeDefinition,
    sources: readonly ConstantSource[],
    parameterCount: number,
  ): void {
    const traced = sources.filter(({ parameter }) => parameter !== undefined).length;
    if (traced !== parameterCount || key.length > KEY_LENGTH_MAX) return;
    const known = this.#known.get(table) ?? new Map<string, Known>();
    this.#known.set(table, known);
    for (const oldest of known.keys()) {
      if (known.size < CAPACITY) break;
      known.delete(oldest);
    }
    known.set(key, { template, constants, sources });
  }
}

/** Undefined: a parameter is no value of its type. */
function constantsOf(
  { constants, sources }: Known,
  parameters: readonly string[],
): Constants | undefined {
  try {
    return constants.map((text, index) => {
      const { parameter, type } = sources[index]!;
      if (parameter === undefined) return text;
      const { format, parse } = typeNamed(type);
      return format(parse(parameters[parameter - 1]!));
    });
  } catch (error) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}
