/**
 * Goal: collections of TanStack DB on our server hold what Postgres answers in each mode, and
 * `awaitTxId` learns of every transaction, also when it only deletes (protocol 17).
 * Method: the unmodified `@tanstack/electric-db-collection` with a mutation handler that writes to
 * Postgres and returns the id of its transaction; collections and live queries are compared with a
 * SELECT. Requests are counted to prove that a mode does what its name says.
 */

import { EventEmitter, once } from "node:events";
import {
  createCollection,
  createLiveQueryCollection,
  eq,
  type Collection,
  type SyncMode,
} from "@tanstack/db";
import { electricCollectionOptions } from "@tanstack/electric-db-collection";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../support/random.ts";
import {
  expectSameRows,
  randomStatement,
  startFixture,
  transact,
  type ClientFixture,
  type Issue,
} from "./fixture.ts";

let fixture: ClientFixture;
const collections: Pick<Collection, "cleanup">[] = [];

beforeAll(async () => {
  fixture = await startFixture({ ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "10000" });
});

afterEach(async () => {
  for (const collection of collections.splice(0).reverse()) await collection.cleanup();
  await fixture.database.query("DELETE FROM issues");
});

afterAll(async () => {
  await fixture.dispose();
});

/** A collection of issues whose mutations go to Postgres, and the addresses it asks for. */
function openIssues(syncMode: SyncMode | "progressive", fetchClient: typeof fetch = fetch) {
  const requests: string[] = [];
  const { database, server } = fixture;
  const collection = createCollection(
    electricCollectionOptions<Issue>({
      syncMode,
      getKey: ({ id }) => id,
      shapeOptions: {
        url: server.shapeUrl,
        params: { table: "issues" },
        fetchClient: (input, options) => {
          requests.push(`${options?.method ?? "GET"} ${addressOf(input)}`);
          return fetchClient(input, options);
        },
      },
      onInsert: async ({ transaction }) => {
        const { id, project, title } = transaction.mutations[0].modified;
        const values = `${id}, ${project}, '${title}'`;
        return {
          txid: await transact(
            database,
            `INSERT INTO issues (id, project, title) VALUES (${values})`,
          ),
        };
      },
      onUpdate: async ({ transaction }) => {
        const { id, title } = transaction.mutations[0].modified;
        return {
          txid: await transact(database, `UPDATE issues SET title = '${title}' WHERE id = ${id}`),
        };
      },
      onDelete: async ({ transaction }) => {
        const { id } = transaction.mutations[0].original;
        return { txid: await transact(database, `DELETE FROM issues WHERE id = ${id}`) };
      },
    }),
  );
  collections.push(collection);
  return { collection, requests };
}

type Issues = ReturnType<typeof openIssues>["collection"];

function openQuery(issues: Issues, project: number) {
  const query = createLiveQueryCollection((q) =>
    q.from({ issue: issues }).where(({ issue }) => eq(issue.project, project)),
  );
  collections.push(query);
  // Nobody's query is cleaned up after some seconds.
  query.subscribeChanges(() => undefined);
  return query;
}

function expectEqual(collection: { readonly toArray: object[] }, where: string): Promise<void> {
  const sql = `SELECT * FROM issues WHERE ${where}`;
  return expectSameRows(fixture.database, sql, () => collection.toArray.map(withoutVirtual));
}

/** Rows of a query carry what the collection says of them in members that begin with `$`. */
function withoutVirtual(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith("$")));
}

function newIssue(id: number, project: number): Issue {
  const unset = { done: false, estimate: null, labels: null, meta: null };
  return { id, project, title: "mine", ...unset };
}

/** The optimistic change and its confirmation: resolves when the server's answer has it. */
async function mutate(collection: Issues): Promise<void> {
  await collection.insert(newIssue(500, 1)).isPersisted.promise;
  await collection.update(500, (draft) => void (draft.title = "changed")).isPersisted.promise;
  await collection.insert(newIssue(501, 1)).isPersisted.promise;
  await collection.delete(501).isPersisted.promise;
}

