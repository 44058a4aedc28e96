/**
 * Random clauses with subqueries over random tables: AND, OR, NOT, IN, NOT IN, several columns,
 * subqueries within subqueries. Clauses come as patterns whose constants are drawn separately, so
 * that shapes share templates, and views.
 */

import {
  below,
  pick,
  randomLiteral,
  type OracleColumn,
  type OracleTable,
  type Random,
} from "./oracle-schema.ts";

/** Of a clause without its constants. */
export interface ClausePattern {
  readonly table: OracleTable;
  /** With other constants each time. */
  readonly where: () => string;
}

/** Says the text of a condition; the constants are drawn when it is called. */
type Text = () => string;

export interface ClauseOptions {
  readonly random: Random;
  readonly tables: readonly OracleTable[];
  /** Subqueries within one another. */
  readonly levels: number;
}

export class ClauseGenerator {
  readonly #random: Random;
  readonly #tables: readonly OracleTable[];
  readonly #levels: number;

  constructor({ random, tables, levels }: ClauseOptions) {
    this.#random = random;
    this.#tables = tables;
    this.#levels = levels;
  }

  next(): ClausePattern {
    const table = pick(this.#random, this.#tables);
    return { table, where: this.#withMembership(table, this.#levels, 2) };
  }

  #withMembership(table: OracleTable, levels: number, depth: number): Text {
    if (depth === 0 || this.#random() < 0.4) return this.#membership(table, levels);
    const parts = [
      this.#withMembership(table, levels, depth - 1),
      this.#condition(table, levels, depth - 1),
    ];
    if (this.#random() < 0.5) parts.reverse();
    return this.#joined(parts);
  }

  #condition(table: OracleTable, levels: number, depth: number): Text {
    const roll = this.#random();
    if (depth > 0 && roll < 0.2) {
      const parts = [1, 2].map(() => this.#condition(table, levels, depth - 1));
      return this.#joined(parts);
    }
    return levels > 0 && roll < 0.6 ? this.#membership(table, levels) : this.#comparison(table);
  }

  #joined(parts: readonly Text[]): Text {
    const word = pick(this.#random, [" AND ", " OR "]);
    const not = this.#random() < 0.15 ? "NOT " : "";
    return () => `${not}(${parts.map((part) => part()).join(word)})`;
  }

  #membership(table: OracleTable, levels: number): Text {
    const random = this.#random;
    const inner = pick(random, this.#tables);
    const isNegated = random() < 0.3;
    const pairs = this.#pairs(table, inner, isNegated);
    const names = pairs.map(([left]) => left.name);
    const left = names.length === 1 ? names[0]! : `(${names.join(", ")})`;
    const select = `SELECT ${pairs.map(([, right]) => right.name).join(", ")} FROM ${inner.name}`;
    const where = random() < 0.8 ? this.#condition(inner, levels - 1, 1) : undefined;
    const isOutside = random() < 0.3;
    return () => {
      const subquery = `(${select}${where === undefined ? "" : ` WHERE ${where()}`})`;
      if (!isNegated) return `${left} IN ${subquery}`;
      return isOutside ? `NOT (${left} IN ${subquery})` : `${left} NOT IN ${subquery}`;
    };
  }

  /** Columns of equal types. Of several under NOT IN none may be NULL. */
  #pairs(
    table: OracleTable,
    inner: OracleTable,
    isNegated: boolean,
  ): readonly (readonly [OracleColumn, OracleColumn])[] {
    const all = askedOf(table).flatMap((left) => {
      return askedOf(inner)
        .filter((right) => right.type === left.type)
        .map((right) => [left, right] as const);
    });
    if (this.#random() < 0.8) {
      // NULL under NOT IN ends shapes, which is right and proves little.
      const safe = all.filter(([, right]) => !right.isNullable);
      return [pick(this.#random, isNegated && this.#random() < 0.7 ? safe : all)];
    }
    const usable = isNegated
      ? all.filter((pair) => pair.every(({ isNullable }) => !isNullable))
      : all;
    return [pick(this.#random, usable), pick(this.#random, usable)];
  }

  #comparison(table: OracleTable): Text {
    const random = this.#random;
    const column = pick(random, askedOf(table));
    const { name } = column;
    const constant = () => randomLiteral(random, column, 0);
    const not = random() < 0.3 ? "NOT " : "";
    const roll = below(random, 10);
    if (roll === 0) return () => `${name} IS ${not}NULL`;
    if (roll === 1 && column.type === "int4") {
      return () => `${name} ${not}BETWEEN 2 AND ${constant()}`;
    }
    if (roll === 2) return () => `${name} ${not}IN (${constant()}, ${constant()})`;
    if (roll < 5 && column.type !== "bool") {
      const operator = pick(random, ["<", ">", "<>", ">="]);
      return () => `${name} ${operator} ${constant()}`;
    }
    return () => `${name} = ${constant()}`;
  }
}

function askedOf({ columns }: OracleTable): readonly OracleColumn[] {
  return columns.filter(({ isLong }) => !isLong);
}
