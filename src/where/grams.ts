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

/** Characters of a pattern that are looked at. One gram is enough, however long it is. */
const LENGTH_MAX = 400;

/** What a character counts for. */
interface Character {
  readonly text: string;
  readonly bytes: number;
  /** The rarer it is in English text, the more. */
  readonly rarity: number;
}

interface Asked {
  readonly pattern: string;
  readonly ignoresCase: boolean;
  readonly gram: string | undefined;
}

/** A shape asks once for each of the branches that it may have its entry in. */
let last: Asked = { pattern: "", ignoresCase: false, gram: undefined };

/** Undefined: the pattern has none. */
export function gramOf(pattern: string, ignoresCase: boolean): string | undefined {
  if (last.pattern !== pattern || last.ignoresCase !== ignoresCase) {
    const runs = plainRuns(pattern, ignoresCase);
    const gram = rarestGram(runs, GRAM_SIZES[0]) ?? rarestGram(runs, GRAM_SIZES[1]);
    last = { pattern, ignoresCase, gram };
  }
  return last.gram;
}

/** Characters that stand for themselves and next to each other, in a form that rows have too. */
function plainRuns(pattern: string, ignoresCase: boolean): Character[][] {
  let run: Character[] = [];
  const runs = [run];
  let isEscaped = false;
  let seen = 0;
  for (const text of pattern) {
    seen += 1;
    if (seen > LENGTH_MAX) break;
    if (text === "\\" && !isEscaped) {
      isEscaped = true;
      continue;
    }
    const isWildcard = !isEscaped && (text === "%" || text === "_");
    isEscaped = false;
    const code = text.codePointAt(0)!;
    if (isWildcard || (ignoresCase && code > 0x7f)) {
      run = [];
      runs.push(run);
    } else {
      run.push((ignoresCase ? FOLDED : PLAIN)[code] ?? characterOf(text));
    }
  }
  return runs;
}

/** Of the runs of whole characters that have so many bytes together, the first of the rarest. */
function rarestGram(runs: readonly (readonly Character[])[], size: GramSize): string | undefined {
  let rarest: readonly Character[] = [];
  let highest = -1;
  for (const run of runs) {
    let first = 0;
    let bytes = 0;
    let rarity = 0;
    for (let end = 0; end < run.length; end += 1) {
      bytes += run[end]!.bytes;
      rarity += run[end]!.rarity;
      for (; bytes > size; first += 1) {
        bytes -= run[first]!.bytes;
        rarity -= run[first]!.rarity;
      }
      if (bytes !== size || rarity <= highest) continue;
      highest = rarity;
      rarest = run.slice(first, end + 1);
    }
  }
  return highest < 0 ? undefined : rarest.map(({ text }) => text).join("");
}

/** Of English text, the commonest first. Others are rarer than all of them. */
const COMMON = " etaoinsrhldcumfpgwybvkxjqz";

function characterOf(text: string): Character {
  const rank = COMMON.indexOf(text.toLowerCase());
  const rarity = rank < 0 ? COMMON.length : rank;
  return { text, bytes: Buffer.byteLength(text), rarity };
}

/** The characters of ASCII, as they are and in lower case. */
const PLAIN = Array.from({ length: 128 }, (_, code) => characterOf(String.fromCharCode(code)));
const FOLDED = PLAIN.map(({ text }) => characterOf(text.toLowerCase()));
