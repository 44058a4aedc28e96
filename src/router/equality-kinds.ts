import type { EqualityKind } from "../model/access-plan.ts";

/** The numbers of `assembly/literal.ts`. */
export const EQUALITY_KIND: Record<EqualityKind, number> = {
  int: 1,
  uuid: 2,
  text: 3,
  decimal: 4,
  padded: 5,
  timestamp: 6,
  date: 7,
  time: 8,
};
