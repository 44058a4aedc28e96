/**
 * Random tables for the oracle: small domains, so that values meet; NULLs; all kinds of columns
 * that a subselect may give; keys of one column and of two.
 */

export interface OracleColumn {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  /** What it may hold, as literals. */
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

/** Integers join everything to everything; the others are there as they fall. */
const OTHER_TYPES = ["int4", "text", "text", "uuid", "uuid", "bool", "numeric"];

export function randomTables(random: Random, count: number): OracleTable[] {
  return Array.from({ length: count }, (_, index) => {
    const others = Array.from({ length: 2 + below(random, 3) }, () => pick(random, OTHER_TYPES));
    const columns = ["int4", "int4", ...others].map((type, place) => ({
      name: place === 3 ? '"Mixed /"' : `c${place}`,
      type,
      isNullable: place === 1 || (place > 1 && random() < 0.6),
      literals: TYPES[type]!,
    }));
    const id = { name: "id", type: "int4", isNullable: false, literals: IDS };
    return {
      name: `t${index}`,
      columns: [id, ...columns],
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

/** Its columns as texts, in the form in which clients get them. */
export function selectSql({ name, columns }: OracleTable, where: string): string {
  const texts = columns.map((column) => `${column.name}::text`);
  return `SELECT ${texts.join(", ")} FROM ${name} WHERE ${where}`;
}

export function randomLiteral(random: Random, column: OracleColumn, nullShare = 0.15): string {
  return column.isNullable && random() < nullShare ? "NULL" : pick(random, column.literals);
}
