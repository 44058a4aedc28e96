/** Durations fall into their classes, and cumulate as Prometheus wants them. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { DurationHistogram } from "../../src/lib/duration-histogram.ts";
import { check } from "../support/property.ts";

const BOUNDS = [0.001, 0.01, 0.1, 1];

test("every duration is in all classes whose bound it does not exceed", () => {
  const duration = fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), fc.constantFrom(...BOUNDS));
  check(
    fc.property(fc.array(duration), (durations) => {
      const histogram = new DurationHistogram(BOUNDS);
      for (const seconds of durations) histogram.observe(seconds);
      const { buckets, count, sumSeconds } = histogram.report();
      expect(count).toBe(durations.length);
      expect(sumSeconds).toBeCloseTo(durations.reduce((sum, seconds) => sum + seconds, 0));
      expect(buckets).toEqual(
        BOUNDS.map((upToSeconds) => ({
          upToSeconds,
          count: durations.filter((seconds) => seconds <= upToSeconds).length,
        })),
      );
    }),
  );
});

test("bounds that do not ascend are a mistake", () => {
  expect(() => new DurationHistogram([0.1, 0.1])).toThrow("ascend");
  expect(() => new DurationHistogram([0])).toThrow("ascend");
});
