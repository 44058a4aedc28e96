/**
 * Goal: whatever a walsender sends is followed by a few status updates, then by none; answers to
 * these do not set it off again; news do, at once. Time passes when the test says so.
 */

import assert from "node:assert/strict";
import { beforeEach, test } from "vitest";
import type { Timers } from "../../src/lib/timers.ts";
import { WalsenderNudges } from "../../src/postgres/walsender-nudges.ts";

let nowMs: number;
let pending: { readonly atMs: number; readonly call: () => void } | undefined;
let sentAtMs: number[];
let nudges: WalsenderNudges;

const timers: Timers = {
  after(delayMs, call) {
    assert.equal(pending, undefined, "one timer at a time");
    const timer = { atMs: nowMs + delayMs, call };
    pending = timer;
    return () => {
      if (pending === timer) pending = undefined;
    };
  },
  every() {
    throw new Error("nothing here repeats");
  },
};

function passUntil(endMs: number): void {
  while (pending !== undefined && pending.atMs <= endMs) {
    const { atMs, call } = pending;
    nowMs = atMs;
    pending = undefined;
    call();
  }
  nowMs = endMs;
}

/** A keepalive in its CopyData frame; the time in it changes, as it does. */
function keepalive(walEnd: bigint): Buffer {
  const frame = Buffer.alloc(23);
  frame.write("d", 0, "latin1");
  frame.writeUInt32BE(22, 1);
  frame.write("k", 5, "latin1");
  frame.writeBigUInt64BE(walEnd, 6);
  frame.writeBigUInt64BE(BigInt(nowMs), 14);
  return frame;
}

beforeEach(() => {
  nowMs = 0;
  pending = undefined;
  sentAtMs = [];
  nudges = new WalsenderNudges(timers, () => {
    sentAtMs.push(nowMs);
    // As a walsender does until all that it sent is confirmed.
    nudges.heard(keepalive(7n));
  });
  nudges.heard(keepalive(7n));
  passUntil(10_000);
  sentAtMs = [];
  nowMs = 0;
});

const data = Buffer.from("d....w of any length");

test("what arrives is followed by updates, further and further apart, and then by none", () => {
  nudges.heard(data);
  passUntil(60_000);
  assert.deepEqual(sentAtMs, [25, 125, 525, 2125]);
  assert.equal(pending, undefined);
});

test("a keepalive is news only if it tells of more WAL", () => {
  nudges.heard(keepalive(7n));
  assert.equal(pending, undefined);
  nudges.heard(keepalive(8n));
  passUntil(25);
  assert.deepEqual(sentAtMs, [25]);
});

test("while news keep coming nothing is sent, and soon after the last of them", () => {
  for (let at = 0; at <= 1000; at += 10) {
    passUntil(at);
    nudges.heard(data);
  }
  assert.deepEqual(sentAtMs, []);
  passUntil(1050);
  assert.equal(sentAtMs.length, 1);
});

test("news during a long wait begin anew", () => {
  nudges.heard(data);
  passUntil(600);
  nudges.heard(data);
  passUntil(625);
  assert.deepEqual(sentAtMs, [25, 125, 525, 625]);
});

test("once it is stopped nothing is sent", () => {
  nudges.heard(data);
  nudges.stop();
  passUntil(60_000);
  assert.deepEqual(sentAtMs, []);
});
