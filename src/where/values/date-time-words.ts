/**
 * The words of dates and times: units, as in `3 days` and EXTRACT, and what else has a meaning in
 * an input (appendix B of the manual). Postgres compares the first ten characters.
 */

export type TimeUnit =
  | "microsecond"
  | "millisecond"
  | "second"
  | "minute"
  | "hour"
  | "day"
  | "week"
  | "month"
  | "quarter"
  | "year"
  | "decade"
  | "century"
  | "millennium"
  | "timezone"
  | "timezone_hour"
  | "timezone_minute"
  | "julian"
  | "dow"
  | "isodow"
  | "doy"
  | "isoyear";

/** What a word is that is no unit of intervals. */
type DateKeyword = "epoch" | "infinity" | "-infinity" | "filler" | "reserved" | "other";

const WORD_LENGTH_MAX = 10;

const UNITS: Readonly<Record<string, TimeUnit>> = spell({
  microsecond: "microsecon us usec useconds usecs",
  millisecond: "millisecon ms msec mseconds msecs",
  second: "s sec second seconds secs",
  minute: "m min mins minute minutes",
  hour: "h hour hours hr hrs",
  day: "d day days",
  week: "w week weeks",
  month: "mon mons month months",
  quarter: "qtr quarter",
  year: "y year years yr yrs",
  decade: "dec decade decades decs",
  century: "c cent centuries century",
  millennium: "mil millennia millennium mils",
  timezone: "timezone",
  timezone_hour: "timezone_h",
  timezone_minute: "timezone_m",
});

/** Units that only EXTRACT and dates have. */
const DATE_UNITS: Readonly<Record<string, TimeUnit>> = spell({
  julian: "j jd julian",
  dow: "dow",
  isodow: "isodow",
  doy: "doy",
  isoyear: "isoyear",
  minute: "mm",
  day: "d",
  hour: "h",
  month: "m",
  second: "s",
  year: "y",
});

const KEYWORDS: Readonly<Record<string, DateKeyword>> = spell({
  epoch: "epoch",
  infinity: "infinity +infinity",
  "-infinity": "-infinity",
  filler: "at on",
  reserved: "allballs now today tomorrow yesterday",
  other:
    "ad am apr april aug august bc dec december dst feb february fri friday jan january jul july " +
    "jun june mar march may mon monday nov november oct october pm sat saturday sep sept " +
    "september sun sunday t thu thur thurs thursday tue tues tuesday wed wednesday weds",
});

/** A unit as an interval or EXTRACT has it. REQUIRES: the word is in lower case. */
export function unitOf(word: string): TimeUnit | undefined {
  const key = cut(word);
  return UNITS[key] ?? DATE_UNITS[key];
}

/** A unit as `date_trunc` knows them. REQUIRES: the word is in lower case. */
export function intervalUnitOf(word: string): TimeUnit | undefined {
  return UNITS[cut(word)];
}

/** REQUIRES: the word is in lower case. */
export function dateKeyword(word: string): DateKeyword | undefined {
  const key = cut(word);
  return KEYWORDS[key] ?? (key in DATE_UNITS ? "other" : undefined);
}

function cut(word: string): string {
  return word.slice(0, WORD_LENGTH_MAX);
}

function spell<Meaning extends string>(
  spellings: Partial<Record<Meaning, string>>,
): Record<string, Meaning> {
  // No prototype: words come from clients, and `constructor` is none of ours.
  const meanings = Object.create(null) as Record<string, Meaning>;
  for (const [meaning, words] of Object.entries(spellings) as [Meaning, string][]) {
    for (const word of words.split(" ")) meanings[word] = meaning;
  }
  return meanings;
}
