/**
 * A snapshot that fails takes its shape with it. Who waited for one of its later chunks was told to
 * start again (409), did so, made the next snapshot fail, and never learned why (protocol 11.3).
 */

import { expect, test } from "vitest";
import type { ShapeHandle } from "../../src/model/ids.ts";
import { PostgresError } from "../../src/postgres/postgres-error.ts";
import { makeFixture } from "../http/edge-fixture.ts";
import { sleep } from "../support/memory-shape-service.ts";

test("who waits for a chunk of a snapshot that fails is told why", async () => {
  const { get, service } = makeFixture({ messagesPerChunk: 1 });
  service.snapshotGate = new Promise(() => undefined);
  const first = await get({ table: "items", offset: "-1" });
  const handle = first.headers["electric-handle"] as ShapeHandle;
  const waiting = get({ table: "items", offset: "0_1", handle });
  await sleep(20);
  await service.remove(handle, PostgresError.from(new Error("division by zero"), "reading rows"));
  const answer = await waiting;
  expect(answer.statusCode).toBe(500);
  expect(answer.json()).toEqual({
    message: "Unexpected error while creating snapshot: division by zero",
  });
});
