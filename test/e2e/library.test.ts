/**
 * Goal: the server runs inside somebody else's process: under a prefix of their Fastify, or behind
 * their `http.createServer`; and it starts, stops and starts again on the same storage.
 */

import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createSyncService, readConfig } from "../../src/index.ts";
import { makeTemporaryDirectory } from "../../src/storage/temporary-directory.ts";
import { PipelineService } from "../../src/sync-service.ts";
import { settingsFor } from "../support/live-server.ts";
import { LogFollower } from "../support/log-follower.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
const directory = makeTemporaryDirectory();

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(
    "CREATE TABLE items (id int PRIMARY KEY); INSERT INTO items VALUES (1), (2)",
  );
});

afterAll(async () => {
  await database.dispose();
  directory.remove();
});

function config() {
  return readConfig(settingsFor(database, directory.path));
}

test("as a Fastify plugin under a prefix, then again as a request handler", async () => {
  const follower = new LogFollower("table=items");

  const app = fastify();
  const plugin = createSyncService({ config: config() });
  await app.register(plugin.plugin, { prefix: "/sync" });
  app.get("/mine", () => "still here");
  const appUrl = await app.listen({ port: 0, host: "127.0.0.1" });
  expect((await fetch(`${appUrl}/sync/v1/health`)).status).toBe(202);
  await plugin.start();
  expect(await (await fetch(`${appUrl}/mine`)).text()).toBe("still here");
  await follower.catchUp(`${appUrl}/sync`);
  expect(follower.rows.size).toBe(2);
  await app.close();
  await plugin.stop();

  await database.query("INSERT INTO items VALUES (3)");

  const service = createSyncService({ config: config() });
  const handler = await service.requestHandler();
  const server = createServer((request, response) => handler.handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  await service.start();
  const { port } = server.address() as AddressInfo;
  await follower.catchUp(`http://127.0.0.1:${port}`);
  while (follower.rows.size < 3) await follower.catchUp(`http://127.0.0.1:${port}`);
  expect(follower.refetchCount).toBe(0);
  expect(follower.faults).toEqual([]);
  await handler.close();
  server.close();
  await service.stop();
}, 60_000);

test("a waiting request is answered when the server closes", async () => {
  const service = createSyncService({ config: config() });
  const app = service.httpServer();
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  await service.start();
  const follower = new LogFollower("table=items");
  await follower.catchUp(url);
  const waiting = fetch(
    `${url}/v1/shape?table=items&live=true&offset=${follower.offset}&handle=${follower.handle!}`,
  );
  while (!JSON.stringify(service.memoryReport()).includes('"waitingRequests":1')) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await app.close();
  await service.stop();
  const response = await waiting;
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject([{ headers: { control: "up-to-date" } }]);
}, 60_000);

test("a failed storage is told to the host, whose process goes on", async () => {
  const kill = vi.spyOn(process, "kill");
  const failures: Error[] = [];
  const onFailure = (error: Error) => failures.push(error);
  const service = new PipelineService({ config: config(), onFailure });
  await service.start();
  service.pipeline!.store.distrust(new Error("the disk is gone"));
  expect(failures.map(({ message }) => message)).toEqual(["storage has failed: the disk is gone"]);
  expect(kill).not.toHaveBeenCalled();
  expect(process.exitCode).toBeUndefined();
  await expect(service.stop()).rejects.toThrow("the disk is gone");
}, 60_000);

test("a start is over when the service is stopped, be it without a database", async () => {
  const settings = settingsFor(
    { ...database, url: "postgresql://localhost:1/none" },
    directory.path,
  );
  const service = createSyncService({ config: readConfig(settings) });
  const started = service.start();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await service.stop();
  await started;
}, 60_000);
