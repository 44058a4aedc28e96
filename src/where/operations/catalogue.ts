/**
 * Every operation that a WHERE may use. A family of types contributes one list from a file of its
 * own; to add an operation is to add a line there.
 */

import { ARRAY_OPERATIONS } from "./array.ts";
import { COMPARISONS } from "./comparison.ts";
import { CONCAT } from "./concat.ts";
import { DATE_TIME_OPERATIONS } from "./date-time.ts";
import { FLOAT_OPERATIONS } from "./float.ts";
import { INTEGER_OPERATIONS } from "./integer.ts";
import { INTERVAL_OPERATIONS } from "./interval.ts";
import { JSON_OPERATIONS } from "./json.ts";
import { LIKE_OPERATIONS } from "./like.ts";
import { NUMBER_CASTS } from "./number-casts.ts";
import { NUMERIC_OPERATIONS } from "./numeric.ts";
import type { Operation } from "./operation.ts";
import { TEXT_AND_OTHER } from "./text-and-other.ts";
import { UNIMPLEMENTED } from "./unimplemented.ts";
import { BYTEA_OPERATIONS, TEXT_CASTS, TEXT_OPERATIONS } from "./text.ts";

export const CATALOGUE: readonly Operation[] = [
  ...COMPARISONS,
  ...INTEGER_OPERATIONS,
  ...FLOAT_OPERATIONS,
  ...NUMERIC_OPERATIONS,
  ...NUMBER_CASTS,
  ...TEXT_OPERATIONS,
  ...TEXT_CASTS,
  ...BYTEA_OPERATIONS,
  ...LIKE_OPERATIONS,
  ...CONCAT,
  ...ARRAY_OPERATIONS,
  ...DATE_TIME_OPERATIONS,
  ...INTERVAL_OPERATIONS,
  ...JSON_OPERATIONS,
  ...TEXT_AND_OTHER,
  ...UNIMPLEMENTED,
];
