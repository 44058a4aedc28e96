/**
 * A WHERE as SQL for Postgres. Every cast is written out, so that Postgres comes to the operations
 * that the expression names, whatever else there is in its catalogs.
 */

import {
  typeOf,
  type CallNode,
  type Expression,
  type MembershipNode,
  type OperationName,
  type SubscriptNode,
} from "../model/expression.ts";
import type { Dependency } from "../model/shape-definition.ts";
import type { SqlPieces } from "../model/subquery.ts";
import { quoteIdentifier, quoteTable, type Table } from "../model/table.ts";
import { operationNamed } from "./operations/lookup.ts";

/**
 * In pieces, for `whereSql` of `model/shape-definition.ts`.
 *
 * @param dependencies of which the expression has memberships.
 */
export function toSql(
  expression: Expression,
  table: Table,
  dependencies: readonly Dependency[] = [],
): SqlPieces {
  return splitSql(writeSql(expression, table, dependencies));
}

/** As one text, to be put together with others before it is split. */
export function writeSql(
  expression: Expression,
  table: Table,
  dependencies: readonly Dependency[],
): string {
  return new SqlWriter(table, dependencies).write(expression);
}

/**
 * Stands before and behind the index of a constant in text that is not yet split. No identifier and
 * no literal has it: Postgres has no such character.
 */
const MARK = "\0";

export function splitSql(text: string): SqlPieces {
  return text.split(MARK).map((piece, index) => (index % 2 === 1 ? Number(piece) : piece));
}

class SqlWriter {
  readonly #table: Table;
  readonly #dependencies: readonly Dependency[];

  constructor(table: Table, dependencies: readonly Dependency[]) {
    this.#table = table;
    this.#dependencies = dependencies;
  }

  write(expression: Expression): string {
    switch (expression.node) {
      case "column":
        return quoteIdentifier(this.#table.columns[expression.column]!.name);
      case "value":
        return writeLiteral(expression.text, expression.type);
      case "constant":
        // The type of an enum is for Postgres to infer: its name would not tell its schema.
        return `${MARK}${expression.index}${MARK}${castTo(expression.type)}`;
      case "and":
      case "or":
        return this.#join(expression.args, ` ${expression.node.toUpperCase()} `);
      case "not":
        return `(NOT ${this.write(expression.arg)})`;
      case "isNull":
        return this.#test(expression.arg, expression.isNegated, "NULL");
      case "isTrue":
        return this.#test(expression.arg, expression.isNegated, "TRUE");
      case "isFalse":
        return this.#test(expression.arg, expression.isNegated, "FALSE");
      case "isUnknown":
        return this.#test(expression.arg, expression.isNegated, "UNKNOWN");
      case "membership":
        return this.#membership(expression);
      default:
        return this.#value(expression);
    }
  }

  #value(expression: Exclude<Expression, { node: LeafOrCondition }>): string {
    switch (expression.node) {
      case "call":
        return this.#call(expression);
      case "convert":
        return `${this.write(expression.arg)}::${expression.type}`;
      case "distinct": {
        const not = expression.isNegated ? "NOT " : "";
        const { left, right } = expression;
        return `(${this.write(left)} IS ${not}DISTINCT FROM ${this.write(right)})`;
      }
      case "any":
      case "all": {
        const { left, operation, array, node } = expression;
        const operand = this.#collated(this.write(left), expression.collation);
        if (array.node === "array" && castTo(array.type) === "") {
          // An array of nothing but constants would be one of texts: each is compared by itself.
          const tests = array.args.map((arg) => `${operand} ${operation.name} ${this.write(arg)}`);
          return `(${tests.join(node === "any" ? " OR " : " AND ")})`;
        }
        return `(${operand} ${operation.name} ${node.toUpperCase()} (${this.write(array)}))`;
      }
      case "coalesce":
      case "greatest":
      case "least":
        return `${expression.node.toUpperCase()}${this.#choices(expression)}`;
      case "array":
        return `ARRAY[${this.#list(expression.args)}]${castTo(expression.type)}`;
      case "subscript":
        return this.#subscript(expression);
    }
  }

