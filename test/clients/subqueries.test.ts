/**
 * Goal: whatever happens to rows and to what their subqueries give, the clients people use hold
 * what Postgres answers (protocol 14, 16, 17): the official stream, whose messages are held against
 * the protocol one by one, and TanStack DB's collections in each of their modes.
 * Method: shapes with each kind of clause are followed by each kind of client and compared with a
 * SELECT after every step of a history, then after random transactions. SEED replays these.
 */

import { Shape, type Row, type ShapeStreamInterface } from "@electric-sql/client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TestDatabase } from "../support/postgres.ts";
import { seededRandom } from "../support/random.ts";
import { RestartableServer } from "../support/restartable-server.ts";
import { expectSameRows, transact } from "./fixture.ts";
import {
  openCollection,
  StreamFollower,
  type Follower,
  type ShapeParameters,
} from "./subquery-clients.ts";
import { BEGINNING, CLAUSES, HISTORY, randomChange, SCHEMA } from "./subquery-history.ts";

const RANDOM_ROUNDS = 12;
const INTERRUPTED_ROUNDS = 40;
/** Changes what every subquery gives, the innermost of nested ones too. */
const MEANWHILE = [
  "UPDATE projects SET owner = 'ann' WHERE id = 2",
  "UPDATE teams SET is_active = NOT is_active",
  "DELETE FROM grants",
];

let server: RestartableServer;
let database: TestDatabase;
const opened: Follower[] = [];

beforeAll(async () => {
  server = await RestartableServer.start(SCHEMA);
  database = server.database;
});

beforeEach(async () => {
  await happens(BEGINNING);
});

afterEach(async () => {
  for (const follower of opened.splice(0)) await follower.close();
});

afterAll(async () => {
  await server.dispose();
});

/** One transaction. */
async function happens(...statements: readonly string[]): Promise<void> {
  await database.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
}

function remember<F extends Follower>(follower: F): F {
  opened.push(follower);
  return follower;
}

function follow(parameters: ShapeParameters, options = {}): StreamFollower {
  return remember(new StreamFollower(server, parameters, options));
}

async function expectHeld(follower: Follower, parameters: ShapeParameters): Promise<void> {
  const { where, columns = ["*"] } = parameters;
  const sql = `SELECT ${columns.join()} FROM issues WHERE ${where}`;
  await expectSameRows(database, sql, () => follower.rows());
  expect(follower.faults).toEqual([]);
}

/** Follows shapes with these clauses through the history and what is random. */
async function expectHistory(
  name: string,
  openOne: (where: string) => Follower | Promise<Follower>,
  parameters: Omit<ShapeParameters, "where"> = {},
  clauses: readonly string[] = Object.values(CLAUSES),
): Promise<void> {
  const random = seededRandom(`clients of subqueries, ${name}`);
  const shapes = await Promise.all(
    clauses.map(async (where) => {
      const follower = remember(await openOne(where));
      return { where, expect: () => expectHeld(follower, { ...parameters, where }) };
    }),
  );
  const expectAll = async (what: string) => {
    for (const { where, expect } of shapes) {
      await expect().catch((cause: unknown) => {
        throw new Error(`after "${what}", of ${where}`, { cause });
      });
    }
  };
  await expectAll("the beginning");
  for (const [what, ...statements] of HISTORY) {
    await happens(...statements);
    await expectAll(what);
  }
  for (let round = 0; round < RANDOM_ROUNDS; round++) {
    await happens(...randomChanges(random));
    if (round % 3 === 2) await expectAll(`random round ${round}`);
  }
}

function randomChanges(random: () => number): readonly string[] {
  return Array.from({ length: 1 + Math.floor(random() * 4) }, () => randomChange(random));
}

