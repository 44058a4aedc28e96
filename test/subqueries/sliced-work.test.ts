/**
 * Goal: tasks do not mix, the event loop turns between slices, and whoever has to know of a failure
 * does.
 * Method: tasks that note their steps, and a clock that the test moves.
 */

import { expect, test } from "vitest";
import { nextTurn } from "../../src/lib/next-turn.ts";
import { SlicedWork, type Steps } from "../../src/subqueries/sliced-work.ts";

let nowUs = 0;
const clock = { nowMilliseconds: () => nowUs / 1000, nowMicroseconds: () => nowUs };

function workOf(
  sliceMicroseconds = 0,
  relieved: () => Promise<void> | undefined = () => undefined,
) {
  return new SlicedWork({ clock, sliceMicroseconds, relieved });
}

function* steps(name: string, count: number, noted: string[]): Steps<string> {
  for (let step = 1; step <= count; step++) {
    noted.push(`${name}${step}`);
    nowUs += 10;
    yield;
  }
  return name;
}

function* discard(all: Steps<string>): Steps {
  yield* all;
}

const trap = new WebAssembly.RuntimeError("unreachable");

function* failing(error: Error): Steps {
  throw error;
}

test("what fits in a slice is done at once", async () => {
  const noted: string[] = [];
  const work = workOf(1000);
  const result = work.run(steps("a", 3, noted));
  expect(noted).toEqual(["a1", "a2", "a3"]);
  expect(work.unfinished).toBeUndefined();
  expect(await result).toBe("a");
});

test("the rest follows in later turns, one task after the other", async () => {
  const noted: string[] = [];
  const work = workOf(15);
  work.do(discard(steps("a", 4, noted)));
  work.do(discard(steps("b", 2, noted)));
  expect(noted).toEqual(["a1", "a2"]);
  await nextTurn();
  noted.push("turn");
  await work.unfinished;
  expect(noted).toEqual(["a1", "a2", "a3", "a4", "turn", "b1", "b2"]);
  expect(work.unfinished).toBeUndefined();
});

test("what a task asks for comes behind it", () => {
  const noted: string[] = [];
  const work = workOf(1000);
  const asking = function* (): Steps {
    noted.push("asks");
    work.do(discard(steps("b", 1, noted)));
    yield;
    noted.push("done");
  };
  work.do(asking());
  expect(noted).toEqual(["asks", "done", "b1"]);
});

test("storage that is full holds it up", async () => {
  const noted: string[] = [];
  let relieve!: () => void;
  const full = new Promise<void>((resolve) => (relieve = resolve));
  const work = workOf(0, () => full);
  work.do(discard(steps("a", 2, noted)));
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  expect(noted).toEqual(["a1"]);
  relieve();
  await work.unfinished;
  expect(noted).toEqual(["a1", "a2"]);
});

test("a failure is told to who waits, and the others go on", async () => {
  const noted: string[] = [];
  const work = workOf(0);
  work.do(discard(steps("a", 2, noted)));
  const failed = work.run(failing(new RangeError("no")));
  const fine = work.run(steps("b", 1, noted));
  await expect(failed).rejects.toThrow("no");
  expect(await fine).toBe("b");
  await work.unfinished;
});

test("a failure that nobody waits for, and a trap, are everybody's", async () => {
  expect(() => workOf().do(failing(new RangeError("no")))).toThrow("no");
  expect(() => workOf().run(failing(trap))).toThrow(trap);

  const later = workOf();
  later.do(discard(steps("a", 1, [])));
  const trapped = later.run(failing(trap));
  const behind = later.run(steps("b", 1, []));
  await expect(later.unfinished).rejects.toBe(trap);
  await expect(trapped).rejects.toBe(trap);
  await expect(behind).rejects.toBe(trap);
  expect(later.unfinished).toBeUndefined();
});

test("a stop leaves what is begun, and fails what waits", async () => {
  const noted: string[] = [];
  const work = workOf();
  const left = work.run(steps("a", 5, noted));
  expect(work.stop()).toBe(true);
  await expect(left).rejects.toThrow();
  await expect(work.run(steps("b", 1, noted))).rejects.toThrow();
  await work.unfinished;
  expect(noted).toEqual(["a1"]);
  expect(work.stop()).toBe(false);
});
