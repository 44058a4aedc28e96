/**
 * Frames of the replication socket, in CopyBoth mode (Postgres manual, 55.4 and 55.7).
 *
 *     ┌─────┬──────────┬─────┬───────────┬─────────┬──────┬────────────────────┐
 *     │ 'd' │ u32 size │ 'w' │ WAL start │ WAL end │ time │ a pgoutput message │
 *     └─────┴──────────┴─────┴───────────┴─────────┴──────┴────────────────────┘
 *     0     1          5     6           14        22     30             1 + size
 *
 *     ┌─────┬──────────┬─────┬─────────┬──────┬───────┐
 *     │ 'd' │ u32 size │ 'k' │ WAL end │ time │ reply │       a keepalive
 *     └─────┴──────────┴─────┴─────────┴──────┴───────┘
 *     0     1          5     6         14     22     23
 *
 * Integers are big-endian, and a size counts itself but not the type before it. Any type but 'd' is
 * a foreign frame: an error, a notice, the end of the copy. Those are TypeScript's.
 *
 * `next` looks at the first pending frame and leaves it there: who has dealt with it calls
 * `consume`. So a change that finds no room in the output is simply looked at again.
 *
 * Allocates nothing, and reads only what is pending.
 */

import * as regions from "./regions";
import { BAD_COPY_DATA, BAD_FRAME } from "./run-state";

export const INCOMPLETE: u32 = 0;
export const WAL_DATA: u32 = 1;
export const KEEPALIVE_FRAME: u32 = 2;
export const FOREIGN: u32 = 3;
export const BAD: u32 = 4;

const HEADER_SIZE: usize = 5;
const MESSAGE_OFFSET: usize = 30;
const KEEPALIVE_SIZE: usize = 23;
/** Postgres sends no message above 1 GiB; a size beyond says that we have lost the thread. */
const SIZE_MAX: u32 = 0x4000_0000;

const COPY_DATA: u32 = 0x64; // d
const WAL_DATA_KIND: u32 = 0x77; // w
const KEEPALIVE_KIND: u32 = 0x6b; // k

let start: usize = 0;
let end: usize = 0;
let fault: u32 = 0;

/** Looks at the first pending frame and says what it is. */
export function next(): u32 {
  return lookAt(regions.inputStart());
}

/** Looks at a frame further on. REQUIRES: the address is where a frame ends that was looked at. */
export function lookAt(address: usize): u32 {
  start = address;
  const pending = regions.inputEnd() - start;
  if (pending < HEADER_SIZE) return INCOMPLETE;
  const type = <u32>load<u8>(start);
  const size = bswap<u32>(load<u32>(start + 1));
  if (!isLetter(type) || size < 4 || size > SIZE_MAX) return bad(BAD_FRAME);
  if (pending < 1 + <usize>size) return INCOMPLETE;
  end = start + 1 + size;
  if (type != COPY_DATA) return FOREIGN;
  if (size < 5) return bad(BAD_COPY_DATA);
  const kind = <u32>load<u8>(start + HEADER_SIZE);
  if (kind == WAL_DATA_KIND && end > start + MESSAGE_OFFSET) return WAL_DATA;
  if (kind == KEEPALIVE_KIND && end == start + KEEPALIVE_SIZE) return KEEPALIVE_FRAME;
  return bad(BAD_COPY_DATA);
}

/** Passes over the frame that was looked at last. */
export function consume(): void {
  regions.consumeTo(end);
}

/** Passes over all frames up to an address where one ends. */
export function consumeTo(address: usize): void {
  regions.consumeTo(address);
}

/** Where the frame begins. */
export function frameStart(): usize {
  return start;
}

/** At WAL_DATA: the pgoutput message, at least one byte. */
export function messageStart(): usize {
  return start + MESSAGE_OFFSET;
}

/** The end of the frame and of the message in it. */
export function messageEnd(): usize {
  return end;
}

/** At FOREIGN. */
export function foreignType(): u32 {
  return load<u8>(start);
}

/** At FOREIGN. */
export function foreignStart(): usize {
  return start + HEADER_SIZE;
}

/** At KEEPALIVE_FRAME. */
export function keepaliveWalEnd(): u64 {
  return bswap<u64>(load<u64>(start + 6));
}

/** At KEEPALIVE_FRAME. */
export function isReplyRequested(): bool {
  return load<u8>(start + 22) != 0;
}

/** At BAD. */
export function badReason(): u32 {
  return fault;
}

function bad(reason: u32): u32 {
  fault = reason;
  return BAD;
}

function isLetter(type: u32): bool {
  return (type | 0x20) - 0x61 < 26;
}
