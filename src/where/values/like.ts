/**
 * LIKE (manual, section 9.7.1): `%` is any sequence, `_` one character, a backslash takes the next
 * character as it is.
 *
 *     text      a b c d e f
 *     pattern   a % c _ e %
 *                 ^ once the part behind a `%` has been found, the text before it is settled: only
 *                   the last `%` met is ever tried at another place
 *
 * So two positions to return to are all the state there is: no recursion that a client could make
 * deep, and at worst as many steps as text and pattern multiplied.
 *
 * A pattern that ends with a backslash is an error when the comparison gets as far as that, and not
 * otherwise; Postgres finds out no earlier.
 */

import { EvaluationError, SQL_STATE } from "./errors.ts";
import { isLowSurrogate } from "./text.ts";

const PERCENT = 0x25;
const UNDERSCORE = 0x5f;
const BACKSLASH = 0x5c;
const NONE = -1;

/** @throws {EvaluationError} the pattern ends with a backslash. */
export function matchesLike(text: string, pattern: string): boolean {
  /** Next units to compare. */
  let here = 0;
  let next = 0;
  /** Behind the last `%` met, and where the text is that was tried for what follows it. */
  let retryNext = NONE;
  let retryHere = NONE;

  while (here < text.length) {
    if (next < pattern.length && pattern.charCodeAt(next) === PERCENT) {
      const end = endOfWildcards(text, here, pattern, next);
      if (end === undefined) return false;
      ({ here, next } = end);
      if (next === pattern.length) return true;
      if (isLoneEscape(pattern, next)) throw endsEscaped();
      retryNext = next;
      retryHere = here;
      continue;
    }
    const end = matchOne(text, here, pattern, next);
    if (end !== NONE) {
      next += pattern.charCodeAt(next) === BACKSLASH ? 2 : 1;
      here = end;
    } else {
      if (retryNext === NONE) return false;
      retryHere = endOfCharacter(text, retryHere);
      here = retryHere;
      next = retryNext;
    }
  }
  while (next < pattern.length && pattern.charCodeAt(next) === PERCENT) next++;
  return next === pattern.length;
}

/** Where the text goes on when what the pattern has at `next`, no `%`, matches; otherwise NONE. */
function matchOne(text: string, here: number, pattern: string, next: number): number {
  if (next === pattern.length) return NONE;
  const unit = pattern.charCodeAt(next);
  if (unit === UNDERSCORE) return endOfCharacter(text, here);
  if (isLoneEscape(pattern, next)) throw endsEscaped();
  const literal = unit === BACKSLASH ? pattern.charCodeAt(next + 1) : unit;
  return literal === text.charCodeAt(here) ? here + 1 : NONE;
}

/** Behind a run of `%` and `_`, whose underscores take a character each; undefined: too few. */
function endOfWildcards(
  text: string,
  start: number,
  pattern: string,
  first: number,
): { here: number; next: number } | undefined {
  let here = start;
  let next = first;
  for (; next < pattern.length; next++) {
    const unit = pattern.charCodeAt(next);
    if (unit === UNDERSCORE) {
      if (here === text.length) return undefined;
      here = endOfCharacter(text, here);
    } else if (unit !== PERCENT) break;
  }
  return { here, next };
}

function isLoneEscape(pattern: string, index: number): boolean {
  return pattern.charCodeAt(index) === BACKSLASH && index + 1 === pattern.length;
}

function endOfCharacter(text: string, index: number): number {
  return isLowSurrogate(text.charCodeAt(index + 1)) ? index + 2 : index + 1;
}

function endsEscaped(): EvaluationError {
  return new EvaluationError(
    "LIKE pattern must not end with escape character",
    SQL_STATE.invalidEscapeSequence,
  );
}
