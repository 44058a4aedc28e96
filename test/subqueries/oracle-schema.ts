/**
 * Random tables for the oracle: small domains, so that values meet; NULLs; all kinds of columns
 * that a subquery may give; values that Postgres stores apart, and sends only when they change;
 * keys of one column and of two.
 */

export interface OracleColumn {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  /** Clauses do not speak of it. */
  readonly isLong: boolean;
  /** What it may hold, as SQL. */
  readonly literals: readonly string[];
}

export interface OracleTable {
  readonly name: string;
  /** The first is the key, or its first part. */
  readonly columns: readonly OracleColumn[];
  readonly key: readonly string[];
}

export type Random = () => number;

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}

/** 0 to `limit - 1`. */
export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

/** Keys of rows; equal to values of other columns now and then. */
export const IDS = Array.from({ length: 18 }, (_, index) => String(index + 1));

const TYPES: Readonly<Record<string, readonly string[]>> = {
  int4: ["1", "2", "3", "4", "5"],
  text: ["'a'", "'b'", "'it''s'", "''", "'a/b'"],
  uuid: [
    "'00000000-0000-0000-0000-000000000001'",
    "'ffffffff-0000-0000-0000-000000000002'",
    "'ffffffff-0000-0000-0000-000000000003'",
  ],
  bool: ["true", "false"],
  numeric: ["1", "1.0", "2.50", "2.5", "0"],
};

/** Too long for a row (Postgres manual, section 66.2 "TOAST"), most of them. */
const LONG: OracleColumn = {
  ...{ name: "long", type: "text STORAGE EXTERNAL", isNullable: true, isLong: true },
  literals: ["repeat('long ', 500)", "repeat('lang ', 500)", "'short'"],
};

/** Integers join everything to everything; the others are there as they fall. */
const OTHER_TYPES = ["int4", "text", "text", "uuid", "uuid", "bool", "numeric"];

export function randomTables(random: Random, count: number): OracleTable[] {
  return Array.from({ length: count }, (_, index) => {
    const others = Array.from({ length: 2 + below(random, 3) }, () => pick(random, OTHER_TYPES));
    const columns = ["int4", "int4", ...others].map((type, place) => ({
      name: place === 3 ? '"Mixed /"' : `c${place}`,
      type,
      isNullable: place === 1 || (place > 1 && random() < 0.6),
      isLong: false,
      literals: TYPES[type]!,
    }));
    const id = { name: "id", type: "int4", isNullable: false, isLong: false, literals: IDS };
    return {
      name: `t${index}`,
      columns: [id, ...columns, LONG],
      key: random() < 0.25 ? ["id", "c0"] : ["id"],
    };
  });
}

export function createSql({ name, columns, key }: OracleTable): string {
  const definitions = columns.map((column) => {
    return `${column.name} ${column.type}${column.isNullable ? "" : " NOT NULL"}`;
  });
  // Whoever sets a part of a longer key must not meet another row.
  const unique = key.length > 1 ? ", UNIQUE (id)" : "";
  const primary = `PRIMARY KEY (${key.join(", ")})`;
  return `CREATE TABLE ${name} (${definitions.join(", ")}, ${primary}${unique})`;
}

/**
 * Columns as texts, in the form in which clients get them.
 *
 * @param names of the columns, separated by commas; undefined: all.
 */
export function selectSql(
  { name, columns }: OracleTable,
  where: string,
  names = columns.map((column) => column.name).join(),
): string {
  const texts = names.split(",").map((column) => `${column}::text`);
  return `SELECT ${texts.join(", ")} FROM ${name} WHERE ${where}`;
}

/** The key and some others, as a request has them. */
export function randomColumns(random: Random, { columns, key }: OracleTable): string {
  const chosen = columns.filter(({ name }) => key.includes(name) || random() < 0.4);
  return chosen.map(({ name }) => name).join();
}

export function randomLiteral(random: Random, column: OracleColumn, nullShare = 0.15): string {
  return column.isNullable && random() < nullShare ? "NULL" : pick(random, column.literals);
}
