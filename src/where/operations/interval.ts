/** interval: section 9.9 of the manual. What it does to dates and times is in `date-time.ts`. */

import { partOfInterval } from "../values/date-part.ts";
import { truncateInterval } from "../values/date-trunc.ts";
import { intervalType, isFiniteInterval } from "../values/interval.ts";
import {
  addIntervals,
  divideInterval,
  justifyDays,
  justifyHours,
  justifyInterval,
  multiplyInterval,
  negateInterval,
  subtractIntervals,
} from "../values/interval-arithmetic.ts";
import { comparisons } from "./comparison.ts";
import { binary, fn, prefix, type Operation } from "./operation.ts";

export const INTERVAL_OPERATIONS: readonly Operation[] = [
  ...comparisons("interval", "interval", intervalType.compare!),
  binary("+", "interval", "interval", "interval", addIntervals),
  binary("-", "interval", "interval", "interval", subtractIntervals),
  prefix("-", "interval", "interval", negateInterval),
  binary("*", "interval", "float8", "interval", multiplyInterval),
  binary("*", "float8", "interval", "interval", (a, b) => multiplyInterval(b, a)),
  binary("/", "interval", "float8", "interval", divideInterval),
  fn("justify_days", ["interval"], "interval", justifyDays),
  fn("justify_hours", ["interval"], "interval", justifyHours),
  fn("justify_interval", ["interval"], "interval", justifyInterval),
  fn("isfinite", ["interval"], "bool", isFiniteInterval),
  fn("date_trunc", ["text", "interval"], "interval", truncateInterval),
  fn("extract", ["text", "interval"], "numeric", (unit, value) => {
    return partOfInterval(unit, value)?.asNumeric() ?? null;
  }),
  fn("date_part", ["text", "interval"], "float8", (unit, value) => {
    return partOfInterval(unit, value)?.asFloat() ?? null;
  }),
];
