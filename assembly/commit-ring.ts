/**
 * The transactions that were read last, by xid.
 *
 * Postgres sends a transaction once its commit record is flushed, and lets others see it a moment
 * later: microseconds as a rule, much longer where it waits for a synchronous standby. A shape that
 * is registered in between has missed the transaction, and a snapshot taken in between does not
 * show it either. So a snapshot is compared with what had been read before its shape was
 * registered.
 *
 *     ┌───────────────┬───────────────┬─────┐
 *     │ xid of read n │ xid of n + 1  │ ... │   CAPACITY words, at n modulo CAPACITY
 *     └───────────────┴───────────────┴─────┘
 *
 * Transactions that were followed by CAPACITY others are taken for visible. Nothing here allocates.
 */

const CAPACITY: u32 = 1024;

const words: usize = memory.data(4096, 8);

if (CAPACITY * 4 != 4096) ERROR("the words must fit their data");

/** How many transactions were read, modulo 2^32. */
let readCount: u32 = 0;

export function note(xid: u32): void {
  store<u32>(words + ((<usize>(readCount % CAPACITY)) << 2), xid);
  readCount += 1;
}

export function count(): u32 {
  return readCount;
}

export function address(): usize {
  return words;
}
