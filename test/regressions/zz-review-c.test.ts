import { cpSync } from "node:fs";
import { expect, test } from "vitest";
import { SnapshotReader } from "../../src/postgres/snapshot-query.ts";
import { ReplicationStream } from "../../src/postgres/replication-stream.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { startServer } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase } from "../support/postgres.ts";
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
type Any = any;

/** The bounds become known, then `between` happens, then we hear of them. */
function delayPlacement(between: () => Promise<void>) {
  const original = SnapshotReader.prototype.read;
  SnapshotReader.prototype.read = async function (this: SnapshotReader, definition, placed, row, signal) {
    let bounds: Any;
    const rows: Uint8Array[] = [];
    await original.call(this, definition, (b: Any) => (bounds = b), (r: Uint8Array) => { rows.push(r); return undefined; }, signal);
    await between();
    placed(bounds);
    for (const each of rows) await row(each);
  } as Any;
  return () => { SnapshotReader.prototype.read = original; };
}

test("a held change, appended, then a crash", async () => {
  const database = await createTestDatabase();
  await database.query("CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x')");
  const directory = makeTemporaryDirectory();
  const copy = makeTemporaryDirectory();
  const setAcknowledged = ReplicationStream.prototype.setAcknowledged;
  ReplicationStream.prototype.setAcknowledged = () => undefined;
  const restore = delayPlacement(async () => {
    await database.query("INSERT INTO a VALUES (2, 'y')");
    await sleep(500);
  });
  const server = await startServer(database, {}, directory.path);
  const a = new LogFollower("table=a");
  await a.catchUp(server.url);
  await sleep(500);
  await a.catchUp(server.url);
  console.log("position", server.service.pipeline!.store.position, "seen", [...a.seen]);
  cpSync(directory.path, copy.path, { recursive: true });
  await server.stop();
  restore();
  ReplicationStream.prototype.setAcknowledged = setAcknowledged;
  const next = await startServer(database, {}, copy.path);
  await sleep(1000);
  const b = new LogFollower("table=a");
  await b.catchUp(next.url);
  await next.stop();
  await database.dispose();
  expect(b.faults).toEqual([]);
});

test("up to date before what was held is durable", async () => {
  const database = await createTestDatabase();
  await database.query("CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x')");
  const restore = delayPlacement(async () => {
    await database.query("INSERT INTO a VALUES (2, 'y'); ");
    await database.query("INSERT INTO a VALUES (3, 'y')");
    await sleep(300);
  });
  const server = await startServer(database);
  const outcomes = [];
  // A slow disk: each sync takes 30 ms.
  const store = server.service.pipeline!.store as Any;
  for (let n = 0; n < 3; n++) {
    const url = `${server.url}/v1/shape?table=a&where=id%3D${n + 2}`;
    void url;
  }
  const first = await fetch(`${server.url}/v1/shape?table=a&offset=-1`);
  await first.text();
  const handle = first.headers.get("electric-handle");
  const second = await fetch(`${server.url}/v1/shape?table=a&offset=0_0&handle=${handle}`);
  outcomes.push(await second.text());
  console.log(outcomes, String(server.service.pipeline!.acknowledger.processed), store.position);
  restore();
  await server.stop();
  await database.dispose();
  expect(outcomes[0]).toContain('"3"');
});

test("a truncate right behind the boundary that registers a shape", async () => {
  const database = await createTestDatabase();
  await database.query(`CREATE TABLE a (id int PRIMARY KEY, t text); CREATE TABLE other (id int PRIMARY KEY, t text); INSERT INTO a VALUES (1, 'x')`);
  const directory = makeTemporaryDirectory();
  const server = await startServer(database, {}, directory.path);
  const warm = new LogFollower("table=other");
  await warm.catchUp(server.url);
  const warmA = new LogFollower("table=a&where=id%3D77");
  await warmA.catchUp(server.url);
  const collector = server.service.pipeline!.collector as Any;
  const original = collector.onBytes.bind(collector);
  const held: Buffer[] = [];
  collector.onBytes = (chunk: Uint8Array) => held.push(Buffer.from(chunk));
  await database.query("INSERT INTO other SELECT n, 'a' FROM generate_series(1, 1000) n");
  await sleep(500);
  const size = Buffer.concat(held).length;
  await database.query("TRUNCATE a");
  await sleep(500);
  const all = Buffer.concat(held);
  original(all.subarray(0, Math.floor(size / 2)));
  const created = fetch(`${server.url}/v1/shape?table=a&offset=-1`);
  await sleep(500);
  original(all.subarray(Math.floor(size / 2)));
  delete collector.onBytes;
  const response = await created;
  console.log(response.status, await response.text());
  await database.query("INSERT INTO a VALUES (5, 'z')");
  await sleep(1500);
  await server.stop();
  await database.query("INSERT INTO a VALUES (6, 'z')");
  const next = await startServer(database, {}, directory.path);
  await sleep(500);
  const b = new LogFollower("table=a");
  await b.catchUp(next.url);
  await next.stop();
  const truth = await database.query("SELECT id FROM a ORDER BY id");
  await database.dispose();
  expect([...b.rows.values()].map(({ id }) => Number(id)).sort()).toEqual(truth.map(({ id }) => id));
});
