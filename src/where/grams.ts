/**
 * Grams: under which few bytes the shapes of a LIKE pattern are found that does not begin with
 * plain text.
 *
 *     '%Main Street%'    "main s", six bytes; all texts that are like it have them somewhere
 *     '%a_cd%'           none: there are no three plain bytes in a row; every row is looked at
 *
 * Of the runs that a pattern has, one is taken: of six bytes if there is one, otherwise of three,
 * and of these one whose letters are rare. Of a pattern that ignores case only characters of ASCII
 * count, in lower case; what a row has in their place is told in `assembly/gram-text.ts`.
 */

/** In the order of preference. */
export const GRAM_SIZES = [6, 3] as const;
export type GramSize = (typeof GRAM_SIZES)[number];

/** Undefined: the pattern has none. */
export function gramOf(pattern: string, ignoresCase: boolean): string | undefined {
  const runs = plainRuns(pattern, ignoresCase);
  for (const size of GRAM_SIZES) {
    let rarest: string | undefined;
    for (const run of runs) {
      for (const gram of gramsIn(run, size)) {
        if (rarest === undefined || rarityOf(gram) > rarityOf(rarest)) rarest = gram;
      }
    }
    if (rarest !== undefined) return rarest;
  }
  return undefined;
}

/** Characters that stand for themselves and next to each other, in a form that rows have too. */
function plainRuns(pattern: string, ignoresCase: boolean): string[][] {
  const runs: string[][] = [[]];
  let isEscaped = false;
  for (const character of pattern) {
    if (character === "\\" && !isEscaped) {
      isEscaped = true;
      continue;
    }
    const isWildcard = !isEscaped && (character === "%" || character === "_");
    isEscaped = false;
    if (isWildcard || (ignoresCase && character > "\x7f")) runs.push([]);
    else runs.at(-1)!.push(ignoresCase ? character.toLowerCase() : character);
  }
  return runs;
}

/** Whole characters that have so many bytes together. */
function* gramsIn(run: readonly string[], size: number): Generator<string> {
  for (let first = 0; first < run.length; first++) {
    let gram = "";
    let bytes = 0;
    for (let next = first; next < run.length && bytes < size; next++) {
      gram += run[next]!;
      bytes += Buffer.byteLength(run[next]!);
    }
    if (bytes === size) yield gram;
  }
}

/** Of English text, the commonest first. Others are rarer than all of them. */
const COMMON = " etaoinsrhldcumfpgwybvkxjqz";

function rarityOf(gram: string): number {
  let rarity = 0;
  for (const character of gram) {
    const rank = COMMON.indexOf(character.toLowerCase());
    rarity += rank < 0 ? COMMON.length : rank;
  }
  return rarity;
}
