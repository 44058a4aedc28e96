/**
 * The embedded Postgres.
 *
 * Goal: data survives a stop, a killed launcher's server is found and ended, a live one's is left
 * alone, and failures say what happened. Method: real servers in a temporary directory; the
 * launcher that is killed is a Node process of its own.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, test } from "vitest";
import { reapOrphan, startEmbeddedPostgres } from "../../src/postgres/embedded.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "litz-embedded-"));
});
afterEach(async () => {
  await reapOrphan(directory);
  rmSync(directory, { recursive: true, force: true });
});

async function query(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const result = await client.query<unknown[]>({ text: sql, rowMode: "array" });
  await client.end();
  return result.rows[0]?.[0];
}

test("data is kept from one start to the next, and replication is ready for use", async () => {
  const first = await startEmbeddedPostgres({ directory, durable: false });
  assert.equal(await query(first.url, "SHOW wal_level"), "logical");
  assert.equal(await query(first.url, "SHOW fsync"), "off");
  assert.equal(await query(first.url, "SHOW listen_addresses"), "127.0.0.1");
  await query(first.url, "CREATE TABLE kept AS SELECT 7 AS n");
  await assert.rejects(startEmbeddedPostgres({ directory, durable: true }), {
    code: "EMBEDDED_POSTGRES_IN_USE",
  });
  await first.stop();
  await first.stop();

  const second = await startEmbeddedPostgres({ directory, durable: true, port: first.port });
  assert.equal(second.port, first.port);
  assert.equal(second.url, first.url);
  assert.equal(await query(second.url, "SHOW fsync"), "on");
  assert.equal(await query(second.url, "SELECT n FROM kept"), 7);
  await second.stop();
  await assert.rejects(query(second.url, "SELECT 1"), /ECONNREFUSED/);
});

test("a wrong password is refused: other users of the machine cannot come in", async () => {
  const server = await startEmbeddedPostgres({ directory, durable: false });
  const url = new URL(server.url);
  url.password = "guess";
  await assert.rejects(query(url.href, "SELECT 1"), { code: "28P01" });
  await server.stop();
});

test("the server of a killed launcher is ended by the next start", async () => {
  const launcher = spawn(
    process.execPath,
    [
      ...["--import", "tsx", "--input-type=module", "-e"],
      `const { startEmbeddedPostgres } = await import("./src/postgres/embedded.ts");
       await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, durable: false });
       console.log("ready");
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await once(launcher.stdout, "data");
  const pidFile = join(directory, "data", "postmaster.pid");
  const orphan = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
  await assert.rejects(reapOrphan(directory), { code: "EMBEDDED_POSTGRES_IN_USE" });
  launcher.kill("SIGKILL");
  await once(launcher, "exit");
  process.kill(orphan, 0); // Still there, or this throws.

  const server = await startEmbeddedPostgres({ directory, durable: false });
  assert.notEqual(Number(readFileSync(pidFile, "utf8").split("\n")[0]), orphan);
  assert.equal(await query(server.url, "SELECT 1"), 1);
  await server.stop();
  assert.equal(await reapOrphan(directory), false);
});

test("a port that is taken is named in the error", async () => {
  const taken = createServer();
  taken.listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  await assert.rejects(startEmbeddedPostgres({ directory, durable: false, port }), {
    code: "EMBEDDED_POSTGRES_FAILED",
    message: /Address already in use/,
  });
  taken.close();
});
