/** A value that is found out when somebody asks: not too often, and not waited for too long. */

import { expect, test } from "vitest";
import { Refreshed } from "../../src/lib/refreshed.ts";

class Fixture {
  nowMs = 1_000;
  /** What is being found out at the moment. */
  readonly pending: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  readonly timers: (() => void)[] = [];
  cancelled = 0;

  readonly value = new Refreshed<string>({
    read: () => new Promise((resolve, reject) => this.pending.push({ resolve, reject })),
    intervalMs: 100,
    patienceMs: 10,
    clock: { nowMilliseconds: () => this.nowMs, nowMicroseconds: () => this.nowMs * 1000 },
    timers: {
      after: (_, call) => {
        this.timers.push(call);
        return () => (this.cancelled += 1);
      },
      every: () => () => undefined,
    },
  });
}

test("whoever asks waits for it, and others with him", async () => {
  const fixture = new Fixture();
  const both = [fixture.value.get(), fixture.value.get()];
  expect(fixture.pending).toHaveLength(1);
  fixture.pending[0]!.resolve("a");
  expect(await Promise.all(both)).toEqual(["a", "a"]);
  expect(fixture.cancelled).toBe(2);
});

test("it is found out again when it is old", async () => {
  const fixture = new Fixture();
  const first = fixture.value.get();
  fixture.pending[0]!.resolve("a");
  await first;
  fixture.nowMs += 99;
  expect(await fixture.value.get()).toBe("a");
  expect(fixture.pending).toHaveLength(1);
  fixture.nowMs += 1;
  const second = fixture.value.get();
  fixture.pending[1]!.resolve("b");
  expect(await second).toBe("b");
});

test("what takes too long is not waited for: the last value is told, and later the new one", async () => {
  const fixture = new Fixture();
  const first = fixture.value.get();
  fixture.timers[0]!();
  expect(await first).toBeUndefined();
  // However long it takes, it is asked for once at a time.
  fixture.nowMs += 1_000;
  const second = fixture.value.get();
  expect(fixture.pending).toHaveLength(1);
  fixture.pending[0]!.resolve("a");
  expect(await second).toBe("a");
});

test("what cannot be found out is not known any longer", async () => {
  const fixture = new Fixture();
  const first = fixture.value.get();
  fixture.pending[0]!.resolve("a");
  await first;
  fixture.nowMs += 100;
  const second = fixture.value.get();
  fixture.pending[1]!.reject(new Error("gone"));
  expect(await second).toBeUndefined();
});
