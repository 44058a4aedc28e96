/**
 * A WHERE clause as text in, Postgres' own syntax tree out.
 *
 * The clause is parsed as the end of `SELECT 1 WHERE `. Clients see that in one place: a syntax
 * error is located in the wrapped text, any other error in their own (protocol 3.3, "Locations").
 *
 * The parser's time and stack grow with a clause, so it is measured first: bytes, then, as their
 * counting takes its time too, a guess at the tokens, then tokens and the depth of brackets. Small
 * clauses, which is nearly all, are only measured by the first.
 */

import type { Node, SelectStmt } from "@pgsql/types";
import type { InvalidParameter } from "../lib/errors.ts";
import { invalidWhere, WRAPPER } from "./clause-error.ts";
import { pgQuery, StatementTooComplex, type PgQuery, type Statement } from "./pg-query.ts";

export interface WhereClause {
  readonly text: string;
  readonly expression: Node;
}

/** Protocol 3.3. In UTF-8. */
const CLAUSE_SIZE_MAX = 65_536;
/** The parser overflows at some 8,000 operators; 64 equalities have 500 tokens. */
const TOKEN_COUNT_MAX = 2_000;
/** Words and signs, those in strings included. To count that many tokens takes some 50 ms. */
const TOKEN_GUESS_MAX = 10_000;
/** Of brackets. Overflows begin at 2,000. */
const NESTING_MAX = 200;

/** @throws {InvalidParameter} naming `where`. @throws {LitzError} PARSER_RESTARTING (503). */
export function parseWhere(text: string, parser: PgQuery = pgQuery): WhereClause {
  refuseTooLong(text);
  refuseUnstorable(text);
  try {
    refuseTooComplex(text, parser);
    const outcome = parser.parse(WRAPPER + text);
    if ("message" in outcome) {
      throw invalidWhere(`At location ${outcome.location}: ${outcome.message}`);
    }
    return { text, expression: onlyExpressionOf(outcome.statements) };
  } catch (error) {
    if (error instanceof StatementTooComplex) throw invalidWhere("WHERE clause is too complex");
    throw error;
  }
}

function refuseTooLong(text: string): void {
  const size = Buffer.byteLength(text);
  if (size > CLAUSE_SIZE_MAX) {
    throw invalidWhere(
      `WHERE clause of ${size} bytes is bigger than maximum size of ${CLAUSE_SIZE_MAX} bytes`,
    );
  }
}

/** Postgres has no text with a null character, nor with half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes("\0") && !/\p{Surrogate}/u.test(text);
}

/** To the parser, a null character would be the end of the clause. */
function refuseUnstorable(text: string): void {
  if (isStorable(text)) return;
  const location = Array.from(text).findIndex((character) => !isStorable(character));
  const what = 'invalid byte sequence for encoding "UTF8"';
  throw invalidWhere(`At location ${WRAPPER.length + location}: ${what}`);
}

function refuseTooComplex(text: string, parser: PgQuery): void {
  if (text.length <= TOKEN_COUNT_MAX && countOpenings(text) <= NESTING_MAX) return;
  const guess = text.match(/[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu)?.length ?? 0;
  if (guess > TOKEN_GUESS_MAX) throw tooManyTokens();
  const tokens = parser.scan(WRAPPER + text);
  if (tokens === undefined) return; // The parser will say where, and builds no tree.
  if (tokens.length > TOKEN_COUNT_MAX) throw tooManyTokens();
  if (depthOf(tokens.map((token) => token.text)) > NESTING_MAX) {
    throw invalidWhere(`WHERE clause is too complex: it may be nested ${NESTING_MAX} levels deep`);
  }
}

function tooManyTokens(): InvalidParameter {
  return invalidWhere(`WHERE clause is too complex: it may have ${TOKEN_COUNT_MAX} tokens`);
}

function countOpenings(text: string): number {
  return text.match(/[([]/g)?.length ?? 0;
}

function depthOf(tokens: readonly string[]): number {
  let depth = 0;
  let deepest = 0;
  for (const token of tokens) {
    if (token === "(" || token === "[") depth += 1;
    if (token === ")" || token === "]") depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** What the wrapper itself makes of a statement. Every further clause adds a member. */
const EXPECTED_MEMBERS = new Set(["targetList", "whereClause", "limitOption", "op"]);

function onlyExpressionOf(statements: readonly Statement[]): Node {
  if (statements.length !== 1) throw invalidWhere('unescaped ";" causing statement split');
  const { SelectStmt: select } = statements[0]!.stmt as { SelectStmt: SelectStmt };
  const isOnlyWhere = Object.keys(select).every((member) => EXPECTED_MEMBERS.has(member));
  if (!isOnlyWhere || select.whereClause === undefined) {
    throw invalidWhere("malformed query ending with SQL clauses");
  }
  return select.whereClause;
}
