/**
 * The ring of deadlines against a list of them, and turns.
 *
 * Goal: every entry expires once, never before its time and at most two ticks after it, unless it
 * was cleared; what was set again counts from then; the timer runs only while something waits.
 * Method: random operations on few entries, and time that moves by ticks of ours.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { LaneRing, NO_BUCKET, type RingEntry } from "../../src/http/lane-ring.ts";
import { LaneTurns, once, type Job } from "../../src/http/lane-turns.ts";
import type { Timers } from "../../src/lib/timers.ts";
import { check } from "../support/property.ts";

const TICK_MS = 10;
const LONGEST_MS = 200;

type Operation =
  | { readonly type: "set"; readonly entry: number; readonly delayMs: number }
  | { readonly type: "clear"; readonly entry: number }
  | { readonly type: "tick" };

const entry = fc.nat({ max: 7 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: fc.constant("set" as const),
    entry,
    delayMs: fc.integer({ min: 0, max: LONGEST_MS }),
  }),
  fc.record({ type: fc.constant("clear" as const), entry }),
  fc.constant({ type: "tick" } as const),
);

class ManualTimers implements Timers {
  tick: (() => void) | undefined;

  after(): never {
    throw new Error("the ring has one timer");
  }

  every(intervalMs: number, call: () => void): () => void {
    assert.equal(intervalMs, TICK_MS);
    assert.equal(this.tick, undefined);
    this.tick = call;
    return () => (this.tick = undefined);
  }
}

test("entries expire in their time", () => {
  check(
    fc.property(fc.array(operation, { maxLength: 200, size: "max" }), (operations) => {
      const timers = new ManualTimers();
      const ring = new LaneRing(timers, TICK_MS, LONGEST_MS);
      let now = 0;
      const due = new Map<number, { setAt: number; delayMs: number }>();
      const entries = Array.from({ length: 8 }, (_, index): RingEntry => ({
        bucket: NO_BUCKET,
        place: 0,
        expire: () => {
          const { setAt, delayMs } = due.get(index)!;
          assert.ok(now - setAt >= delayMs, `${index} after ${now - setAt} of ${delayMs}`);
          assert.ok(now - setAt <= delayMs + 2 * TICK_MS);
          due.delete(index);
        },
      }));
      for (const step of operations) {
        if (step.type === "set") {
          due.set(step.entry, { setAt: now, delayMs: step.delayMs });
          ring.set(entries[step.entry]!, step.delayMs);
        } else if (step.type === "clear") {
          due.delete(step.entry);
          ring.clear(entries[step.entry]!);
        } else {
          now += TICK_MS;
          timers.tick?.();
        }
        assert.equal(ring.count, due.size);
        if (due.size > 0) assert.notEqual(timers.tick, undefined);
      }
      for (let n = 0; n < LONGEST_MS / TICK_MS + 2; n++) {
        now += TICK_MS;
        timers.tick?.();
      }
      assert.equal(due.size, 0);
      assert.equal(timers.tick, undefined);
    }),
  );
});

test("an entry that is set again while its bucket expires waits anew", () => {
  const timers = new ManualTimers();
  const ring = new LaneRing(timers, TICK_MS, LONGEST_MS);
  const told: string[] = [];
  const second: RingEntry = { bucket: NO_BUCKET, place: 0, expire: () => told.push("second") };
  const first: RingEntry = {
    bucket: NO_BUCKET,
    place: 0,
    expire: () => {
      told.push("first");
      ring.set(second, TICK_MS);
    },
  };
  ring.set(first, TICK_MS);
  ring.set(second, TICK_MS);
  timers.tick!();
  timers.tick!();
  assert.deepEqual(told, ["first"]);
  timers.tick!();
  timers.tick!();
  assert.deepEqual(told, ["first", "second"]);
});

test("an entry that is cleared while its bucket expires is not told", () => {
  const timers = new ManualTimers();
  const ring = new LaneRing(timers, TICK_MS, LONGEST_MS);
  const second: RingEntry = { bucket: NO_BUCKET, place: 0, expire: () => assert.fail("cleared") };
  const first: RingEntry = { bucket: NO_BUCKET, place: 0, expire: () => ring.clear(second) };
  ring.set(first, TICK_MS);
  ring.set(second, TICK_MS);
  timers.tick!();
  timers.tick!();
  assert.equal(second.bucket, NO_BUCKET);
  assert.equal(ring.count, 0);
  assert.equal(timers.tick, undefined);
});

test("turns do so much each, in order, and others come between", async () => {
  const turns = new LaneTurns(4);
  const done: string[] = [];
  const job = (name: string, steps: number, cost: number): Job => {
    let left = steps;
    return {
      cost,
      step: () => {
        done.push(name);
        left -= 1;
        return left > 0;
      },
    };
  };
  turns.add(job("a", 6, 1));
  turns.add(job("b", 2, 4));
  turns.add(once(1, () => turns.add(once(1, () => done.push("d")))));
  const seen: string[] = [];
  while (!done.includes("d")) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(done.join(""));
  }
  const changes = seen.filter((text, index) => text !== "" && text !== seen[index - 1]);
  assert.deepEqual(changes, ["aaaa", "aaaaaab", "aaaaaabb", "aaaaaabbd"]);
});
