/**
 * Expressions evaluated twice, by Postgres and by us: the answers must have the same text, or both
 * must be errors with the same SQLSTATE.
 */

import assert from "node:assert/strict";
import { EvaluationError } from "../../../src/where/values/errors.ts";
import type { TestDatabase } from "../../support/postgres.ts";

export interface Case {
  /** An expression without parameters. */
  readonly sql: string;
  /** Our answer in the text of its type; throws where Postgres should raise. */
  readonly evaluate: () => string | null;
  /** An error is an error: of several in one text, we may find another one first. */
  readonly isAnyError?: boolean;
}

/**
 * Evaluates one expression and never fails: the text behind `=`, an SQLSTATE behind `!`, or NULL.
 */
const ATTEMPT = `
  CREATE OR REPLACE FUNCTION attempt(expression text) RETURNS text LANGUAGE plpgsql AS $$
  DECLARE answer text;
  BEGIN
    EXECUTE format(
      'SELECT CASE WHEN v IS NULL THEN NULL ELSE format(''=%%s'', v) END FROM (SELECT %s AS v) s',
      expression
    ) INTO answer;
    RETURN answer;
  EXCEPTION WHEN OTHERS THEN RETURN '!' || sqlstate;
  END $$`;

const BATCH_SIZE = 2_000;
const DIFFERENCES_SHOWN = 25;

/** What we refuse on purpose although Postgres takes it, `feature_not_supported`. */
const UNSUPPORTED = "!0A000";

/**
 * @param next makes one case after the other, `count` of them.
 * @returns how many of them we do not support and Postgres does.
 */
export async function compare(
  database: TestDatabase,
  count: number,
  next: () => Case,
): Promise<number> {
  await database.query(ATTEMPT);
  const differences: string[] = [];
  let unsupportedCount = 0;
  for (let done = 0; done < count && differences.length < DIFFERENCES_SHOWN; done += BATCH_SIZE) {
    const cases = Array.from({ length: Math.min(BATCH_SIZE, count - done) }, next);
    const rows = await database.query(
      `SELECT attempt(e.sql) AS answer FROM unnest($1::text[]) WITH ORDINALITY AS e(sql, n)
       ORDER BY e.n`,
      [cases.map(({ sql }) => sql)],
    );
    for (const [index, { sql, evaluate, isAnyError = false }] of cases.entries()) {
      const theirs = rows[index]!["answer"] as string | null;
      const ours = attempt(evaluate);
      if (ours === theirs) continue;
      const isError = theirs?.startsWith("!") === true;
      if (isError && isAnyError && ours?.startsWith("!") === true) continue;
      if (ours === UNSUPPORTED) unsupportedCount += isError ? 0 : 1;
      else differences.push(`${sql}\n  Postgres ${theirs}\n  litz     ${ours}`);
    }
  }
  assert.equal(differences.length, 0, `\n${differences.slice(0, DIFFERENCES_SHOWN).join("\n")}`);
  return unsupportedCount;
}

function attempt(evaluate: () => string | null): string | null {
  try {
    const text = evaluate();
    return text === null ? null : `=${text}`;
  } catch (error) {
    if (error instanceof EvaluationError) return `!${error.sqlState}`;
    throw error;
  }
}

export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
