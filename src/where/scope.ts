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
import type { Expression } from "../model/expression.ts";
import type { Table } from "../model/table.ts";
import type { TimeZones } from "../model/time-zone.ts";
import { pathway, type Pathway } from "./conversions.ts";
import { evaluateConstant } from "./evaluate.ts";
import { constantText, isUnknown, type Operand } from "./operand.ts";
import type { CastContext, Operation } from "./operations/operation.ts";
import { errorAt } from "./parser.ts";
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
  /**
   * The clause is for Postgres alone (protocol 12): nothing of it is computed, and whatever has a
   * meaning there is allowed.
   */
  readonly isForPostgres?: boolean;
}

export class Scope {
  readonly table: Table;
  readonly facts: WhereFacts;
  readonly #text: string;
  readonly #parameters: readonly string[];
  readonly #analyse: (scope: Scope, node: Node) => Operand;
  /** How often a parameter was read. */
  parameterCount = 0;
  readonly #parameterTypes = new Map<number, SqlType>();

  /**
   * @param parameters of which every one that the clause refers to is there.
   * @param analyse any part of the clause; handed in because it needs this class itself.
   */
  constructor(
    text: string,
    table: Table,
    parameters: readonly string[],
    facts: WhereFacts,
    analyse: (scope: Scope, node: Node) => Operand,
  ) {
    this.#text = text;
    this.table = table;
    this.#parameters = parameters;
    this.facts = facts;
    this.#analyse = analyse;
  }

  analyse(node: Node): Operand {
    return this.#analyse(this, node);
  }

  /** @param location in bytes of the wrapped text. */
  errorAt(location: number | undefined, message: string): Error {
    return errorAt(this.#text, location, message);
  }

  literal(text: string | null, type: SqlType, location: number | undefined): Operand {
    return { type, expression: { node: "value", type, text }, location, name: "constant" };
  }

  parameter(number: number, location: number | undefined): Operand {
    this.parameterCount += 1;
    const operand = this.literal(this.#parameters[number - 1]!, UNKNOWN, location);
    const type = this.#parameterTypes.get(number);
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
    if (args.some((arg) => arg.node === "value")) this.parameterCount += 1;
    try {
      checkConstants(args.map(constantOf), this.facts.timeZones);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      throw this.errorAt(location, error.message);
    }
  }

  #read(operand: Operand, type: SqlType, location: number | undefined): Operand {
    const given = constantText(operand) ?? null;
    const text = given === null ? null : this.#canonical(given, type, location);
    const { parameter } = operand;
    const source = parameter === undefined ? {} : { parameter };
    const expression: Expression = { node: "value", type: valueTypeOf(type), text, ...source };
    return { ...operand, type, location, expression };
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
      return evaluateConstant(converted, this.facts) ?? converted;
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      const value = JSON.stringify(constantText(from) ?? "");
      const what = `could not cast value ${value} from ${from.type} to ${type}`;
      throw this.errorAt(from.location, what);
    }
  }
}

function constantOf(expression: Expression): Value | null | undefined {
  if (expression.node !== "value") return undefined;
  return expression.text === null ? null : typeNamed(expression.type).parse(expression.text);
}
