/**
 * Asks Postgres which characters `lower` and `upper` change under the database's own collation.
 *
 * 130,000 calls of each take Postgres some 70 ms, so this is done once. Letters that have case are
 * found in the first two planes of Unicode only.
 */

import { createCaseMapping, type CaseMapping } from "../model/case-mapping.ts";
import type { Queryable } from "./pool.ts";

/** Languages for which ICU has rules of its own, some of which look at neighbours. */
const SPECIAL_LANGUAGES = ["az", "el", "hy", "lt", "nl", "tr"];

/** Columns that are not there before Postgres 15 and 17 are looked for in the row as JSON. */
const PROVIDER_SQL = `
  SELECT coalesce(d.row ->> 'datlocprovider', 'c'),
         coalesce(d.row ->> 'datlocale', d.row ->> 'daticulocale', ''),
         pg_encoding_to_char((d.row ->> 'encoding')::int)
  FROM (SELECT to_jsonb(pg_database) AS row FROM pg_database
        WHERE datname = current_database()) d`;

const CHARACTERS_SQL = `
  SELECT chr(code), lower(chr(code)), upper(chr(code))
  FROM generate_series(1, 131071) AS code
  WHERE code NOT BETWEEN 55296 AND 57343
    AND (lower(chr(code)) COLLATE "C" <> chr(code) OR upper(chr(code)) COLLATE "C" <> chr(code))`;

/** A capital sigma behind a letter, and behind a full stop: do they become that of a word's end? */
const SIGMA_SQL = `
  SELECT (lower('\u0391\u03a3') COLLATE "C" = '\u03b1\u03c2')::text,
         (lower('.\u03a3') COLLATE "C" = '.\u03c2')::text`;

/**
 * Undefined: the collation's rules cannot be told character by character, or the database is not in
 * UTF-8.
 *
 * @throws {LitzError}
 */
export async function readCaseMapping(database: Queryable): Promise<CaseMapping | undefined> {
  const [row] = await database.query(PROVIDER_SQL);
  const [provider, locale, encoding] = row as string[];
  if (encoding !== "UTF8") return undefined;
  const language = /^[a-z]*/i.exec(locale!)![0].toLowerCase();
  if (provider === "i" && SPECIAL_LANGUAGES.includes(language)) return undefined;

  const rows = await database.query(CHARACTERS_SQL);
  const [sigma] = await database.query(SIGMA_SQL);
  const [isFinal, isLenient] = sigma!.map((answer) => answer === "true");
  const finalSigma = isFinal ? (isLenient ? "lenient" : "unicode") : "none";
  return createCaseMapping(
    rows.map(([character, lower, upper]) => ({
      character: character!,
      lower: lower!,
      upper: upper!,
    })),
    finalSigma,
  );
}
