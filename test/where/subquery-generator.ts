/** Clauses with subselects over three small tables that have the same columns. */

export const TABLE_NAMES = ["things", "groups", "links"] as const;
type TableName = (typeof TABLE_NAMES)[number];

interface GeneratedColumn {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  readonly texts: readonly string[];
}

const INTS = ["1", "2", "3", "4"];
const UUIDS = [
  "00000000-0000-0000-0000-000000000001",
  "00000000-0000-0000-0000-000000000002",
  "ffffffff-0000-0000-0000-000000000003",
];

/** Values that are equal in different texts, and different in similar ones. */
export const VALUES: readonly GeneratedColumn[] = [
  { name: "k", type: "int4", isNullable: false, texts: INTS },
  { name: "l", type: "int4", isNullable: false, texts: INTS },
  { name: "a", type: "int4", isNullable: true, texts: INTS },
  { name: '"B /"', type: "int4", isNullable: true, texts: INTS },
  { name: "c", type: "text", isNullable: true, texts: ["x", "X", "", "it's", "NULL", "a/b"] },
  { name: "n", type: "numeric", isNullable: true, texts: ["1", "1.0", "1.50", "1.5", "0", "0.00"] },
  { name: "f", type: "float8", isNullable: true, texts: ["0", "-0", "1.5", "1e300", "NaN"] },
  { name: "r", type: "float4", isNullable: true, texts: ["0", "-0", "0.1", "100000000"] },
  { name: "h", type: "char(3)", isNullable: true, texts: ["a", "a  ", "ab", "b"] },
  { name: "g", type: "bool", isNullable: true, texts: ["t", "f"] },
  { name: "u", type: "uuid", isNullable: true, texts: UUIDS },
  { name: "d", type: "date", isNullable: true, texts: ["2024-01-01", "2024-01-02"] },
  {
    name: "w",
    type: "timestamptz",
    isNullable: true,
    texts: ["2024-01-01 00:00:00+00", "2024-01-01 01:00:00.5+00"],
  },
];

export function TABLE_SQL(name: TableName): string {
  const columns = VALUES.map((column) => {
    return `${column.name} ${column.type}${column.isNullable ? "" : " NOT NULL"}`;
  });
  return `CREATE TABLE ${name} (id int PRIMARY KEY, ${columns.join(", ")})`;
}

export interface GeneratedSubquery {
  readonly table: TableName;
  readonly text: string;
  readonly parameters: readonly string[];
}

const LEVELS_MAX = 3;

export class SubqueryGenerator {
  readonly #random: () => number;
  #parameters: string[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Whether the last clause refers to its parameters: Postgres refuses those that it does not. */
  get isParameterized(): boolean {
    return this.#parameters.length > 0;
  }

  next(): GeneratedSubquery {
    this.#parameters = [];
    const text = this.#withMembership(LEVELS_MAX);
    return { table: this.#pick(TABLE_NAMES), text, parameters: this.#parameters };
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }

  #withMembership(levels: number): string {
    const roll = this.#random();
    if (roll < 0.35) return this.#membership(levels);
    const other = this.#condition(levels, 2);
    const parts = [this.#withMembership(levels), other];
    if (this.#random() < 0.5) parts.reverse();
    const both = parts.map((part) => `(${part})`).join(this.#pick([" AND ", " OR "]));
    return this.#random() < 0.2 ? `NOT (${both})` : both;
  }

  #condition(levels: number, depth: number): string {
    const roll = this.#random();
    if (depth > 0 && roll < 0.25) {
      const word = this.#pick(["AND", "OR"]);
      const [left, right] = [0, 1].map(() => this.#condition(levels, depth - 1));
      return `(${left}) ${word} (${right})`;
    }
    if (depth > 0 && roll < 0.35) return `NOT (${this.#condition(levels, depth - 1)})`;
    return roll < 0.55 && levels > 0 ? this.#membership(levels) : this.#comparison();
  }

  #membership(levels: number): string {
    const isNegated = this.#random() < 0.35;
    const roll = this.#random();
    const columnsOf = (isNotNull: boolean) => {
      const ints = isNotNull ? ["k", "l", "id"] : ["k", "l", "a", '"B /"', "id"];
      return [this.#pick(ints), this.#pick(ints)];
    };
    const isRow = roll < 0.25;
    const isSafe = isNegated || this.#random() < 0.5;
    const left = isRow ? columnsOf(isSafe) : [this.#column()];
    const right = isRow ? columnsOf(isSafe) : [this.#columnLike(left[0]!)];
    const where = this.#random() < 0.7 ? ` WHERE ${this.#condition(levels - 1, 1)}` : "";
    const select = `SELECT ${right.join(", ")} FROM ${this.#pick(TABLE_NAMES)}${where}`;
    const row = isRow ? `(${left.join(", ")})` : left[0]!;
    if (!isNegated) return `${row} IN (${select})`;
    return this.#random() < 0.5 ? `${row} NOT IN (${select})` : `NOT (${row} IN (${select}))`;
  }

  #column(): string {
    return this.#random() < 0.4 ? this.#pick(["id", "k", "a"]) : this.#pick(VALUES).name;
  }

  #columnLike(name: string): string {
    const type = VALUES.find((column) => column.name === name)?.type ?? "int4";
    const names = VALUES.filter((column) => column.type === type).map((column) => column.name);
    return this.#pick(type === "int4" ? [...names, "id"] : names);
  }

  #comparison(): string {
    const { name, texts, type } = this.#pick(VALUES);
    const constant = () => this.#constant(this.#pick(texts), type);
    const roll = this.#random();
    const not = this.#random() < 0.3 ? "NOT " : "";
    if (roll < 0.1) return `${name} IS ${not}NULL`;
    if (roll < 0.2) return `g IS ${not}TRUE`;
    if (roll < 0.25) return this.#pick(["g", "true", "c LIKE 'x%'"]);
    if (roll < 0.4) return `a ${not}BETWEEN 1 AND ${this.#pick(INTS)}`;
    if (roll < 0.55) return `k ${not}IN (${this.#pick(INTS)}, ${this.#pick(INTS)})`;
    if (roll < 0.75) return `${name} = ${constant()}`;
    return `a ${this.#pick([">", "<", "<>", ">="])} ${this.#pick(INTS)}`;
  }

  #constant(text: string, type: string): string {
    // What char(3) makes of a constant, Postgres does to columns alone.
    if (this.#random() < 0.7 || type === "char(3)") return `'${text.replaceAll("'", "''")}'`;
    return `$${this.#parameters.push(text)}`;
  }
}
