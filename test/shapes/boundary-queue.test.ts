import { expect, test } from "vitest";
import { BoundaryQueue } from "../../src/shapes/boundary-queue.ts";

test("work waits for the boundary, in order, and gives its result", async () => {
  let requests = 0;
  const queue = new BoundaryQueue(
    () => (requests += 1),
    () => undefined,
  );
  const order: number[] = [];
  const first = queue.run(() => order.push(1));
  const second = queue.run(() => "two");
  expect(requests).toBe(2);
  expect(order).toEqual([]);
  queue.runAll();
  expect(order).toEqual([1]);
  expect(await first).toBe(1);
  expect(await second).toBe("two");
});

test("work that fails fails alone", async () => {
  const queue = new BoundaryQueue(
    () => undefined,
    () => undefined,
  );
  const failing = queue.run(() => {
    throw new RangeError("no");
  });
  const fine = queue.run(() => 1);
  queue.runAll();
  await expect(failing).rejects.toThrow(RangeError);
  expect(await fine).toBe(1);
});

test("a trap of the core is told to more than who wanted the work", async () => {
  const told: Error[] = [];
  const queue = new BoundaryQueue(
    () => undefined,
    (error) => told.push(error),
  );
  const trap = new WebAssembly.RuntimeError("unreachable");
  const [failing, trapping] = [new RangeError("no"), trap].map((error) =>
    queue.run(() => {
      throw error;
    }),
  );
  queue.runAll();
  await expect(failing).rejects.toThrow("no");
  await expect(trapping).rejects.toBe(trap);
  expect(told).toEqual([trap]);
});

test("work that asks for more waits for the next boundary", async () => {
  const queue = new BoundaryQueue(
    () => undefined,
    () => undefined,
  );
  let inner: Promise<number> | undefined;
  const outer = queue.run(() => void (inner = queue.run(() => 2)));
  queue.runAll();
  await outer;
  expect(inner).toBeDefined();
  queue.runAll();
  expect(await inner).toBe(2);
});

test("a boundary that comes at once finds the work", async () => {
  const queue: BoundaryQueue = new BoundaryQueue(
    () => queue.runAll(),
    () => undefined,
  );
  expect(await queue.run(() => 3)).toBe(3);
});

test("what some work has begun is finished before more is done", async () => {
  let requests = 0;
  let isHeldUp = false;
  const queue = new BoundaryQueue(
    () => (requests += 1),
    () => undefined,
    () => isHeldUp,
  );
  const order: string[] = [];
  const first = queue.run(() => {
    isHeldUp = true;
    order.push("first");
  });
  const second = queue.run(() => order.push("second"));
  queue.runAll();
  void queue.run(() => order.push("third"));
  await first;
  expect(order).toEqual(["first"]);
  expect(requests).toBe(4);
  isHeldUp = false;
  queue.runAll();
  await second;
  expect(order).toEqual(["first", "second", "third"]);
});
