/**
 * Goal: `TransactionalMultiShapeStream` of `@electric-sql/experimental` releases every transaction
 * over several shapes whole and in order. It goes by `lsn`, `op_position` and by the
 * `global_last_seen_lsn` of shapes that are not touched, so these must be truthful (protocol 18.1).
 * Method: transactions that touch two tables, or one of them, each marked in its rows; what comes
 * out must be each mark once, complete, in the order of the commits.
 */

import { TransactionalMultiShapeStream } from "@electric-sql/experimental";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startFixture, UNCOMPRESSED, type ClientFixture } from "./fixture.ts";

let fixture: ClientFixture;
const abort = new AbortController();

beforeAll(async () => {
  fixture = await startFixture();
});

afterAll(async () => {
  abort.abort();
  await fixture.dispose();
});

function streamOf(table: string) {
  const url = fixture.server.shapeUrl;
  return { url, params: { table }, headers: UNCOMPRESSED, signal: abort.signal };
}

test("transactions over two tables and a table at rest come out whole", async () => {
  const { database } = fixture;
  await database.query("CREATE TABLE rests (id int PRIMARY KEY)");
  const stream = new TransactionalMultiShapeStream({
    shapes: {
      issues: streamOf("issues"),
      comments: streamOf("comments"),
      rests: streamOf("rests"),
    },
    checkForUpdatesAfterMs: 50,
  });
  const released: string[][] = [];
  stream.subscribe((messages) => {
    const changes = messages.filter((message) => "value" in message);
    if (changes.length > 0) {
      released.push(changes.map(({ shape, value }) => `${shape} ${String(value["id"])}`));
    }
  });
  await eventually(() => expect(stream.isUpToDate).toBe(true));

  const expected: string[][] = [];
  for (let n = 1; n <= 12; n++) {
    const issue = `INSERT INTO issues (id, project, title) VALUES (${n}, 0, '')`;
    const comment = `INSERT INTO comments VALUES (${n}, ${n}, '')`;
    const second = `INSERT INTO comments VALUES (${n + 100}, ${n}, '')`;
    const kinds = [
      { statements: [issue, comment, second], ids: ["issues", "comments", "comments +100"] },
      { statements: [comment, issue, second], ids: ["comments", "issues", "comments +100"] },
      { statements: [comment], ids: ["comments"] },
    ];
    const { statements, ids } = kinds[n % kinds.length]!;
    await database.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
    expected.push(ids.map((id) => (id.endsWith("+100") ? `comments ${n + 100}` : `${id} ${n}`)));
  }
  await eventually(() => expect(released.flat()).toHaveLength(expected.flat().length));
  expect(released.flat()).toEqual(expected.flat());
  // Several transactions may be released together; none is ever torn.
  let taken = 0;
  const boundaries = new Set(expected.map(({ length }) => (taken += length)));
  let end = 0;
  for (const { length } of released) expect(boundaries).toContain((end += length));
});
