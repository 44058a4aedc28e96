/**
 * Goal: of the changes that arrive around a snapshot, exactly those get through that it does not
 * show, in order. Method: random transactions before and after the snapshot is placed, random
 * bounds; what comes out is compared with visibility as Postgres defines it, on 64-bit ids, across
 * a wrap of 32 bits.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogSlot, ShapeId, StorageKey } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { SnapshotGate } from "../../src/shapes/snapshot-gate.ts";
import { check } from "../support/property.ts";

const EPOCH = 7n << 32n;

function makeGate(bytesMax = 1e6): SnapshotGate {
  const ref = { id: 1 as ShapeId, generation: 0, readCount: 0 };
  const shape = { ...ref, key: 1 as StorageKey, slot: 1 as LogSlot };
  return new SnapshotGate(shape, bytesMax);
}

test("exactly what the snapshot does not show gets through", () => {
  const scenario = fc.record({
    // Around the wrap of the 32-bit id that replication carries.
    first: fc.constantFrom(EPOCH - 5n, EPOCH + 100n, EPOCH + 0xffff_fff0n),
    commits: fc.array(fc.record({ xid: fc.nat(20), opCount: fc.integer({ min: 1, max: 3 }) }), {
      maxLength: 12,
    }),
    xmin: fc.nat(10),
    width: fc.nat(10),
    running: fc.array(fc.nat(9), { maxLength: 4 }),
    placedAfter: fc.nat(12),
  });
  check(
    fc.property(scenario, ({ first, commits, xmin, width, running, placedAfter }) => {
      const low = first + BigInt(xmin);
      const high = low + BigInt(width);
      const xip = [...new Set(running)].map((n) => low + BigInt(n)).filter((xid) => xid < high);
      const bounds = { xmin: low, xmax: high, xip, lsn: 1_000_000n as Lsn };
      const isVisible = (xid: bigint) => xid < low || (xid < high && !xip.includes(xid));

      const gate = makeGate();
      const out: string[] = [];
      const expected: string[] = [];
      const place = () => {
        for (const { lsn, op, body } of gate.place(bounds)) {
          out.push(`${lsn}/${op}/${Buffer.from(body).toString()}`);
        }
      };
      const scratch = Buffer.alloc(8);
      commits.forEach(({ xid, opCount }, index) => {
        if (index === placedAfter) place();
        const wide = first + BigInt(xid);
        const lsn = BigInt(100 + index) as Lsn;
        for (let op = 0; op < opCount; op++) {
          const text = `b${index}.${op}`;
          const body = scratch.subarray(0, scratch.write(text));
          if (!isVisible(wide)) expected.push(`${lsn}/${op}/${text}`);
          if (gate.admits(Number(wide & 0xffff_ffffn), lsn, op, body)) {
            out.push(`${lsn}/${op}/${body.toString()}`);
          }
          // The body lies in memory that is written again.
          scratch.fill(0);
        }
      });
      if (placedAfter >= commits.length) place();
      expect(out).toEqual(expected);
    }),
  );
});

test("past the insert position of the snapshot xids are not asked", () => {
  const gate = makeGate();
  gate.place({ xmin: 100n, xmax: 100n, xip: [], lsn: 50n as Lsn });
  expect(gate.admits(1, 50n as Lsn, 0, Buffer.of(1))).toBe(false);
  expect(gate.admits(1, 51n as Lsn, 0, Buffer.of(1))).toBe(true);
  expect(gate.isOver(49n as Lsn)).toBe(false);
  expect(gate.isOver(50n as Lsn)).toBe(true);
});

test("a transaction that will come again is forgotten, those before it are not", () => {
  const gate = makeGate();
  gate.admits(200, 10n as Lsn, 0, Buffer.of(1));
  gate.admits(201, 20n as Lsn, 0, Buffer.of(2));
  gate.forget(20n as Lsn);
  gate.forget(30n as Lsn);
  gate.admits(201, 20n as Lsn, 0, Buffer.of(3));
  const changes = gate.place({ xmin: 100n, xmax: 100n, xip: [], lsn: 50n as Lsn });
  expect(changes.map(({ body }) => body[0])).toEqual([1, 3]);
});

test("what it holds is bounded, whatever a transaction brings", () => {
  const gate = makeGate(1000);
  gate.admits(1, 1n as Lsn, 0, Buffer.alloc(700));
  expect(gate.isOverfull).toBe(false);
  gate.forget(1n as Lsn);
  gate.admits(1, 1n as Lsn, 0, Buffer.alloc(700));
  expect(gate.isOverfull).toBe(false);
  for (let op = 2; op < 100; op += 2) gate.admits(1, 1n as Lsn, op, Buffer.alloc(700));
  expect(gate.isOverfull).toBe(true);
  expect(gate.place({ xmin: 1n, xmax: 1n, xip: [], lsn: 9n as Lsn })).toEqual([]);
});

test("a WHERE that fails ends the shape only in a change that the snapshot does not show", () => {
  const bounds = { xmin: 100n, xmax: 100n, xip: [], lsn: 50n as Lsn };
  const shown = { xid: 99, lsn: 10n as Lsn, error: new Error("division by zero") };
  const later = { xid: 100, lsn: 20n as Lsn, error: new Error("out of range") };

  const gate = makeGate();
  expect(gate.fails(shown)).toBe(false);
  expect(gate.place(bounds)).toEqual([]);
  expect(gate.fails(shown)).toBe(false);
  expect(gate.fails(later)).toBe(true);

  const failing = makeGate();
  expect(failing.fails(shown)).toBe(false);
  expect(failing.fails(later)).toBe(false);
  expect(() => failing.place(bounds)).toThrow("out of range");

  const rolledBack = makeGate();
  rolledBack.fails(later);
  rolledBack.forget(later.lsn);
  expect(rolledBack.place(bounds)).toEqual([]);

  const full = makeGate(1000);
  const failed = [1n, 2n, 3n, 4n, 5n, 6n].map((lsn) => full.fails({ ...shown, lsn: lsn as Lsn }));
  expect(failed).toEqual([false, false, false, false, false, true]);
});
