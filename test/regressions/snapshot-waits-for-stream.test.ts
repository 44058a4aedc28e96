/**
 * A snapshot of a shape with subqueries keeps its connection until the stream has reached it. The
 * stream asks the catalog when a table changes; had both the same connections to draw on, each
 * would wait for the other for ever, and whoever wants to lock the table for both.
 */

import { expect, onTestFinished, test } from "vitest";
import { SnapshotBatcher } from "../../src/postgres/snapshot-batch.ts";
import { TableCatalog } from "../../src/postgres/table-catalog.ts";
import { startServer } from "../support/live-server.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { withResolvers } from "../support/with-resolvers.ts";

test("snapshots that wait for the stream leave it a connection", async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.dispose());
  await database.query(`
    CREATE TABLE projects (id int PRIMARY KEY, owner int);
    CREATE TABLE issues (id int PRIMARY KEY, project int, level int);
    CREATE TABLE plain (id int PRIMARY KEY);
    INSERT INTO projects SELECT n, 1 FROM generate_series(1, 5) n;
    INSERT INTO issues SELECT n, 1 + n % 5, n FROM generate_series(1, 500) n`);
  const server = await startServer(database, { ELECTRIC_DB_POOL_SIZE: "1" });
  onTestFinished(() => server.stop());
  const ask = async (parameters: Readonly<Record<string, string>>): Promise<number> => {
    const query = new URLSearchParams({ ...parameters, offset: "-1" });
    const response = await fetch(`${server.shapeUrl}?${query}`);
    await response.arrayBuffer();
    return response.status;
  };
  const shape = (level: number) => ({
    table: "issues",
    where: `level > ${level} AND project IN (SELECT id FROM projects WHERE owner = 1)`,
  });
  expect(await ask({ table: "plain" })).toBe(200);
  expect(await ask(shape(0))).toBe(200);

  // The shape is routed to; then the stream stops for the catalog; then the snapshot is taken,
  // which shows what the stream has not read.
  const isRouted = withResolvers();
  const isAsked = withResolvers();
  before(SnapshotBatcher.prototype, "read", async () => {
    isRouted.resolve();
    await isAsked.promise;
  });
  before(TableCatalog.prototype, "readTable", async () => {
    isAsked.resolve();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  });
  const answer = ask(shape(1));
  await isRouted.promise;
  await database.query("ALTER TABLE plain ADD COLUMN x int; INSERT INTO plain VALUES (1, 1)");
  expect(await answer).toBe(200);
}, 60_000);

/** Until the test ends, `act` is done before every call of the method. */
function before<Name extends string>(
  owner: Record<Name, (...given: never[]) => unknown>,
  name: Name,
  act: () => Promise<void>,
): void {
  const method = owner[name];
  onTestFinished(() => void (owner[name] = method));
  owner[name] = async function (this: unknown, ...given: never[]) {
    await act();
    return method.apply(this, given);
  };
}
