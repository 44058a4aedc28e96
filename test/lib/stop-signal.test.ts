/** A `StopSignal` does what an `AbortSignal` does: both are put to the same use. */

import assert from "node:assert/strict";
import { test } from "vitest";
import { StopSignal, type Stoppable } from "../../src/lib/stop-signal.ts";

interface Stopper {
  readonly signal: Stoppable;
  abort(reason: Error): void;
}

function stopSignal(): Stopper {
  const signal = new StopSignal();
  return { signal, abort: (reason) => signal.abort(reason) };
}

test.each([
  ["a StopSignal", stopSignal],
  ["an AbortSignal", () => new AbortController()],
])("%s tells its listeners once, and keeps the first reason", (_, make: () => Stopper) => {
  const stopper = make();
  const { signal } = stopper;
  const heard: string[] = [];
  const left = (): void => void heard.push("left");
  signal.addEventListener("abort", () => void heard.push(`first, ${signal.aborted}`), {
    once: true,
  });
  signal.addEventListener("abort", left, { once: true });
  signal.addEventListener("abort", () => void heard.push("last"), { once: true });
  signal.removeEventListener("abort", left);
  signal.throwIfAborted();
  assert.deepEqual([signal.aborted, signal.reason], [false, undefined]);

  const reason = new Error("enough");
  stopper.abort(reason);
  stopper.abort(new Error("again"));
  assert.deepEqual(heard, ["first, true", "last"]);
  assert.deepEqual([signal.aborted, signal.reason], [true, reason]);
  assert.throws(() => signal.throwIfAborted(), reason);
});
