/**
 * Why a view cannot be kept. With it go the shapes that stand on it, and begin anew: rather that
 * than rows that are wrong.
 */

import { unreachable } from "../lib/assert.ts";
import { LitzError } from "../lib/errors.ts";
import { noRoomForValues } from "../model/view-seed.ts";
import type { ApplyFailure } from "../router/views.ts";

/** `overfull`: one transaction changes more of its values than may be gathered. */
export type ViewFailure = ApplyFailure | "overfull";

/** In words, for the operator. */
export function reasonOf(failure: ViewFailure): string {
  switch (failure) {
    case "refused":
      return noRoomForValues().message;
    case "unusable":
      return UNUSABLE;
    case "uncounted":
      return "a view lost count of its subquery's rows: a fault of litz, please report it";
    case "overfull":
      return "a transaction changed too much of what a subquery gives; raise LITZ_MOVE_BUFFER_MAX";
    default:
      return unreachable(failure);
  }
}

/** What whoever wants the view is told, of a view that cannot even be filled. */
export function errorOf(failure: ApplyFailure): LitzError {
  if (failure === "refused") return noRoomForValues();
  return new LitzError(reasonOf(failure), {
    code: "SUBQUERY_VALUES_UNUSABLE",
    httpStatus: failure === "unusable" ? 400 : 500,
  });
}

const UNUSABLE =
  "a subquery gives a value of more than 1 MiB, which cannot be compared; exclude it in its WHERE";
