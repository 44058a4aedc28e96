import { expect } from "vitest";
import { eventually } from "./eventually.ts";
import type { LiveServer } from "./live-server.ts";
import type { TestDatabase } from "./postgres.ts";

/** Waits until the server has read, and synced, all that is committed now. */
export async function everythingRead(database: TestDatabase, server: LiveServer): Promise<void> {
  const [{ lsn }] = (await database.query("SELECT pg_current_wal_lsn() - '0/0' AS lsn")) as [
    { lsn: string },
  ];
  const { acknowledger, collector, store } = server.service.pipeline!;
  await eventually(() => {
    collector.askProgress();
    expect(acknowledger.received).toBeGreaterThanOrEqual(BigInt(lsn));
  });
  await store.flushed();
}
