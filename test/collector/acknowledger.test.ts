/**
 * Goal: no LSN is confirmed to Postgres above what is durable (law 1), and everything is in the
 * end. Method: random sequences of commits, keepalives, syncs and holds, in the order in which they
 * can happen, against the list of everything received and not yet durable.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { Acknowledger } from "../../src/collector/acknowledger.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { check } from "../support/property.ts";

type Step =
  | { readonly type: "commit"; readonly size: number; readonly isAppended: boolean }
  | { readonly type: "keepalive"; readonly size: number }
  | { readonly type: "sync"; readonly count: number }
  | { readonly type: "hold" }
  | { readonly type: "release" };

const size = fc.integer({ min: 8, max: 1000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("commit"), size, isAppended: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("keepalive"), size }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("sync"), count: fc.nat(3) }) },
  fc.record({ type: fc.constant("hold") }),
  fc.record({ type: fc.constant("release") }),
);

test("nothing is confirmed that could be lost, and nothing is forgotten", () => {
  check(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let wal = 1000n;
      let held: Lsn | undefined;
      /** Commit LSNs that are appended and not synced, in order. */
      let inFlight: Lsn[] = [];
      let before = 0n;
      const acknowledger = new Acknowledger(() => held);

      for (const action of steps) {
        switch (action.type) {
          case "commit": {
            const commit = wal as Lsn;
            wal += BigInt(action.size);
            acknowledger.committed(commit, wal as Lsn, action.isAppended);
            if (action.isAppended) inFlight.push(commit);
            break;
          }
          case "keepalive":
            wal += BigInt(action.size);
            acknowledger.keepalive(wal as Lsn);
            break;
          case "sync": {
            const synced = inFlight.slice(0, action.count);
            inFlight = inFlight.slice(action.count);
            if (synced.length > 0) acknowledger.durable(synced.at(-1)!);
            break;
          }
          case "hold":
            // What is held back has not been confirmed: it was received just now.
            if (held === undefined && wal > before) held = wal as Lsn;
            wal += 8n;
            break;
          case "release":
            held = undefined;
            break;
        }
        const { acknowledged } = acknowledger;
        // To confirm an LSN is to lose whatever committed below it.
        for (const lsn of inFlight) expect(acknowledged).toBeLessThanOrEqual(lsn);
        if (held !== undefined) expect(acknowledged).toBeLessThan(held);
        expect(acknowledged).toBeGreaterThanOrEqual(before);
        before = acknowledged;
      }

      held = undefined;
      if (inFlight.length > 0) acknowledger.durable(inFlight.at(-1)!);
      acknowledger.keepalive(wal as Lsn);
      expect(acknowledger.acknowledged).toBe(wal);
      expect(acknowledger.processed).toBe(wal);
    }),
  );
});
