/** One clause, asked of Postgres and of us, over the rows of `value-samples.ts`. */

import pg from "pg";
import type { CaseMapping } from "../../src/model/case-mapping.ts";
import { InvalidParameter } from "../../src/lib/errors.ts";
import { whereSql, type ShapeDefinition } from "../../src/model/shape-definition.ts";
import type { Table } from "../../src/model/table.ts";
import { readCaseMapping } from "../../src/postgres/case-mapping.ts";
import { parseConnectionOptions, VALUE_SETTINGS } from "../../src/postgres/connection-options.ts";
import { Inspector } from "../../src/postgres/inspector.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { compileFilter } from "../../src/where/filter.ts";
import { EvaluationError } from "../../src/where/values/errors.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import type { GeneratedClause } from "./clause-generator.ts";
import { isCandidate } from "./plan-model.ts";
import { SAMPLE_TABLE_SQL, sampleRows } from "./value-samples.ts";

const ROW_COUNT = 48;

/** To us, what has no type at all is text, as upstream. */
const TAKEN_FOR_TEXT = /^could not determine data type of parameter/;

/** Ids of the rows that are selected, in order, between commas. */
export type Answer = { readonly ids: string } | Failure;

interface Failure {
  readonly error: string;
  /** SQLSTATE class 22, and 0A000: the clause may be right, some row is not. */
  readonly isOfValues?: boolean;
}

export type Outcome =
  | { readonly is: "agreed"; readonly rowCount: number }
  | { readonly is: "bothRefuse" }
  /** An error that Postgres raises for values, not for the clause. */
  | { readonly is: "onlyWeAnswer" }
  | { readonly is: "weRefuse"; readonly reason: string }
  | {
      readonly is: "different";
      readonly what: string;
      readonly theirs: Answer;
      readonly ours: Answer;
      readonly sql?: string;
    };

export class Comparison {
  readonly #database: TestDatabase;
  readonly #client: pg.Client;
  readonly #table: Table;
  readonly #caseMapping: CaseMapping | undefined;
  readonly #rows: readonly (readonly (string | null)[])[];

  static async open(random: () => number): Promise<Comparison> {
    const database = await createTestDatabase();
    const pool = new Pool(parseConnectionOptions(database.url), { size: 1 });
    const client = await database.connect();
    for (const [name, value] of Object.entries(VALUE_SETTINGS)) {
      await client.query(`SET ${name} = '${value}'`);
    }
    await client.query(SAMPLE_TABLE_SQL);
    for (const row of sampleRows(ROW_COUNT, random)) {
      const places = row.map((_, index) => `$${index + 1}`).join(", ");
      await client.query(`INSERT INTO things VALUES (${places})`, row);
    }
    const table = (await new Inspector(pool).findTable("public", "things"))!;
    const caseMapping = await readCaseMapping(pool);
    await pool.close();
    const types = { getTypeParser: () => (text: unknown) => text };
    const { rows } = await client.query({
      text: "SELECT * FROM things ORDER BY id",
      rowMode: "array",
      types,
    } as pg.QueryArrayConfig);
    return new Comparison(database, client, table, caseMapping, rows as (string | null)[][]);
  }

  private constructor(
    database: TestDatabase,
    client: pg.Client,
    table: Table,
    caseMapping: CaseMapping | undefined,
    rows: readonly (readonly (string | null)[])[],
  ) {
    this.#database = database;
    this.#client = client;
    this.#table = table;
    this.#caseMapping = caseMapping;
    this.#rows = rows;
  }

  close(): Promise<void> {
    return this.#database.dispose();
  }

  async compare({ text, parameters }: GeneratedClause): Promise<Outcome> {
    const theirs = await this.#ask(text, parameters);
    let definition: ShapeDefinition;
    try {
      definition = this.#define(text, parameters);
    } catch (error) {
      if (!(error instanceof InvalidParameter))
        throw new Error(`defining ${text}`, { cause: error });
      return "error" in theirs ? { is: "bothRefuse" } : { is: "weRefuse", reason: error.message };
    }
    return this.#judge(definition, theirs);
  }

