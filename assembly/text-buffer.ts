/**
 * The text buffer: where a quoted element of an array or a JSON string is written without its
 * escapes, to be compared; and where constants that were packed are written in full, to be read.
 * What is in it is valid until the next is written.
 *
 * It is as large as the longest text that it may be equal to, and as the longest constants. Whoever
 * files these reserves their size, in the control plane; a text that turns out longer while a row
 * is routed is equal to none of them.
 *
 * Only `reserve` allocates.
 */

import { OWNER_IO } from "./owners";
import * as pagePool from "./page-pool";
import { PAGE_SIZE } from "./page-pool";

const SMALL_SIZE: u32 = 1024;
const small: usize = memory.data(1024, 8);

let base: usize = small;
let capacity_: u32 = SMALL_SIZE;

/** Makes room for texts of this size. False, with nothing changed, if the budget forbids it. */
export function reserve(size: u32): bool {
  if (size <= capacity_) return true;
  const pages = pagePool.pagesFor(<usize>size);
  if (!pagePool.reserve(pages)) return false;
  if (base != small) pagePool.release(base, pagePool.pagesFor(<usize>capacity_));
  base = pagePool.acquire(OWNER_IO, pages);
  capacity_ = pages * <u32>PAGE_SIZE;
  return true;
}

export function address(): usize {
  return base;
}

/** Where the buffer ends. */
export function limit(): usize {
  return base + <usize>capacity_;
}
