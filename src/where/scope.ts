/**
 * What an analysis has at hand: the table, the parameters and the facts of the database; and what
 * it remembers on its way, the types that parameters have adopted.
 *
 * As in Postgres, a literal in quotes and a parameter have no type of their own. They adopt that of
 * what they meet, a parameter for good, at its first use (protocol 13.2). A conversion of constants
 * is carried out here and now (protocol 13.5).
 */

import type { Node } from "@pgsql/types";
import type { CaseMapping } from "../model/case-mapping.ts";
import type { Expression, ValueSource } from "../model/expression.ts";
import type { Table, TableColumn } from "../model/table.ts";
import type { TimeZones } from "../model/time-zone.ts";
import { errorAt, locationIn } from "./clause-error.ts";
import { collationOfType } from "./collation.ts";
import { pathway, type Pathway } from "./conversions.ts";
import { evaluateConstant } from "./evaluate.ts";
import type { Literal } from "./literals.ts";
import { constantText, isUnknown, type Operand } from "./operand.ts";
import type { CastContext, Operation } from "./operations/operation.ts";
import type { FoundSubselect } from "./subselect.ts";
import { UNKNOWN, valueTypeOf, type SqlType } from "./sql-types.ts";
import { inputTypeNamed, typeNamed } from "./type-table.ts";
import { EvaluationError } from "./values/errors.ts";
import type { Value } from "./values/scalar-type.ts";

/** What is true of a database and does not stand in the description of a table. */
export interface WhereFacts {
  /** Whether Postgres replicates stored generated columns (protocol 7.10). */
  readonly publishesGeneratedColumns: boolean;
  /** Undefined: unknown, so that functions that fold case are refused. */
  readonly caseMapping?: CaseMapping | undefined;
  /** Undefined: names of time zones are refused. */
  readonly timeZones?: TimeZones | undefined;
  /** Those of subselects, see `subselectTables`. One that is missing does not exist. */
  readonly innerTables?: readonly Table[];
  /**
   * The clause is for Postgres alone (protocol 12): nothing of it is computed, and whatever has a
   * meaning there is allowed.
   */
  readonly isForPostgres?: boolean;
}

/** What a clause is given beside its text, or says itself. */
export interface RequestValues {
  readonly parameters: readonly string[];
  readonly literals: readonly Literal[];
}

export class Scope {
  readonly table: Table;
  readonly facts: WhereFacts;
  readonly text: string;
  /** In the order in which they are met; a membership has the index of its subselect. */
  readonly subselects: FoundSubselect[] = [];
  readonly #parameters: readonly string[];
  /** By their places, as the parser tells them. */
  readonly #literals: ReadonlyMap<number, ValueSource>;
  readonly #analyse: (scope: Scope, node: Node) => Operand;
  /**
   * The values that were asked for, an object for each time: what becomes of it, and nothing else,
   * has it as its source. So whether it has become a constant can be told (`definition-cache.ts`).
   */
  readonly reads: ValueSource[] = [];
  readonly #parameterTypes = new Map<number, SqlType>();

  /**
   * @param values of which every parameter that the clause refers to is there.
   * @param analyse any part of the clause; handed in because it needs this class itself.
   */
  constructor(
    text: string,
    table: Table,
    { parameters, literals }: RequestValues,
    facts: WhereFacts,
    analyse: (scope: Scope, node: Node) => Operand,
  ) {
    this.text = text;
    this.table = table;
    this.#parameters = parameters;
    this.#literals = sourcesByPlace(text, literals, parameters.length);
    this.facts = facts;
    this.#analyse = analyse;
  }

  analyse(node: Node): Operand {
    return this.#analyse(this, node);
  }

  /** @param location in bytes of the wrapped text. */
  errorAt(location: number | undefined, message: string): Error {
    return errorAt(this.text, location, message);
  }

  /** @throws {InvalidParameter} changes of the column are not sent. */
  checkReplicated({ name, generated }: TableColumn, location: number | undefined): void {
    if (generated === undefined) return;
    if (generated === "stored" && this.facts.publishesGeneratedColumns) return;
    const why = "generated columns are not replicated";
    throw this.errorAt(location, `the column ${name} cannot be filtered by: ${why}`);
  }

  literal(text: string | null, type: SqlType, location: number | undefined): Operand {
    const place = location === undefined ? undefined : this.#literals.get(location);
    const source = place === undefined ? undefined : this.#reading(place);
    const expression: Expression = { node: "value", type, text, ...traced(source) };
    return { type, expression, location, name: "constant" };
  }

  parameter(number: number, location: number | undefined): Operand {
    const source = this.#reading({ index: number - 1 });
    const text = this.#parameters[number - 1]!;
    const expression: Expression = { node: "value", type: UNKNOWN, text, source };
    const type = this.#parameterTypes.get(number);
    const operand = { type: UNKNOWN, expression, location, name: "constant" };
    const named = { ...operand, parameter: number };
    return type === undefined ? named : this.#read(named, type, location);
  }

