/**
 * The official client over the in-memory service: protocol section 16.
 *
 * Goal: it syncs, follows changes across chunks, and starts over when its shape is gone. Method:
 * the unmodified package against a server on a socket. Against a real database this is done by the
 * end-to-end tests.
 */

import assert from "node:assert/strict";
import { Shape, ShapeStream, type ShapeStreamInterface } from "@electric-sql/client";
import { test } from "vitest";
import type { ShapeHandle } from "../../src/model/ids.ts";
import { sleep } from "../support/memory-shape-service.ts";
import { makeFixture } from "./edge-fixture.ts";

test("16: sync, follow, start over", async () => {
  const fixture = makeFixture({ messagesPerChunk: 2, config: { longPollTimeoutMs: 1_000 } });
  const port = await fixture.listen();
  const abort = new AbortController();
  const errors: unknown[] = [];
  const stream = new ShapeStream({
    url: `http://127.0.0.1:${port}/v1/shape`,
    params: { table: "items" },
    signal: abort.signal,
    onError: (error) => {
      errors.push(error);
    },
  });
  // Their interface has optional members that their class declares as possibly undefined.
  const shape = new Shape(stream as ShapeStreamInterface);
  const has = async (...ids: number[]): Promise<void> => {
    for (let n = 0; n < 1000; n++) {
      const found = shape.currentRows.map((row) => row["id"] as number);
      if (found.sort().join() === ids.join()) return;
      await sleep(5);
    }
    assert.fail(`has ${JSON.stringify(shape.currentRows)}, errors: ${errors.join()}`);
  };

  await has(1, 2, 3);
  fixture.service.commit(200n, "items", [{ id: "4" }]);
  await has(1, 2, 3, 4);
  fixture.service.commit(300n, "items", [{ id: "5" }, { id: "6" }, { id: "7" }]);
  await has(1, 2, 3, 4, 5, 6, 7);

  const handle = stream.shapeHandle as ShapeHandle;
  fixture.service.setTable("items", [{ id: "8" }]);
  await fixture.service.remove(handle);
  await has(8);
  assert.notEqual(stream.shapeHandle, handle);
  fixture.service.commit(400n, "items", [{ id: "9" }]);
  await has(8, 9);

  abort.abort();
  assert.deepEqual(errors, []);
  assert.deepEqual(fixture.log, []);
});
