/**
 * What a stop means, in words that TypeScript reads where they lie: a getter costs a load from a
 * view instead of a call. `src/router/router.ts` names the same indexes.
 *
 *       0               2     3            5         7             9
 *     ┌───────────────┬─────┬────────────┬─────────┬─────────────┬─────────┬──────────────┐
 *     │transaction LSN│ xid │ commit LSN │ end LSN │ commit time │ WAL end │ reply wanted │
 *     ├───────────────┴──┬──┴───────┬────┴───┬─────┴────────────┬┴─────────┼──────────────┤
 *     │ message: kind,   │ relation │ reason │ op               │ in trans-│ growth bytes │
 *     │ address, size    │          │        │                  │ action   │              │
 *     ├──────────────────┼──────────┴────────┼──────────────────┼──────────┴──────────────┘
 *     │ body count       │ bodies, matches   │ input pending    │
 *     ├──────────────────┼───────────────────┼──────────────────┘
 *     │ change count     │ sent time         │
 *     └──────────────────┴───────────────────┘
 *
 * Two-word values have their high half first. Nothing here allocates.
 */

export const TRANSACTION_LSN: u32 = 0;
export const XID: u32 = 2;
export const COMMIT_LSN: u32 = 3;
export const END_LSN: u32 = 5;
export const COMMIT_TIME: u32 = 7;
export const WAL_END: u32 = 9;
export const REPLY_REQUESTED: u32 = 11;
export const MESSAGE_KIND: u32 = 12;
export const MESSAGE_ADDRESS: u32 = 13;
export const MESSAGE_SIZE: u32 = 14;
export const RELATION: u32 = 15;
export const REASON: u32 = 16;
export const OP: u32 = 17;
export const IN_TRANSACTION: u32 = 18;
export const GROWTH_BYTES: u32 = 19;
export const BODY_COUNT: u32 = 20;
export const BODIES_ADDRESS: u32 = 21;
export const MATCHES_ADDRESS: u32 = 22;
export const INPUT_PENDING: u32 = 23;
/** Changes of all transactions that have ended. Two words, as everything behind is. */
export const CHANGE_COUNT: u32 = 24;
/** When Postgres sent the last commit, by its clock, as `COMMIT_TIME` is. */
export const SENT_TIME: u32 = 26;
const WORD_COUNT: u32 = 28;

/** `RunOutcome` of the door. */
export const NEEDS_INPUT: u32 = 0;
export const COMMIT: u32 = 1;
export const OUTPUT_FULL: u32 = 2;
export const MESSAGE: u32 = 3;
export const KEEPALIVE: u32 = 4;
export const FOREIGN_FRAME: u32 = 5;
export const UNROUTABLE: u32 = 6;
export const NEEDS_GROWTH: u32 = 7;
export const MALFORMED: u32 = 8;

/** `UnroutableReason` of the door. */
export const OLD_ROW_MISSING: u32 = 1;
export const TOAST_MISSING: u32 = 2;
export const ROW_TOO_NARROW: u32 = 3;
export const VALUE_UNREADABLE: u32 = 4;

/** `MalformedReason` of the door. */
export const BAD_FRAME: u32 = 1;
export const BAD_COPY_DATA: u32 = 2;
export const BAD_MESSAGE_KIND: u32 = 3;
export const BAD_MESSAGE_SIZE: u32 = 4;
export const BAD_TRANSACTION: u32 = 5;
export const BAD_COLUMN_KIND: u32 = 6;

const words: usize = memory.data(112, 8);

if (WORD_COUNT * 4 != 112) ERROR("the words must fit their data");

export function address(): usize {
  return words;
}

export function get(word: u32): u32 {
  return load<u32>(words + (word << 2));
}

export function set(word: u32, value: u32): void {
  store<u32>(words + (word << 2), value);
}

export function getLong(word: u32): u64 {
  return ((<u64>get(word)) << 32) | (<u64>get(word + 1));
}

export function setLong(word: u32, value: u64): void {
  set(word, <u32>(value >> 32));
  set(word + 1, <u32>value);
}

/** Forgets everything. */
export function clear(): void {
  memory.fill(words, 0, WORD_COUNT << 2);
}