  /**
   * Gives a type to an operand of unknown type. REQUIRES: it has none.
   *
   * @throws {InvalidParameter} for a text that is none of the type.
   */
  adopt(operand: Operand, type: SqlType): Operand {
    const { parameter, location } = operand;
    if (parameter !== undefined) {
      // It may have had no type when it was read, and have adopted one since.
      const adopted = this.#parameterTypes.get(parameter) ?? type;
      if (adopted !== type) {
        const conflict = `type conflict for $${parameter}: ${adopted} and ${type}`;
        throw this.errorAt(location, conflict);
      }
      this.#parameterTypes.set(parameter, type);
    }
    return this.#read(operand, type, location);
  }

  /**
   * Converts an operand, or gives it a type if it has none. Undefined: there is no such cast.
   *
   * @throws {InvalidParameter} a constant cannot be converted.
   */
  convert(operand: Operand, type: SqlType, context: CastContext): Operand | undefined {
    if (isUnknown(operand)) return this.adopt(operand, type);
    const way = pathway(operand.type, type, context);
    if (way === undefined) return undefined;
    if (way.how === "none") return operand;
    const converted = this.#apply(operand, type, way);
    return { ...operand, type, expression: this.#fold(converted, operand, type) };
  }

  /**
   * A call in place: the arguments are of the operation's types. Constants are computed.
   *
   * @throws {InvalidParameter} Postgres would raise an error.
   */
  compute(expression: Expression, location: number | undefined): Expression {
    if (this.facts.isForPostgres === true) return expression;
    try {
      return evaluateConstant(expression, this.facts) ?? expression;
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      const message = `Failed to apply function to constant arguments: ${error.message}`;
      throw this.errorAt(location, message);
    }
  }

  /** @throws {InvalidParameter} the operation refuses its constant arguments. */
  checkConstants(
    { checkConstants }: Operation,
    args: readonly Expression[],
    location: number | undefined,
  ): void {
    if (checkConstants === undefined || this.facts.isForPostgres === true) return;
    // Other values may be refused, so a template is not made for them without looking.
    if (args.some((arg) => arg.node === "value")) this.reads.push(OF_NO_CONSTANT);
    try {
      checkConstants(args.map(constantOf), this.facts.timeZones);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      throw this.errorAt(location, error.message);
    }
  }

  #reading(source: ValueSource): ValueSource {
    const read = { ...source };
    this.reads.push(read);
    return read;
  }

  #read(operand: Operand, type: SqlType, location: number | undefined): Operand {
    const given = constantText(operand) ?? null;
    const text = given === null ? null : this.#canonical(given, type, location);
    const source = traced(sourceOf(operand));
    const expression: Expression = { node: "value", type: valueTypeOf(type), text, ...source };
    const collation = collationOfType(type);
    const collated = collation === undefined ? {} : { collation };
    return { ...operand, type, location, expression, ...collated };
  }

  #canonical(text: string, type: SqlType, location: number | undefined): string {
    const { parse, format } = inputTypeNamed(valueTypeOf(type), this.facts.timeZones);
    try {
      return format(parse(text));
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      throw this.errorAt(location, `invalid syntax for type ${type}: ${text}`);
    }
  }

  #apply(operand: Operand, type: SqlType, way: Exclude<Pathway, { how: "none" }>): Expression {
    const { expression } = operand;
    const target = valueTypeOf(type);
    if (way.how === "call") {
      return { node: "call", operation: way.operation, args: [expression], type: target };
    }
    const element = way.how === "elements" ? { element: way.element } : {};
    return { node: "convert", how: way.how, arg: expression, type: target, ...element };
  }

  #fold(converted: Expression, from: Operand, type: SqlType): Expression {
    if (this.facts.isForPostgres === true) return converted;
    try {
      const folded = evaluateConstant(converted, this.facts) ?? converted;
      const source = sourceOf(from);
      const isKept = source?.sign !== undefined && KEEPING.has(`${from.type} ${type}`);
      return isKept && folded.node === "value" ? { ...folded, source } : folded;
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      const value = JSON.stringify(constantText(from) ?? "");
      const what = `could not cast value ${value} from ${from.type} to ${type}`;
      throw this.errorAt(from.location, what);
    }
  }
}

/** A parameter that was read and has become no constant. */
const OF_NO_CONSTANT: ValueSource = { index: -1 };

/** Conversions of a number in the clause that give what its text is in the other type. */
const KEEPING: ReadonlySet<string> = new Set([
  "int4 int8",
  "int4 numeric",
  "int4 float8",
  "int8 numeric",
  "numeric float8",
]);

function sourceOf({ expression }: Operand): ValueSource | undefined {
  return expression.node === "value" ? expression.source : undefined;
}

function traced(source: ValueSource | undefined): { readonly source?: ValueSource } {
  return source === undefined ? {} : { source };
}

function sourcesByPlace(
  text: string,
  literals: readonly Literal[],
  parameterCount: number,
): ReadonlyMap<number, ValueSource> {
  const places = new Map<number, ValueSource>();
  literals.forEach(({ start, isNumber, signStart }, number) => {
    const index = parameterCount + number;
    places.set(locationIn(text, start), isNumber ? { index, sign: "+" } : { index });
    if (signStart !== undefined) places.set(locationIn(text, signStart), { index, sign: "-" });
  });
  return places;
}

function constantOf(expression: Expression): Value | null | undefined {
  if (expression.node !== "value") return undefined;
  return expression.text === null ? null : typeNamed(expression.type).parse(expression.text);
}
