/**
 * Goal: what is played from the tape is all that was on it when playing began.
 * Method: shapes that go back further let go of the tape while somebody walks it.
 */

import { expect, test } from "vitest";
import type { RelationId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { VIEW_POSITION_ZERO } from "../../src/model/view.ts";
import { Tape, type TapedCommit } from "../../src/subqueries/tape.ts";

const TABLE = 1 as RelationId;

function commit(number: number): TapedCommit {
  return { lsn: BigInt(number) as Lsn, xid: number, position: VIEW_POSITION_ZERO, nextOp: 0 };
}

/** Ten commits, a change of the table in each. */
function tapeOfTen(): Tape {
  const tape = new Tape(() => undefined);
  tape.hold(TABLE, commit(0));
  for (let number = 1; number <= 10; number++) {
    tape.record(TABLE, 0, Uint8Array.of(number));
    tape.commit(commit(number));
  }
  return tape;
}

test("who walks changes misses none when others let go of those in front", () => {
  const tape = tapeOfTen();
  tape.followFrom(5);
  const walked: number[] = [];
  for (const { message } of tape.changes(TABLE, 5, tape.mark)) {
    walked.push(message[0]!);
    tape.trim(7);
  }
  expect(walked).toEqual([5, 6, 7, 8, 9, 10]);
  tape.unfollow(5);
  tape.trim(7);
  expect([...tape.changes(TABLE, 1, tape.mark)].map(({ message }) => message[0])).toEqual([
    7, 8, 9, 10,
  ]);
});

test("nor when nobody holds the table any more", () => {
  const tape = tapeOfTen();
  tape.followFrom(8);
  const walked: number[] = [];
  for (const { commit: number } of tape.changes(TABLE, 8, tape.mark)) {
    walked.push(tape.commitAt(number).xid);
    if (walked.length === 1) tape.release(TABLE);
  }
  expect(walked).toEqual([8, 9, 10]);
  tape.unfollow(8);
  expect(tape).toMatchObject({ isRunning: false, bytes: 0 });
});
