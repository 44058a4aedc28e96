/**
 * The case mapping of a database against its own `lower` and `upper`.
 *
 * Goal: for every provider of collations the mapping gives what the functions give, or there is
 * none. Method: every character that any of them changes, alone; then random words of the
 * treacherous ones: letters that become two, sigmas at the ends of words, marks between letters.
 */

import assert from "node:assert/strict";
import pg from "pg";
import { afterAll, afterEach, beforeAll, test } from "vitest";
import { ASCII_CASE_MAPPING, type CaseMapping } from "../../src/model/case-mapping.ts";
import { readCaseMapping } from "../../src/postgres/case-mapping.ts";
import { runQuery } from "../../src/postgres/pool.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { seededRandom } from "../support/random.ts";
import { patienceFactor, runsOf } from "../support/runs.ts";

/** All of Unicode takes seconds, and case has so far been found in the first two planes only. */
const CODE_MAX = patienceFactor() > 1 ? 0x10ffff : 0x1ffff;
/** Sigmas, letters with and without case, marks, punctuation that words may contain, outliers. */
const LETTERS = Array.from(
  "ΣΣΣσςAbIiİıßẞŉ世1 .'’:-\u0301\u0345\u00adʰǅﬁ\u{10400}\u{10428}\u{1e900}😀",
);

let home: TestDatabase;
const clients: pg.Client[] = [];
const names: string[] = [];

beforeAll(async () => {
  home = await createTestDatabase();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end();
  for (const name of names.splice(0)) await home.query(`DROP DATABASE ${name}`);
});
afterAll(() => home.dispose());

const providers = {
  "libc in C": "LOCALE_PROVIDER libc LOCALE 'C'",
  "libc in UTF-8": "LOCALE_PROVIDER libc LOCALE 'C.UTF-8'",
  "ICU without a language": "LOCALE_PROVIDER icu ICU_LOCALE 'und' LOCALE 'C'",
  "ICU in German": "LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C'",
  "the simple built-in one": "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
  "the full built-in one": "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'PG_UNICODE_FAST' LOCALE 'C'",
};

for (const [name, options] of Object.entries(providers)) {
  test(`letters change as with ${name}`, async () => {
    const database = await createDatabase(options);
    const mapping = await database.readMapping();
    assert.ok(mapping !== undefined);
    const random = seededRandom(`case mapping of ${name}`);
    const words = Array.from({ length: runsOf(3_000) }, () =>
      Array.from({ length: 6 }, () => LETTERS[Math.floor(random() * LETTERS.length)]!).join(""),
    );
    assertSame(mapping, await database.changed(words));
    assertSame(mapping, await database.changed(await database.changeable()));
  });
}

test("there is no mapping of languages whose rules look at neighbours", async () => {
  for (const language of ["tr-TR", "lt", "el"]) {
    const database = await createDatabase(
      `LOCALE_PROVIDER icu ICU_LOCALE '${language}' LOCALE 'C'`,
    );
    assert.equal(await database.readMapping(), undefined);
  }
});

test("there is no mapping where text is not UTF-8", async () => {
  const database = await createDatabase("LOCALE_PROVIDER libc LOCALE 'C' ENCODING 'LATIN1'");
  assert.equal(await database.readMapping(), undefined);
});

test("the collation C changes the letters of ASCII and no others", async () => {
  const database = await createDatabase("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C' LOCALE 'C'");
  assertSame(ASCII_CASE_MAPPING, await database.changed(await database.changeable()));
});

interface Changed {
  readonly text: string;
  readonly lower: string;
  readonly upper: string;
}

function assertSame(mapping: CaseMapping, changed: readonly Changed[]): void {
  for (const { text, lower, upper } of changed) {
    assert.equal(mapping.lower(text), lower, `lower of ${JSON.stringify(text)}`);
    assert.equal(mapping.upper(text), upper, `upper of ${JSON.stringify(text)}`);
  }
}

async function createDatabase(options: string) {
  const name = `${home.name}_${names.length}`;
  await home.query(`CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
  names.push(name);
  const client = new pg.Client({ connectionString: new URL(`/${name}`, home.url).href });
  clients.push(client);
  await client.connect();
  return {
    readMapping: () => readCaseMapping({ query: (sql) => runQuery(client, sql) }),
    changed: async (texts: readonly string[]): Promise<Changed[]> => {
      const { rows } = await client.query<Changed>(
        "SELECT text, lower(text), upper(text) FROM unnest($1::text[]) AS text",
        [texts],
      );
      return rows;
    },
    changeable: async (): Promise<string[]> => {
      const { rows } = await client.query<{ character: string }>(
        `SELECT chr(code) AS character FROM generate_series(1, ${CODE_MAX}) AS code
         WHERE code NOT BETWEEN 55296 AND 57343
           AND (lower(chr(code) COLLATE "und-x-icu") <> chr(code)
                OR upper(chr(code) COLLATE "und-x-icu") <> chr(code)
                OR lower(chr(code)) <> chr(code) OR upper(chr(code)) <> chr(code))`,
      );
      return rows.map(({ character }) => character);
    },
  };
}
