/**
 * What `lower` and `upper` make of a text, which ILIKE needs too. It depends on the provider of a
 * database's collation and the version of that, so Postgres is asked once what it makes of every
 * character there is (`postgres/case-mapping.ts`), and the answer, some 1,400 characters, is the
 * table here.
 *
 * One rule looks at neighbours: with the providers that follow Unicode in full, a capital sigma at
 * the end of a word becomes `ς`. Languages with more rules of that kind (Turkish, Lithuanian, Greek
 * in ICU) have no table.
 */

export interface CaseMapping {
  readonly lower: (text: string) => string;
  readonly upper: (text: string) => string;
}

/** What Postgres answered for one character. */
export interface CaseTableRow {
  readonly character: string;
  readonly lower: string;
  readonly upper: string;
}

/**
 * When a capital sigma becomes the one of the end of a word.
 *
 *     none       never
 *     unicode    behind a letter with case and before none, marks and the like left out of account
 *     lenient    the same, and behind nothing but marks and the like: `.Σ`
 */
export type FinalSigma = "none" | "unicode" | "lenient";

/** Of the collations "C" and "POSIX": the letters of ASCII and no others. */
export const ASCII_CASE_MAPPING: CaseMapping = {
  lower: (text) => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase()),
  upper: (text) => text.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase()),
};

const CAPITAL_SIGMA = "\u03a3";
const FINAL_SIGMA = "\u03c2";
const CASED = /^\p{Cased}/u;
const IGNORABLE = /^\p{Case_Ignorable}/u;

/** @param rows the characters that lower or upper change; all others stay as they are. */
export function createCaseMapping(
  rows: readonly CaseTableRow[],
  finalSigma: FinalSigma,
): CaseMapping {
  const lowers = tableOf(rows, "lower");
  const uppers = tableOf(rows, "upper");
  // The letters of ASCII are as usual everywhere but in Turkish; then this is much faster.
  const isUsual = ASCII_LETTERS.every(
    (letter) =>
      (lowers.get(letter) ?? letter) === ASCII_CASE_MAPPING.lower(letter) &&
      (uppers.get(letter) ?? letter) === ASCII_CASE_MAPPING.upper(letter),
  );
  const isAscii = (text: string) => isUsual && !/[^\0-\x7f]/.test(text);
  return {
    lower: (text) => {
      if (isAscii(text)) return text.toLowerCase();
      return finalSigma === "none" ? map(text, lowers) : mapWithSigma(text, lowers, finalSigma);
    },
    upper: (text) => (isAscii(text) ? text.toUpperCase() : map(text, uppers)),
  };
}

const ASCII_LETTERS = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code));

function tableOf(rows: readonly CaseTableRow[], key: "lower" | "upper"): Map<string, string> {
  return new Map(
    rows.filter((row) => row[key] !== row.character).map((row) => [row.character, row[key]]),
  );
}

function map(text: string, table: ReadonlyMap<string, string>): string {
  let mapped = "";
  for (const character of text) mapped += table.get(character) ?? character;
  return mapped;
}

/** As `map`, with a look at the neighbours of each capital sigma. */
function mapWithSigma(text: string, table: ReadonlyMap<string, string>, rule: FinalSigma): string {
  let mapped = "";
  let start = 0;
  for (;;) {
    const index = text.indexOf(CAPITAL_SIGMA, start);
    if (index < 0) return mapped + map(text.slice(start), table);
    mapped += map(text.slice(start, index), table);
    mapped += isAtEndOfWord(text, index, rule) ? FINAL_SIGMA : map(CAPITAL_SIGMA, table);
    start = index + 1;
  }
}

function isAtEndOfWord(text: string, index: number, rule: FinalSigma): boolean {
  return isCasedBefore(text, index, rule) && !isCasedAfter(text, index + 1);
}

/** Whether the nearest character before `end` that is no mark or the like is a letter with case. */
function isCasedBefore(text: string, end: number, rule: FinalSigma): boolean {
  for (let index = end; index > 0;) {
    const isPair = index > 1 && text.codePointAt(index - 2)! > 0xffff;
    index -= isPair ? 2 : 1;
    const character = String.fromCodePoint(text.codePointAt(index)!);
    if (!IGNORABLE.test(character)) return CASED.test(character);
  }
  return rule === "lenient" && end > 0;
}

function isCasedAfter(text: string, start: number): boolean {
  for (let index = start; index < text.length;) {
    const character = String.fromCodePoint(text.codePointAt(index)!);
    if (!IGNORABLE.test(character)) return CASED.test(character);
    index += character.length;
  }
  return false;
}
