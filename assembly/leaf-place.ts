/**
 * A place: the bucket of a leaf at which a search stands, as one number, for who makes many
 * searches at the same time. Buckets lie at multiples of 64, so their address has room for the
 * index.
 *
 *     ┌──────────────────────────────┬───────┐
 *     │ address of the bucket, 26    │ index │     32 bits
 *     └──────────────────────────────┴───────┘
 *
 * `leaf-table.ts` says where a search begins and where it goes on. A place is valid until the table
 * changes. Allocates nothing.
 */

import * as leaves from "./leaf";
import { BUCKETS_MAX } from "./leaf";

/** The search is at its end. */
export const NONE: u32 = 0xffffffff;
/** Only the place after this one can tell. */
export const PASSED: u32 = 0xfffffffe;

export const INDEX_MASK: u32 = 63;
if (BUCKETS_MAX - 1 != INDEX_MASK) ERROR("the index of a bucket must fit beside its address");

export function placeIn(leaf: usize, index: u32): u32 {
  return (<u32>leaves.bucketAt(leaf, index)) | index;
}

/**
 * Reads a word of a place, which brings it nearer. Its value says nothing; the caller must use it
 * for something, or the compiler leaves the reading out.
 */
export function touch(place: u32): u32 {
  return load<u32>(<usize>(place & ~INDEX_MASK));
}

/** What a place says of a hash: a payload that may be under it, NONE or PASSED. */
export function peek(place: u32, hash: u64): u32 {
  const bucket = <usize>(place & ~INDEX_MASK);
  const tag = tagOf(hash);
  const matches = leaves.matchesIn(bucket, tag);
  if (matches != 0) return leaves.payloadAt(bucket, <u32>ctz(matches));
  return leaves.isPassedBy(bucket, place & INDEX_MASK, tag) ? PASSED : NONE;
}

/** What a leaf keeps of a hash. */
export function tagOf(hash: u64): u32 {
  return (<u32>hash) & 0xffff;
}
