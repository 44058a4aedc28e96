/**
 * Permits against the two invariants of their file.
 *
 * Method: random sequences of asking, giving back, giving up and time running out, compared after
 * each step with a queue in an array.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { Permits, type Release } from "../../src/lib/permits.ts";
import type { Timers } from "../../src/lib/timers.ts";
import { checkAsync } from "../support/property.ts";

type Step = { readonly type: "ask" | "release" | "abort" | "expire"; readonly index: number };

interface Asker {
  readonly abort: AbortController;
  readonly expire: () => void;
  state: "waiting" | "holding" | "done";
  /** What the promise said; undefined while it says nothing. */
  outcome: { readonly release: Release | undefined } | undefined;
}

/** Time passes when the test says so. */
class ManualTimers implements Timers {
  last: () => void = () => undefined;

  after(_delayMs: number, call: () => void): () => void {
    let isCancelled = false;
    this.last = () => {
      if (!isCancelled) call();
    };
    return () => (isCancelled = true);
  }

  every(): never {
    throw new Error("nothing here repeats");
  }
}

const step = fc.record<Step>({
  type: fc.constantFrom("ask", "ask", "release", "abort", "expire"),
  index: fc.nat(7),
});

test("no more than there are, first come first served, whoever gives up", async () => {
  const property = fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(step), run);
  await checkAsync(property, 200);
});

async function run(count: number, steps: readonly Step[]): Promise<void> {
  const timers = new ManualTimers();
  const permits = new Permits(count, timers);
  const askers: Asker[] = [];
  const inState = (state: Asker["state"]) => askers.filter((asker) => asker.state === state);
  const refill = (): void => {
    for (const next of inState("waiting").slice(0, count - inState("holding").length)) {
      next.state = "holding";
    }
  };
  for (const { type, index } of steps) {
    const holding = inState("holding");
    const waiting = inState("waiting");
    if (type === "ask") {
      askers.push(ask(permits, timers));
    } else if (type === "release" && holding.length > 0) {
      const asker = holding[index % holding.length]!;
      asker.state = "done";
      asker.outcome!.release!();
      asker.outcome!.release!();
    } else if (waiting.length > 0 && type !== "release") {
      const asker = waiting[index % waiting.length]!;
      asker.state = "done";
      if (type === "abort") asker.abort.abort();
      else asker.expire();
    }
    refill();
    await new Promise((resolve) => setImmediate(resolve));
    for (const { state, outcome } of askers) {
      assert.equal(outcome === undefined, state === "waiting");
      if (state === "holding") assert.notEqual(outcome!.release, undefined);
    }
    assert.equal(permits.free, count - inState("holding").length);
  }
}

function ask(permits: Permits, timers: ManualTimers): Asker {
  const abort = new AbortController();
  timers.last = () => undefined;
  const promise = permits.acquire(1, abort.signal);
  const asker: Asker = { abort, expire: timers.last, state: "waiting", outcome: undefined };
  void promise.then((release) => (asker.outcome = { release }));
  return asker;
}

test("whoever has given up before asking gets none", async () => {
  const permits = new Permits(1);
  assert.equal(await permits.acquire(1, AbortSignal.abort()), undefined);
  assert.equal(permits.free, 1);
});
