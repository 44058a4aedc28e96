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

/** As many as there are samples of a type, and some more. */
const ROW_COUNT = 72;

/** To us, what has no type at all is text, as upstream. */
const TAKEN_FOR_TEXT = /^could not determine data type of parameter/;

/** Ids of the rows that are selected, in order, between commas. */
export type Answer = { readonly ids: string } | Failure;

/** The same, asked row by row: some are selected, for others an error is raised. */
interface RowAnswers {
  readonly selected: readonly string[];
  readonly failed: ReadonlySet<string>;
  /** One of the errors. */
  readonly error?: string;
}

interface Failure {
  readonly error: string;
  /** SQLSTATE class 22, and 0A000: the clause may be right, some row is not. */
  readonly isOfValues?: boolean;
}

export type Outcome =
  | {
      readonly is: "agreed";
      readonly definition: ShapeDefinition;
      /** Ids of the rows that are selected. */
      readonly ids: readonly string[];
    }
  | { readonly is: "bothRefuse" }
  /** An error that Postgres raises for values, not for the clause. */
  | { readonly is: "onlyWeAnswer" }
  /**
   * The same the other way round, and of all rows that raise none the answers agree. Postgres
   * promises no order of evaluation (manual, 4.2.14): its planner takes the cheapest part first.
   */
  | { readonly is: "onlyTheyAnswer" }
  | { readonly is: "weRefuse"; readonly reason: string }
  | {
      readonly is: "different";
      readonly what: string;
      readonly theirs: Answer;
      readonly ours: Answer;
      readonly sql?: string;
    };

export class Comparison {
  readonly table: Table;
  /** What a filter is compiled with. */
  readonly facts: { readonly caseMapping: CaseMapping | undefined };
  /** As Postgres sends them; the first column is their id. */
  readonly rows: readonly (readonly (string | null)[])[];
  readonly #database: TestDatabase;
  readonly #client: pg.Client;

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
    this.table = table;
    this.facts = { caseMapping };
    this.rows = rows;
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
    if ("error" in theirs) {
      if (TAKEN_FOR_TEXT.test(theirs.error) || "error" in written) return { is: "bothRefuse" };
      if (theirs.isOfValues === true) return { is: "onlyWeAnswer" };
    }
    const differ = (what: string, answer: Answer): Outcome => {
      return { is: "different", what, theirs, ours: answer, sql };
    };
    if ("error" in theirs || ("error" in written && written.isOfValues !== true)) {
      return differ("the SQL that is written", written);
    }
    const expected = theirs.ids === "" ? [] : theirs.ids.split(",");
    const writtenRows = await this.#rowsOf(written, sql, definition.constants);
    if (!agrees(writtenRows, expected)) return differ("the SQL that is written", written);
    if (!agrees(ours, expected)) return differ("the evaluator", answerOf(ours));
    const planned = this.#plan(definition, ours);
    if (planned !== undefined) return differ("the plan", { ids: planned });
    if (ours.failed.size + writtenRows.failed.size > 0) return { is: "onlyTheyAnswer" };
    return { is: "agreed", definition, ids: expected };
  }

  #define(where: string, parameters: readonly string[]): ShapeDefinition {
    const params = Object.fromEntries(parameters.map((text, index) => [String(index + 1), text]));
    const request = { where, params, columns: undefined, replica: "default", log: "full" } as const;
    const facts = { ...this.facts, publishesGeneratedColumns: false };
    return defineShape(this.table, request, facts);
  }

  #evaluate({ template: { where }, constants }: ShapeDefinition): RowAnswers {
    const filter = where === undefined ? undefined : compileFilter(where, this.facts);
    const selected: string[] = [];
    const failed = new Set<string>();
    let message: string | undefined;
    for (const row of this.rows) {
      try {
        const isMatch = filter?.matches({ text: (column) => row[column]! }, constants) ?? true;
        if (isMatch) selected.push(row[0]!);
      } catch (error) {
        if (!(error instanceof EvaluationError)) throw error;
        failed.add(row[0]!);
        message = error.message;
      }
    }
    return { selected, failed, ...(message === undefined ? {} : { error: message }) };
  }

  /** Undefined: the plan is as good as it says. */
  #plan(
    { template: { where }, constants }: ShapeDefinition,
    { selected, failed }: RowAnswers,
  ): string | undefined {
    if (where === undefined) return undefined;
    const given = this.rows.filter((row) => isCandidate(where, constants, row));
    const candidates = given.map(([id]) => id!).filter((id) => !failed.has(id));
    const isComplete = selected.every((id) => candidates.includes(id));
    const isRight = isComplete && (!where.plan.isExact || candidates.length === selected.length);
    return isRight ? undefined : candidates.join(",");
  }

  /** An answer by rows; each of them is asked for if all together raise an error. */
  async #rowsOf(answer: Answer, where: string, values: readonly string[]): Promise<RowAnswers> {
    if ("ids" in answer) return rowAnswersOf(answer.ids);
    const selected: string[] = [];
    const failed = new Set<string>();
    for (const [id] of this.rows) {
      // OFFSET keeps the planner from looking at other rows first.
      const row = `(SELECT * FROM things WHERE id = ${id!} OFFSET 0)`;
      const one = await this.#ask(where, values, row);
      if ("error" in one) failed.add(id!);
      else if (one.ids !== "") selected.push(id!);
    }
    return { selected, failed, error: answer.error };
  }

  async #ask(where: string, parameters: readonly string[], from = "things"): Promise<Answer> {
    try {
      const ids = "string_agg(id::text, ',' ORDER BY id)";
      const text = `SELECT ${ids} FROM ${from} AS things WHERE ${where}`;
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

function rowAnswersOf(ids: string): RowAnswers {
  return { selected: ids === "" ? [] : ids.split(","), failed: new Set() };
}

function answerOf({ selected, error }: RowAnswers): Answer {
  return error === undefined ? { ids: selected.join(",") } : { error };
}

/** Whether the rows that raise no error are selected if they should be. */
function agrees({ selected, failed }: RowAnswers, expected: readonly string[]): boolean {
  return selected.join(",") === expected.filter((id) => !failed.has(id)).join(",");
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
