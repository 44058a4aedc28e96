/**
 * One Postgres for the whole test run, in a temporary directory. LITZ_TEST_DATABASE_URL names
 * another server to use instead: it needs wal_level=logical and a superuser.
 *
 * A run that was killed leaves its server and its directory behind; the next one removes them.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { reapOrphan, startEmbeddedPostgres } from "../../src/postgres/embedded.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Of a superuser, on the database `postgres`. */
    postgresUrl: string;
  }
}

const PREFIX = "litz-test-postgres-";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["LITZ_TEST_DATABASE_URL"];
  if (given !== undefined) {
    project.provide("postgresUrl", given);
    return () => Promise.resolve();
  }

  await removeLeftovers();
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  const postgres = await startEmbeddedPostgres({
    directory,
    durable: false,
    settings: {
      max_connections: "200",
      shared_buffers: "64MB",
      autovacuum: "off",
      // Databases are made by the dozen: no checkpoint in the middle of the run.
      checkpoint_timeout: "1h",
      max_wal_size: "4GB",
    },
  });
  project.provide("postgresUrl", postgres.url);
  process.env["LITZ_TEST_DATABASE_URL"] = postgres.url;

  return async () => {
    delete process.env["LITZ_TEST_DATABASE_URL"];
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  };
}

async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = join(tmpdir(), name);
    if (isLauncherAlive(directory)) continue;
    await reapOrphan(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Also while a concurrent run has made its directory and not yet said so. */
function isLauncherAlive(directory: string): boolean {
  const file = join(directory, "launcher");
  if (!existsSync(file)) return true;
  try {
    process.kill(Number(readFileSync(file, "utf8")), 0);
    return true;
  } catch {
    return false;
  }
}
