/**
 * Goal: nothing is confirmed that a crash could make unknown, and writing it down takes few syncs.
 * Method: records that become durable when the test says so, and a clock that it moves.
 */

import { expect, test } from "vitest";
import { Confirmation } from "../../src/collector/confirmation.ts";
import type { Lsn } from "../../src/model/lsn.ts";

function lsn(value: number): Lsn {
  return BigInt(value) as Lsn;
}

class Records {
  confirmed = lsn(10);
  readonly begun: Lsn[] = [];
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  recordConfirmed(value: Lsn): Promise<void> {
    this.begun.push(value);
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  async end(error?: Error): Promise<void> {
    if (error === undefined) {
      this.confirmed = this.begun.at(-1)!;
      this.#settle!.resolve();
    } else this.#settle!.reject(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let nowMs = 0;
const clock = { nowMilliseconds: () => nowMs, nowMicroseconds: () => nowMs * 1000 };

test("what is not written down yet is not confirmed", async () => {
  const records = new Records();
  const confirmation = new Confirmation(records, clock);
  expect(confirmation.limit(lsn(9))).toBe(lsn(9));
  confirmation.request(lsn(10));
  expect(records.begun).toEqual([]);

  confirmation.request(lsn(20));
  expect(confirmation.limit(lsn(20))).toBe(lsn(10));
  await records.end();
  expect(confirmation.limit(lsn(20))).toBe(lsn(20));
  expect(confirmation.limit(lsn(30))).toBe(lsn(20));
});

test("it is written down twice a second, however often it moves", async () => {
  const records = new Records();
  const confirmation = new Confirmation(records, clock);
  for (let value = 11; value <= 40; value++) {
    confirmation.request(lsn(value));
    if (records.confirmed < records.begun.at(-1)!) await records.end();
    nowMs += 100;
  }
  expect(records.begun).toEqual([11, 16, 21, 26, 31, 36].map(lsn));
});

test("who stops waits for the whole of it", async () => {
  const records = new Records();
  const confirmation = new Confirmation(records, clock);
  nowMs += 1000;
  confirmation.request(lsn(20));
  const settled = confirmation.settle(lsn(30));
  await records.end();
  expect(records.begun).toEqual([20, 30].map(lsn));
  await records.end();
  await settled;
  expect(confirmation.limit(lsn(30))).toBe(lsn(30));
});

test("a storage that fails confirms nothing, and holds nobody up", async () => {
  const records = new Records();
  const confirmation = new Confirmation(records, clock);
  const settled = confirmation.settle(lsn(20));
  await new Promise((resolve) => setImmediate(resolve));
  await records.end(new Error("the disk is gone"));
  await settled;
  expect(confirmation.limit(lsn(20))).toBe(lsn(10));
});
