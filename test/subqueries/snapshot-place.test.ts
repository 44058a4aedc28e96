/**
 * Where a snapshot lies among commits, against the definition.
 *
 * Goal: the place that is found is the one in front of which the snapshot shows every transaction
 * and behind which it shows none, and there is none if there is no such place.
 *
 * Method: random commits, some of them read before the tape ran, and random bounds: transactions
 * that were still running or had become visible out of order; 32-bit ids across their wrap.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { RelationId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { ViewPosition } from "../../src/model/view.ts";
import { placeOf } from "../../src/subqueries/snapshot-place.ts";
import { Tape } from "../../src/subqueries/tape.ts";
import { check } from "../support/property.ts";
import { runsOf } from "../support/runs.ts";

const EPOCH = 7n << 32n;
const COMMITS_MAX = 10;
const RUNS = 2_000;

interface Commit {
  readonly lsn: Lsn;
  /** 64-bit. */
  readonly xid: bigint;
}

const scenario = fc.record({
  first: fc.constantFrom(EPOCH - 5n, EPOCH + 100n, EPOCH + 0xffff_fff0n),
  // Mostly in order, so that there often is a place.
  xids: fc
    .uniqueArray(fc.nat(12), { minLength: 1, maxLength: COMMITS_MAX })
    .chain((xids) => fc.constantFrom(xids, xids.toSorted(ascending), xids.toSorted(ascending))),
  /** So many were read before the tape ran. */
  earlierCount: fc.nat(COMMITS_MAX - 1),
  from: fc.nat(COMMITS_MAX),
  xmin: fc.nat(12),
  width: fc.nat(4),
  running: fc.array(fc.nat(3), { maxLength: 2 }),
  lastShown: fc.nat(COMMITS_MAX),
});

function ascending(a: number, b: number): number {
  return a - b;
}

/** Keeps commits from the last of the earlier ones on; the first mark is 1. */
function tapeOf(commits: readonly Commit[]): Tape {
  const [anchor, ...rest] = commits.map(({ lsn, xid }) => {
    return { lsn, xid: Number(BigInt.asUintN(32, xid)), position: 0 as ViewPosition, nextOp: 0 };
  });
  const tape = new Tape(() => undefined);
  tape.hold(1 as RelationId, anchor!);
  for (const commit of rest) tape.commit(commit);
  return tape;
}

test("it shows all that is in front, and nothing that is behind", () => {
  let foundCount = 0;
  check(
    fc.property(scenario, ({ first, xids, from, lastShown, ...drawn }) => {
      const commits = xids.map((xid, index) => {
        return { lsn: BigInt(100 + index) as Lsn, xid: first + BigInt(xid) };
      });
      const earlierCount = Math.min(drawn.earlierCount, commits.length - 1);
      const tape = tapeOf(commits.slice(earlierCount));
      const xmin = first + BigInt(drawn.xmin);
      const xmax = xmin + BigInt(drawn.width);
      const xip = [...new Set(drawn.running)].map((n) => xmin + BigInt(n)).filter((n) => n < xmax);
      const bounds = { xmin, xmax, xip, lsn: BigInt(100 + lastShown) as Lsn };
      const mark = Math.min(1 + from, tape.mark);

      const isVisible = ({ xid }: Commit) => xid < xmin || (xid < xmax && !xip.includes(xid));
      const isShown = (commit: Commit) => commit.lsn <= bounds.lsn && isVisible(commit);
      const places = Array.from({ length: tape.mark + 1 - mark }, (_, index) => mark + index);
      const expected = places.find((place) => {
        return commits.every((commit, index) => {
          const number = index - earlierCount;
          if (number < mark) return isVisible(commit);
          return isShown(commit) === number < place;
        });
      });

      const readXids = commits.map(({ xid }) => Number(BigInt.asUintN(32, xid)));
      const router = {
        readCount: commits.length,
        xidsRead: (until: number) => Uint32Array.from(readXids.slice(0, until).toReversed()),
      };
      expect(placeOf(bounds, mark, tape, router)).toBe(expected);
      if (expected !== undefined) foundCount += 1;
    }),
    RUNS,
  );
  expect(foundCount).toBeGreaterThan(runsOf(RUNS) / 10);
});
