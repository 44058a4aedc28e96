/**
 * The literals of a clause, found without parsing it: a clause that differs from one that was
 * analysed in nothing else means the same, with other constants.
 *
 *     tenant_id = 42 AND name = 'it''s'   ──>   tenant_id = ① AND name = ④      42, it's
 *
 * A mark stands for a class of literals that the grammar and the rules of types treat alike
 * (manual, 4.1.2): strings in plain quotes, and numbers by the smallest of int4, int8 and numeric
 * that holds them. What is found is a guess until the parser has said, of one clause of the form,
 * that its constants begin exactly there (`Scope`); after that it is true of all of them, because
 * Postgres splits two texts of one form into tokens alike.
 *
 * Nothing is found in a clause with anything that would make that doubtful: comments, strings and
 * names with escapes, dollar quotes, other forms of numbers, control characters; or zero behind a
 * minus, which is zero of some types and minus zero of others. Two numbers have no class, because
 * with a minus they are of another: 2147483648 and 9223372036854775808.
 */

export interface Literal {
  /** What the literal stands for. */
  readonly text: string;
  /** Index into the clause. */
  readonly start: number;
  readonly isNumber: boolean;
  /** Of the minus in front of a number, which may belong to it. */
  readonly signStart: number | undefined;
}

export interface LiftedText {
  /** The clause with a mark in the place of each literal. */
  readonly form: string;
  readonly literals: readonly Literal[];
}

/** A longer clause is rare; below this many characters no limit of the parser is a matter of it. */
const LENGTH_MAX = 2_000;

const MARKS = { int4: "\u0001", int8: "\u0002", numeric: "\u0003", text: "\u0004" };

/**
 * One token, and by its group what it is. Spaces are tokens. A word is not one if a quote follows,
 * nor a number if a letter, a digit or a dot does.
 */
const TOKEN = new RegExp(
  [
    String.raw`('(?:[^'\\\0]|'')*')`, // 1: string
    String.raw`(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.$\u0080-\uffff])`, // 2: number
    String.raw`([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\$\d+)(?!['\w$&\u0080-\uffff])`, // 3
    String.raw`("(?:[^"\0]|"")*")`, // 4: quoted name
    String.raw`(-(?!-))`, // 5: minus
    String.raw`([ \t\n\r]+)`, // 6: space
    String.raw`([+*<>=~!@#%^|&?()\[\],:;]|\/(?!\*)|\.(?!\d))`, // 7: sign
  ].join("|"),
  "gy",
);

/** Undefined: there is none, or it cannot be told. */
export function liftLiterals(clause: string): LiftedText | undefined {
  if (clause.length > LENGTH_MAX || /\p{Surrogate}/u.test(clause)) return undefined;
  const literals: Literal[] = [];
  let form = "";
  let signStart: number | undefined;
  let isBehindString = false;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < clause.length) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(clause);
    if (match === null) return undefined;
    const [token, string, number, , , minus, space] = match;
    if (string !== undefined) {
      // Strings on two lines may be one (manual, 4.1.2.1).
      if (isBehindString) return undefined;
      literals.push({ text: unquoted(string), start, isNumber: false, signStart: undefined });
      form += MARKS.text;
    } else if (number !== undefined) {
      const mark = markOf(number);
      const isZero = Number(number) === 0;
      if (mark === undefined || (isZero && signStart !== undefined)) return undefined;
      literals.push({ text: number, start, isNumber: true, signStart });
      form += mark;
    } else {
      form += token;
    }
    if (space !== undefined) continue;
    signStart = minus === undefined ? undefined : start;
    isBehindString = string !== undefined;
  }
  return literals.length === 0 ? undefined : { form, literals };
}

function unquoted(string: string): string {
  return string.slice(1, -1).replaceAll("''", "'");
}

function markOf(number: string): string | undefined {
  if (/\D/.test(number)) return MARKS.numeric;
  if (number.length <= 9) return MARKS.int4;
  const magnitude = BigInt(number);
  if (magnitude === 1n << 31n || magnitude === 1n << 63n) return undefined;
  if (magnitude < 1n << 31n) return MARKS.int4;
  return magnitude < 1n << 63n ? MARKS.int8 : MARKS.numeric;
}
