/**
 * The waiting room, over the core.
 *
 * Goal: whoever waits is told once, whatever the others do when they are told; nothing is slept
 * through and nobody is left behind. Method: watchers that wait again at once, whose numbers the
 * core gives out anew while it still wakes the others.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import type { ShapeId, StorageKey } from "../../src/model/ids.ts";
import { ShapeTable } from "../../src/router/shape-table.ts";
import { Waiters } from "../../src/router/waiters.ts";
import type { News, Watcher } from "../../src/shapes/shape-service.ts";
import { WaitingRoom } from "../../src/shapes/waiting-room.ts";
import { builds, newCore } from "../support/core-doors.ts";

const SHAPE = 1 as ShapeId;
const OTHER = 2 as ShapeId;
const never = (): undefined => undefined;

function makeRoom(): WaitingRoom {
  const { core } = newCore(builds[0]!);
  const table = new ShapeTable(core);
  for (let n = 1; n <= 2; n++) table.mint(n as StorageKey, 0);
  return new WaitingRoom(new Waiters(core));
}

function grow(room: WaitingRoom, ...ids: ShapeId[]): void {
  room.grown(Uint32Array.from(ids), ids.length);
}

test("a thousand that wait again as soon as they are told are told once each time", () => {
  const room = makeRoom();
  const counts = new Array<number>(1000).fill(0);
  const watch = (index: number): void => {
    const watcher: Watcher = {
      news: (news) => {
        assert.equal(news, "changed");
        counts[index]! += 1;
        watch(index);
      },
    };
    assert.notEqual(room.watch(index % 2 === 0 ? SHAPE : OTHER, watcher), undefined);
  };
  for (let index = 0; index < counts.length; index++) watch(index);
  for (let round = 1; round <= 3; round++) {
    grow(room, SHAPE, OTHER, SHAPE);
    assert.ok(counts.every((count) => count === round));
    assert.equal(room.count, 1000);
  }
});

test("who has left is not told, and removal is told as such", () => {
  const room = makeRoom();
  const told: News[] = [];
  const watcher: Watcher = { news: (news) => told.push(news) };
  const gone = room.watch(SHAPE, watcher)!;
  room.watch(SHAPE, watcher);
  room.watch(OTHER, watcher);
  room.leave(gone);
  room.removed(SHAPE);
  assert.deepEqual(told, ["removed"]);
  assert.equal(room.count, 1);
});

test("a promise ends by news, timeout, abort, or because it need not wait", async () => {
  const room = makeRoom();
  const changed = room.wait(SHAPE, 60_000, undefined, never);
  grow(room, SHAPE);
  assert.equal(await changed, "changed");

  assert.equal(await room.wait(SHAPE, 5, undefined, never), "timeout");

  const abort = new AbortController();
  const aborted = room.wait(SHAPE, 60_000, abort.signal, never);
  abort.abort();
  assert.equal(await aborted, "aborted");
  assert.equal(await room.wait(SHAPE, 60_000, abort.signal, never), "aborted");

  assert.equal(await room.wait(SHAPE, 60_000, undefined, () => "removed"), "removed");
  assert.equal(room.count, 0);
});