describe("the official stream", () => {
  test.each([
    { name: "long polling", options: {}, parameters: {} },
    { name: "Server-Sent Events", options: { liveSse: true }, parameters: {} },
    { name: "replica=full", options: {}, parameters: { replica: "full" } as const },
    { name: "some columns", options: {}, parameters: { columns: ["id", "title"] } },
  ])("holds what Postgres answers: $name", async ({ name, options, parameters }) => {
    await expectHistory(
      name,
      (where) => new StreamFollower(server, { ...parameters, where }, options),
      parameters,
    );
  });

  test("of changes only, with a page that has every row", async () => {
    await expectHistory("changes only", async (where) => {
      const follower = new StreamFollower(server, { where }, { log: "changes_only" });
      await follower.stream.requestSnapshot({ where: "id > 0", orderBy: "id", limit: 100 });
      return follower;
    });
  });

  test.each([
    { name: "long polling", liveSse: false },
    { name: "Server-Sent Events", liveSse: true },
  ])("stops and goes on in the middle of moves: $name", async ({ name, liveSse }) => {
    const random = seededRandom(`streams that stop, ${name}`);
    const shapes = Object.values(CLAUSES).map((where) => {
      // An LSN is all that events tell of a place, so what shares it may come again.
      const follower = new StreamFollower(server, { where }, { liveSse }, !liveSse);
      return { where, follower: remember(follower) };
    });
    for (const { where, follower } of shapes) await expectHeld(follower, { where });
    for (let round = 0; round < INTERRUPTED_ROUNDS; round++) {
      // Nobody waits for what comes of it.
      await happens(...randomChanges(random));
      for (const shape of shapes) {
        if (random() < 0.4) shape.follower = remember(shape.follower.resume());
      }
    }
    for (const { where, follower } of shapes) {
      await expectHeld(follower, { where });
      expect(follower.lostCount).toBe(0);
    }
  });

  test("goes on where it was when the server comes back", async () => {
    const clauses = Object.values(CLAUSES);
    const shapes = clauses.map((where) => ({ where, follower: follow({ where }) }));
    for (const { where, follower } of shapes) await expectHeld(follower, { where });
    await server.restart(() => happens(...MEANWHILE));
    await happens("UPDATE issues SET reviewer = 2 WHERE id < 5");
    for (const { where, follower } of shapes) {
      await expectHeld(follower, { where });
      expect(follower.lostCount).toBe(0);
    }
  });

  test.each(["GET", "POST"] as const)("has tags on the rows of a page: %s", async (method) => {
    const { stream } = follow({ where: CLAUSES.either }, { log: "changes_only" });
    const { data } = await stream.fetchSnapshot({
      where: "id < $1",
      params: { 1: "9" },
      orderBy: "id DESC",
      limit: 3,
      method,
    });
    expect(data.map(({ value }) => value["id"])).toEqual([8, 7, 6]);
    const hash = expect.stringMatching(/^[0-9a-f]{32}\/$/) as string;
    const second = expect.stringMatching(/^\/[0-9a-f]{32}$/) as string;
    expect(data.map(({ headers }) => headers.tags)).toEqual(Array(3).fill([hash, second]));
    // Projects 1, 4 and 3, of which ann has two; reviewers 3, 2 and 1, of which bob has one.
    expect(data.map(({ headers }) => headers["active_conditions"])).toEqual([
      [true, false],
      [false, true],
      [true, false],
    ]);
  });

  test("tells of moves in events, of which its Shape knows nothing", async () => {
    // Of a log that others have read, it would show whatever has moved out of it before.
    const where = `id <> 1000 AND ${CLAUSES.in}`;
    const follower = follow({ where });
    const stream = follow({ where });
    // The client's own types are not made for exactOptionalPropertyTypes.
    const shape = new Shape<Row>(stream.stream as unknown as ShapeStreamInterface<Row>);
    await expectHeld(follower, { where });
    await happens(
      "UPDATE projects SET owner = CASE id WHEN 2 THEN 'ann' ELSE 'cyd' END WHERE id IN (1, 2)",
    );
    await expectHeld(follower, { where });
    // What moves in comes as an insert. What moves out stays: rows of project 1.
    const held = "project IN (1, 2, 3)";
    await expectSameRows(database, `SELECT * FROM issues WHERE ${held}`, () => shape.currentRows);
  });
});

describe("TanStack DB", () => {
  const clauses = Object.values(CLAUSES).filter((where) => where !== CLAUSES.both);

  test.each([
    { syncMode: "eager" },
    { syncMode: "eager", liveSse: true },
    { syncMode: "progressive" },
    { syncMode: "on-demand" },
  ] as const)("holds what Postgres answers: %o", async (options) => {
    const openOne = (where: string) => openCollection(server, { where }, options);
    await expectHistory(JSON.stringify(options), openOne, {}, clauses);
  });

  test("holds what Postgres answers when the server comes back", async () => {
    const shapes = await Promise.all(
      clauses.map(async (where) => {
        const collection = await openCollection(server, { where }, { syncMode: "eager" });
        return { where, follower: remember(collection) };
      }),
    );
    await server.restart(() => happens(...MEANWHILE));
    await happens("UPDATE projects SET owner = 'cyd' WHERE id = 1");
    for (const { where, follower } of shapes) await expectHeld(follower, { where });
  });

  test("knows of a transaction that did nothing but move rows", async () => {
    const where = CLAUSES.in;
    const collection = remember(await openCollection(server, { where }, { syncMode: "eager" }));
    const movedIn = await transact(database, "UPDATE projects SET owner = 'ann' WHERE id = 2");
    await collection.awaitTxId(movedIn);
    await expectHeld(collection, { where });
    const movedOut = await transact(database, "UPDATE projects SET owner = 'bob' WHERE id = 1");
    await collection.awaitTxId(movedOut);
    await expectHeld(collection, { where });
  });

  test("loses sight of a row when one of two subqueries under AND concerns it anew", async () => {
    // The library takes the old tag's slots out of its index after it has put in the new one's, and
    // a slot that both have is gone (README, Subqueries). Should this fail, the library has learnt.
    await happens("DELETE FROM issues", "INSERT INTO issues VALUES (1, 1, 1, 1, '', false)");
    const collection = remember(
      await openCollection(server, { where: CLAUSES.both }, { syncMode: "eager" }),
    );
    const stream = follow({ where: CLAUSES.both });
    await expectHeld(collection, { where: CLAUSES.both });
    await happens("UPDATE issues SET reviewer = 3");
    await expectHeld(stream, { where: CLAUSES.both });
    const left = await transact(database, "UPDATE projects SET owner = 'cyd' WHERE id = 1");
    await collection.awaitTxId(left);
    await expectHeld(stream, { where: CLAUSES.both });
    expect(collection.rows()).toHaveLength(1);
  });
});
