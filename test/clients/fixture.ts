/**
 * What every test of a client needs: a database with a table that is edited at random, a server on
 * it, and the question whether what a client holds is what Postgres answers.
 */

import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer, type Settings } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

/** Types for which the client's parser and the driver agree on the JavaScript value. */
const SCHEMA = `
  CREATE TABLE issues (
    id int PRIMARY KEY,
    project int NOT NULL,
    title text NOT NULL,
    done bool NOT NULL DEFAULT false,
    estimate numeric,
    labels text[],
    meta jsonb
  );
  CREATE TABLE comments (id int PRIMARY KEY, issue int NOT NULL, body text NOT NULL);`;

export interface Issue {
  [column: string]: unknown;
  id: number;
  project: number;
  title: string;
  done: boolean;
  estimate: string | null;
  labels: string[] | null;
  meta: unknown;
}

/**
 * For clients that give requests up and ask anew: Node's `fetch` may forget the body of a
 * compressed answer then (aborted-body.test.ts).
 */
export const UNCOMPRESSED = { "accept-encoding": "identity" };

export interface ClientFixture {
  readonly database: TestDatabase;
  readonly server: LiveServer;
  /** One transaction: inserts issues `from` to `to`, their project being `id % 3`. */
  insertIssues(from: number, to: number): Promise<void>;
  dispose(): Promise<void>;
}

export async function startFixture(settings: Settings = {}): Promise<ClientFixture> {
  const database = await createTestDatabase();
  await database.query(SCHEMA);
  const server = await startServer(database, settings);
  return {
    database,
    server,
    insertIssues: async (from, to) => {
      await database.query(
        `INSERT INTO issues (id, project, title, labels)
         SELECT n, n % 3, 'issue ' || n, ARRAY['a', NULL, 'ü "' || n || '"']
         FROM generate_series($1::int, $2::int) n`,
        [from, to],
      );
    },
    dispose: async () => {
      await server.stop();
      await database.dispose();
    },
  };
}

/**
 * Runs statements and returns the id of their transaction as its messages carry it: 32 bits, as a
 * number (protocol 17).
 */
export async function transact(database: TestDatabase, ...statements: string[]): Promise<number> {
  const rows = await database.query(
    `BEGIN; ${statements.join("; ")}; SELECT pg_current_xact_id()::xid::text AS xid`,
  );
  await database.query("COMMIT");
  return Number(rows[0]!["xid"]);
}

/** One random statement on `issues`: rows come, change, move between projects and keys, and go. */
export function randomStatement(random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  const id = below(60);
  const title = ["", "plain", "it''s \\ \"quoted\"", "日本 🙂", "a\nb"][below(5)]!;
  const statements = [
    `INSERT INTO issues VALUES (${id}, ${below(3)}, '${title}', ${random() < 0.5}, ${below(9)}.50)
     ON CONFLICT (id) DO UPDATE SET title = excluded.title, labels = '{x,NULL,"y z"}'`,
    `INSERT INTO issues SELECT n, n % 3, repeat('long ', ${below(2000)}) FROM
     generate_series(${60 + id}, ${60 + id + below(20)}) n ON CONFLICT DO NOTHING`,
    `UPDATE issues SET title = '${title}', meta = '{"n": ${below(9)}}' WHERE id = ${id}`,
    `UPDATE issues SET project = (project + 1) % 3 WHERE id % 7 = ${below(7)}`,
    `UPDATE issues SET done = NOT done, estimate = NULL WHERE id = ${id}`,
    `UPDATE issues SET id = id + 1000 WHERE id = ${id}
     AND NOT EXISTS (SELECT FROM issues WHERE id = ${id + 1000})`,
    `DELETE FROM issues WHERE id = ${id} OR id = ${id + 1000}`,
    `DELETE FROM issues WHERE id >= 60 AND id % 3 = ${below(3)}`,
  ];
  return statements[below(statements.length)]!;
}

/** Resolves when `rows()` is what `sql` answers, in any order. */
export async function expectSameRows(
  database: TestDatabase,
  sql: string,
  rows: () => readonly object[] | Promise<readonly object[]>,
): Promise<void> {
  const expected = byId(await database.query(sql));
  await eventually(async () => expect(byId(await rows())).toEqual(expected));
}

function byId(rows: readonly object[]): object[] {
  const idOf = (row: object) => Number((row as { id: unknown }).id);
  return [...rows].sort((a, b) => idOf(a) - idOf(b));
}