describe("eager", () => {
  test("loads the table, follows random transactions, confirms its own", async () => {
    const random = seededRandom("tanstack: eager");
    const { database } = fixture;
    await fixture.insertIssues(0, 60);
    const { collection } = openIssues("eager");
    await collection.preload();
    await expectEqual(collection, "true");
    await mutate(collection);
    await expectEqual(collection, "true");
    for (let round = 0; round < 10; round++) {
      const txid = await transact(database, randomStatement(random), randomStatement(random));
      const mark = await transact(
        database,
        `INSERT INTO issues VALUES (900, 0, '')
         ON CONFLICT (id) DO UPDATE SET done = NOT issues.done`,
      );
      await collection.utils.awaitTxId(mark);
      expect(txid).toBeLessThan(mark);
      await expectEqual(collection, "true");
    }
  });
});

describe("on demand", () => {
  test("loads what queries ask for, follows it, confirms its own", async () => {
    await fixture.insertIssues(0, 60);
    const { collection, requests } = openIssues("on-demand");
    const first = openQuery(collection, 1);
    await first.preload();
    await expectEqual(first, "project = 1");
    expect(collection.size).toBe(first.size);
    expect(requests.some((request) => request.includes("subset__where"))).toBe(true);

    await fixture.database.query("UPDATE issues SET title = 'renamed' WHERE id IN (1, 2, 4)");
    await expectEqual(first, "project = 1");
    await mutate(collection);
    await expectEqual(first, "project = 1");

    const second = openQuery(collection, 2);
    await second.preload();
    await expectEqual(second, "project = 2");
    await expectEqual(first, "project = 1");
  });

  test("loads an ordered window and the next one", async () => {
    await fixture.insertIssues(0, 60);
    const { collection } = openIssues("on-demand");
    const page = createLiveQueryCollection((q) =>
      q
        .from({ issue: collection })
        .where(({ issue }) => eq(issue.project, 1))
        .orderBy(({ issue }) => issue.id, "desc")
        .limit(5),
    );
    collections.push(page);
    await page.preload();
    const idsFrom = (offset: number) =>
      `id IN (SELECT id FROM issues WHERE project = 1 ORDER BY id DESC OFFSET ${offset} LIMIT 5)`;
    await expectEqual(page, idsFrom(0));
    await page.utils.setWindow({ offset: 5, limit: 5 });
    await expectEqual(page, idsFrom(5));
    await fixture.insertIssues(61, 62);
    await expectEqual(page, idsFrom(5));
  });
});

describe("progressive", () => {
  test("answers a query from a snapshot while the whole table is still under way", async () => {
    await fixture.insertIssues(1000, 3000);
    const held = holdAtOffset("0_0");
    const { collection, requests } = openIssues("progressive", held.fetch);
    // A query is ready when its collection is, but it has its rows before.
    const query = openQuery(collection, 1);
    await expectEqual(query, "project = 1");
    expect(collection.isReady()).toBe(false);
    expect(requests.some((request) => request.includes("subset__where"))).toBe(true);

    held.release();
    await expectEqual(collection, "true");
    await mutate(collection);
    await expectEqual(collection, "true");
    await expectEqual(query, "project = 1");
  });
});

/** A fetch that keeps requests of the log at `offset` waiting until `release`. */
function holdAtOffset(offset: string): { fetch: typeof fetch; release: () => void } {
  const held = new EventEmitter();
  const released = once(held, "release");
  return {
    fetch: async (input, options) => {
      const { searchParams } = new URL(addressOf(input));
      const isSubset = [...searchParams.keys()].some((name) => name.startsWith("subset__"));
      if (!isSubset && searchParams.get("offset") === offset) await released;
      return fetch(input, options);
    },
    release: () => void held.emit("release"),
  };
}

function addressOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : input.toString();
}