  async #judge(definition: ShapeDefinition, theirs: Answer): Promise<Outcome> {
    const ours = this.#evaluate(definition);
    const { where } = definition.template;
    const sql = where === undefined ? "true" : whereSql(where, 1);
    const written = await this.#ask(sql, definition.constants);
    if ("error" in theirs && TAKEN_FOR_TEXT.test(theirs.error)) return { is: "bothRefuse" };
    if ("error" in theirs && "error" in written) return { is: "bothRefuse" };
    if ("error" in theirs && theirs.isOfValues === true) return { is: "onlyWeAnswer" };
    if ("error" in theirs || "error" in written || theirs.ids !== written.ids) {
      return { is: "different", what: "the SQL that is written", theirs, ours: written, sql };
    }
    if ("error" in ours || ours.ids !== theirs.ids) {
      return { is: "different", what: "the evaluator", theirs, ours, sql };
    }
    const planned = this.#plan(definition, ours.ids);
    if (planned !== undefined) {
      return { is: "different", what: "the plan", theirs, ours: { ids: planned }, sql };
    }
    return { is: "agreed", rowCount: ours.ids === "" ? 0 : ours.ids.split(",").length };
  }

  #define(where: string, parameters: readonly string[]): ShapeDefinition {
    const params = Object.fromEntries(parameters.map((text, index) => [String(index + 1), text]));
    const request = { where, params, columns: undefined, replica: "default", log: "full" } as const;
    const facts = { publishesGeneratedColumns: false, caseMapping: this.#caseMapping };
    return defineShape(this.#table, request, facts);
  }

  #evaluate({ template: { where }, constants }: ShapeDefinition): Answer {
    if (where === undefined) return { ids: this.#rows.map(([id]) => id).join(",") };
    const filter = compileFilter(where, { caseMapping: this.#caseMapping });
    try {
      const selected = this.#rows.filter((row) => {
        return filter.matches({ text: (column) => row[column]! }, constants);
      });
      return { ids: selected.map(([id]) => id).join(",") };
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      return { error: error.message };
    }
  }

  /** Undefined: the plan is as good as it says. */
  #plan({ template: { where }, constants }: ShapeDefinition, ids: string): string | undefined {
    if (where === undefined) return undefined;
    const given = this.#rows.filter((row) => isCandidate(where, constants, row));
    const candidates = given.map(([id]) => id!);
    const selected = ids === "" ? [] : ids.split(",");
    const isComplete = selected.every((id) => candidates.includes(id));
    const isRight = isComplete && (!where.plan.isExact || candidates.length === selected.length);
    return isRight ? undefined : candidates.join(",");
  }

  async #ask(where: string, parameters: readonly string[]): Promise<Answer> {
    try {
      const text = `SELECT string_agg(id::text, ',' ORDER BY id) FROM things WHERE ${where}`;
      const result = await this.#client.query<string[]>({
        text,
        values: [...parameters],
        rowMode: "array",
      });
      return { ids: result.rows[0]![0] ?? "" };
    } catch (error) {
      const { message, code } = error as pg.DatabaseError;
      return { error: message, isOfValues: /^(?:22|0A000)/.test(code ?? "") };
    }
  }
}

export function explainDifference(
  { text, parameters }: GeneratedClause,
  { what, theirs, ours, sql }: Extract<Outcome, { is: "different" }>,
): string {
  return [
    `${what} differs: ${text}`,
    `  parameters ${JSON.stringify(parameters)}`,
    `  written    ${sql ?? ""}`,
    `  Postgres   ${JSON.stringify(theirs)}`,
    `  we         ${JSON.stringify(ours)}`,
  ].join("\n");
}
