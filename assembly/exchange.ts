/**
 * The exchange is one page through which the doors pass arrays: ids in, keys or waiters out.
 *
 * A door fills it, makes one call and reads the answer before anybody else's turn: what is longer
 * goes in slices. Its address never changes.
 */

import { OWNER_IO } from "./owners";
import * as pagePool from "./page-pool";

let page: usize = 0;

/** REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(page == 0);
  page = pagePool.acquire(OWNER_IO, 1);
}

/** Where its 65,536 bytes begin. */
export function address(): usize {
  return page;
}
