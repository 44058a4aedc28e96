/**
 * Subselects against Postgres.
 *
 * Goal: for generated clauses of up to three levels over small tables with NULLs, these are the
 * same: the rows that Postgres selects by the clause; those that it selects by the SQL that we
 * write; those that `dependent-filter.ts` judges to be in the shape, given what Postgres says of
 * the views. And the tags and active conditions that the snapshot's SQL makes are those of protocol
 * 14.3. Of every subselect that has subselects itself the same is asked.
 *
 * RUNS multiplies the clauses, SEED replays them.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, test } from "vitest";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { MembershipBit } from "../../src/model/row-filter.ts";
import {
  whereSql,
  type Dependency,
  type ShapeDefinition,
} from "../../src/model/shape-definition.ts";
import type { Literal } from "../../src/model/subquery.ts";
import { quoteIdentifier, quoteTable, type Table } from "../../src/model/table.ts";
import { canonicalText, hashInput } from "../../src/model/tag.ts";
import { parseConnectionOptions, VALUE_SETTINGS } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { rowExpression } from "../../src/postgres/row-expression.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { compileDependentFilter } from "../../src/where/dependent-filter.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { SubqueryGenerator, TABLE_NAMES, TABLE_SQL, VALUES } from "./subquery-generator.ts";

const CLAUSES = runsOf(200);
const ROW_COUNT = 12;
/** Rows change so often that views are empty now and then, and have NULLs or none. */
const CLAUSES_PER_FILL = 20;
const PREFIX = "single_stack7-1234'5";
const REFUSALS = /positive and negative polarity|too complex for DNF|NOT NULL on both sides/;

type Row = readonly (string | null)[];

const random = seededRandom("subqueries");
let database: TestDatabase;
let client: pg.Client;
let tables: readonly Table[];
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
  for (const [name, value] of Object.entries(VALUE_SETTINGS)) {
    await client.query(`SET ${name} = '${value}'`);
  }
  for (const name of TABLE_NAMES) await client.query(TABLE_SQL(name));
  pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
  const inspector = new Inspector(pool);
  tables = await Promise.all(
    TABLE_NAMES.map(async (name) => (await inspector.findTable("public", name))!),
  );
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

/** Texts as Postgres sends them. */
async function ask(text: string, values: readonly string[] = []): Promise<Row[]> {
  const types = { getTypeParser: () => (value: unknown) => value };
  const query = { text, values: [...values], rowMode: "array", types } as pg.QueryArrayConfig;
  return (await client.query(query)).rows as Row[];
}

async function fill(): Promise<void> {
  for (const name of TABLE_NAMES) {
    await client.query(`TRUNCATE ${name}`);
    const count = random() < 0.1 ? 0 : ROW_COUNT;
    const hasNulls = random() < 0.6;
    for (let id = 1; id <= count; id += 1) {
      const row = VALUES.map(({ texts, isNullable }) => {
        if (isNullable && hasNulls && random() < 0.25) return null;
        return texts[Math.floor(random() * texts.length)]!;
      });
      const places = row.map((_, index) => `$${index + 2}`).join(", ");
      await client.query(`INSERT INTO ${name} VALUES ($1, ${places})`, [id, ...row]);
    }
  }
}

test(
  "subselects mean what Postgres takes them for",
  async () => {
    const generator = new SubqueryGenerator(random);
    const counts = { judged: 0, selecting: 0, refused: 0, nested: 0 };
    for (let done = 0; done < CLAUSES; done += 1) {
      if (done % CLAUSES_PER_FILL === 0) await fill();
      const { table: name, text, parameters } = generator.next();
      const table = tables.find((each) => each.name === name)!;
      const definition = define(table, text, parameters);
      if (definition === undefined) {
        counts.refused += 1;
        continue;
      }
      const bound = generator.isParameterized ? parameters : [];
      const rows = await ask(`SELECT id FROM ${name} WHERE ${text} ORDER BY id`, bound);
      const expected = rows.map(([id]) => id!);
      const where = `${text} ${JSON.stringify(parameters)}`;
      await checkDefinition(definition, expected, where);
      counts.judged += 1;
      if (expected.length > 0) counts.selecting += 1;
      counts.nested += await checkViews(definition, where);
    }
    console.log("subqueries:", JSON.stringify(counts));
    assert.ok(counts.selecting > CLAUSES / 5);
    assert.ok(counts.nested > CLAUSES / 20);
    assert.ok(counts.refused < CLAUSES / 4);
  },
  Math.max(120_000, CLAUSES * 100),
);

function define(
  table: Table,
  where: string,
  parameters: readonly string[],
): ShapeDefinition | undefined {
  const params = Object.fromEntries(parameters.map((text, index) => [String(index + 1), text]));
  const rest = { columns: undefined, replica: "default", log: "full" } as const;
  const facts = { publishesGeneratedColumns: false, innerTables: tables };
  try {
    return defineShape(table, { where, params, ...rest }, facts);
  } catch (error) {
    if (error instanceof InvalidParameter && REFUSALS.test(error.message)) return undefined;
    throw new Error(`defining ${where}`, { cause: error });
  }
}