  #join(args: readonly Expression[], separator: string): string {
    return `(${args.map((arg) => this.write(arg)).join(separator)})`;
  }

  #test(arg: Expression, isNegated: boolean, what: string): string {
    return `(${this.write(arg)} IS ${isNegated ? "NOT " : ""}${what})`;
  }

  #membership({ dependency, columns, isNegated }: MembershipNode): string {
    const { template, firstConstant } = this.#dependencies[dependency]!;
    const { table, where, projection } = template;
    const left = namesOf(this.#table, columns);
    const condition = (where?.sql ?? []).map((piece) => {
      return typeof piece === "string" ? piece : `${MARK}${firstConstant + piece}${MARK}`;
    });
    const filter = condition.length === 0 ? "" : ` WHERE ${condition.join("")}`;
    const select = `SELECT ${namesOf(table, projection)} FROM ${quoteTable(table)}${filter}`;
    const row = columns.length === 1 ? left : `(${left})`;
    return `(${row} ${isNegated ? "NOT IN" : "IN"} (${select}))`;
  }

  #choices({ args, collation }: Extract<Expression, { node: "coalesce" | "greatest" | "least" }>) {
    const [first, ...rest] = args.map((arg) => this.write(arg));
    return `(${[this.#collated(first!, collation), ...rest].join(", ")})`;
  }

  #call({ operation, args, type, collation }: CallNode): string {
    const written = args.map((arg, index) => {
      const declared = operation.args[Math.min(index, operation.args.length - 1)];
      return declared === "any" ? this.#typed(arg) : this.write(arg);
    });
    const textAt = args.findIndex((arg) => STRINGS.has(typeOf(arg)));
    if (textAt >= 0) written[textAt] = this.#collated(written[textAt]!, collation);
    return callSql(operation, written, type);
  }

  #list(args: readonly Expression[]): string {
    return args.map((arg) => this.write(arg)).join(", ");
  }

  /** Where nothing says of which type a constant is, its text will do for the label of an enum. */
  #typed(arg: Expression): string {
    const isBare = (arg.node === "constant" || arg.node === "value") && castTo(arg.type) === "";
    return isBare ? `${this.write(arg)}::text` : this.write(arg);
  }

  #collated(sql: string, collation: "C" | undefined): string {
    return collation === undefined ? sql : `(${sql} COLLATE "C")`;
  }

  #subscript({ array, subscripts, isSlice }: SubscriptNode): string {
    const written = subscripts.map(({ lower, upper }) => {
      const bounds = [lower, upper].map((bound) => (bound === undefined ? "" : this.write(bound)));
      return isSlice ? `[${bounds.join(":")}]` : `[${bounds[1]!}]`;
    });
    return `(${this.write(array)})${written.join("")}`;
  }
}

type LeafOrCondition =
  | "column"
  | "value"
  | "constant"
  | "and"
  | "or"
  | "not"
  | "isNull"
  | "isTrue"
  | "isFalse"
  | "isUnknown"
  | "membership";

function namesOf(table: Table, columns: readonly number[]): string {
  return columns.map((index) => quoteIdentifier(table.columns[index]!.name)).join(", ");
}

const STRINGS: ReadonlySet<string> = new Set(["text", "varchar", "bpchar", "name"]);

function callSql(name: OperationName, args: readonly string[], type: string): string {
  const { sql } = operationNamed(name);
  if (sql !== undefined) return sql(args);
  switch (name.kind) {
    case "binary":
      return `(${args[0]!} ${name.name} ${args[1]!})`;
    case "prefix":
      return `(${name.name} ${args[0]!})`;
    case "function":
      return `pg_catalog.${name.name}(${args.join(", ")})`;
    case "cast":
      return `${args[0]!}::${type}`;
  }
}

export function writeLiteral(text: string | null, type: string): string {
  if (type === "bool" && text !== null) return text === "t" ? "TRUE" : "FALSE";
  if (text === null) return `NULL${castTo(type)}`;
  const quoted = text.replaceAll("'", "''");
  const sql = text.includes("\\") ? `E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
  return `${sql}${castTo(type)}`;
}

function castTo(type: string): string {
  return type.startsWith("enum") ? "" : `::${type}`;
}