/** The shape itself, from its SQL and from its views. */
async function checkDefinition(
  definition: ShapeDefinition,
  expected: readonly string[],
  message: string,
): Promise<void> {
  const { template, constants } = definition;
  const { table, where } = template;
  if (where?.subqueries === undefined) return;
  const from = quoteTable(table);
  const condition = whereSql(where, 1);
  const written = await ask(`SELECT id FROM ${from} WHERE ${condition} ORDER BY id`, constants);
  assert.deepEqual(
    written.map(([id]) => id!),
    expected,
    `the SQL of ${message}`,
  );

  const filter = compileDependentFilter(where, {});
  const views: View[] = [];
  for (const each of where.subqueries.dependencies) views.push(await View.read(each, constants));
  const tagged = new Map<string, { headers: object }>();
  const tags = { prefix: pg.escapeLiteral(PREFIX), constant: (index: number) => `$${index + 1}` };
  const messages = `SELECT id, ${rowExpression(template, tags)} FROM ${from} WHERE ${condition}`;
  for (const [id, text] of await ask(messages, constants)) {
    tagged.set(id!, JSON.parse(text!) as { headers: object });
  }

  const { literals, disjuncts } = where.subqueries;
  const active = new Uint8Array(literals.length);
  const selected: string[] = [];
  for (const row of await ask(`SELECT * FROM ${from} ORDER BY id`)) {
    const membership = (index: number): number => {
      const literal = literals[index]!;
      assert.ok(literal.is === "membership");
      return views[literal.dependency]!.bitsOf(literal.columns.map((column) => row[column]!));
    };
    const reader = { text: (column: number) => row[column]! };
    if (!filter.judge(reader, constants, membership, active)) continue;
    const id = row[0]!;
    selected.push(id);
    const headers: object = {
      operation: "insert",
      relation: ["public", table.name],
      tags: tagsOf(row, table, where.subqueries.dependencies, literals, disjuncts),
      active_conditions: [...active].map((each) => each === 1),
    };
    assert.deepEqual(tagged.get(id)?.headers, headers, `tags of ${message}`);
  }
  assert.deepEqual(selected, expected, `judged: ${message}`);
}

/** Subselects with subselects. How many there are. */
async function checkViews(definition: ShapeDefinition, message: string): Promise<number> {
  let count = 0;
  for (const dependency of definition.template.where?.subqueries?.dependencies ?? []) {
    const inner = innerOf(dependency, definition.constants);
    const { where, table } = inner.template;
    if (where?.subqueries === undefined) continue;
    const sql = `SELECT id FROM ${quoteTable(table)} WHERE ${whereSql(where, 1)} ORDER BY id`;
    const rows = await ask(sql, inner.constants);
    await checkDefinition(
      inner,
      rows.map(([id]) => id!),
      `a subselect of ${message}`,
    );
    count += 1 + (await checkViews(inner, message));
  }
  return count;
}

function innerOf(
  { template, firstConstant, constantCount }: Dependency,
  constants: readonly string[],
): ShapeDefinition {
  return { template, constants: constants.slice(firstConstant, firstConstant + constantCount) };
}

/** Protocol 14.3 and 14.4, word for word. */
function tagsOf(
  row: Row,
  table: Table,
  dependencies: readonly Dependency[],
  literals: readonly Literal[],
  disjuncts: readonly (readonly number[])[],
): string[] {
  return disjuncts.map((disjunct) => {
    const slots = literals.map((literal, index) => {
      if (!disjunct.includes(index)) return "";
      if (literal.is === "condition") return "1";
      const { kinds } = dependencies[literal.dependency]!;
      const values = literal.columns.map((column, place) => {
        const text = row[column] ?? null;
        const { typeOid } = table.columns[column]!;
        return text === null ? null : canonicalText(text, kinds[place]!, typeOid);
      });
      const input = PREFIX + hashInput(table, literal.columns, values);
      return createHash("md5").update(input).digest("hex");
    });
    return slots.join("/");
  });
}

/** What Postgres says that a subselect gives. */
class View {
  readonly #dependency: Dependency;
  readonly #members = new Set<string>();
  #hasNull = false;
  #isEmpty = true;

  static async read(dependency: Dependency, constants: readonly string[]): Promise<View> {
    const view = new View(dependency);
    const { template, constants: own } = innerOf(dependency, constants);
    const { projection, table } = dependency.template;
    const names = projection.map((index) => quoteIdentifier(table.columns[index]!.name));
    const condition = template.where === undefined ? "true" : whereSql(template.where, 1);
    const sql = `SELECT ${names.join(", ")} FROM ${quoteTable(table)} WHERE ${condition}`;
    for (const tuple of await ask(sql, own)) view.#add(tuple);
    return view;
  }

  constructor(dependency: Dependency) {
    this.#dependency = dependency;
  }

  #add(tuple: Row): void {
    this.#isEmpty = false;
    if (tuple.includes(null)) this.#hasNull = true;
    else this.#members.add(this.#keyOf(tuple));
  }

  bitsOf(left: Row): number {
    const hasNull = left.includes(null);
    const isMember = !hasNull && this.#members.has(this.#keyOf(left));
    return (
      (isMember ? MembershipBit.IS_MEMBER : 0) |
      (hasNull ? MembershipBit.LEFT_HAS_NULL : 0) |
      (this.#hasNull ? MembershipBit.VIEW_HAS_NULL : 0) |
      (this.#isEmpty ? MembershipBit.VIEW_IS_EMPTY : 0)
    );
  }

  #keyOf(tuple: Row): string {
    const { kinds, template } = this.#dependency;
    const texts = tuple.map((text, place) => {
      const { typeOid } = template.table.columns[template.projection[place]!]!;
      return canonicalText(text!, kinds[place]!, typeOid);
    });
    return JSON.stringify(texts);
  }
}
