/**
 * Who may own a page of linear memory: the one place that numbers and orders the owners.
 *
 * `src/router/accounting.ts` repeats the order as names; a test holds the two together.
 */

/** Nobody's: in the pool, to be had. Zeroed memory is therefore free memory. */
export const FREE: u32 = 0;
/** The data segment, which the compiler laid out below `__heap_base`. */
export const OWNER_STATIC: u32 = 1;
/** The map of owners itself. */
export const OWNER_PAGE_POOL: u32 = 2;
/** Input, output and scratch: bytes in transit. */
export const OWNER_IO: u32 = 3;
export const OWNER_HANDLE_TABLE: u32 = 4;
/** Every column of a shape's row but the handle. */
export const OWNER_SHAPE_TABLE: u32 = 5;
export const OWNER_EQUALITY_INDEX: u32 = 6;
export const OWNER_ID_SET: u32 = 7;
export const OWNER_VALUE_STORE: u32 = 8;
/** Relations, paths, templates, projections. */
export const OWNER_CONDITION_TREE: u32 = 9;
export const OWNER_CONSUMER_REGISTRY: u32 = 10;
export const OWNER_FLUSH_TRACKER: u32 = 11;
export const OWNER_PENDING_POSTINGS: u32 = 12;

export const OWNER_MEMBERSHIP_INDEX: u32 = 13;
export const OWNER_RANGE_INDEX: u32 = 14;
/** Definitions of shapes that are more than one AND of equalities, with their constants. */
export const OWNER_DEFINITION_INDEX: u32 = 15;
/** Accesses and plans. */
export const OWNER_ACCESSES: u32 = 16;
/** Whose partitions a table is. */
export const OWNER_PARTITION_MAP: u32 = 17;
/** Values of dependency views, and who has them. */
export const OWNER_SUBQUERY_INDEX: u32 = 18;
/** How many inner rows give a value, where not one. */
export const OWNER_VALUE_COUNTS: u32 = 19;
export const OWNER_VIEW_HISTORY: u32 = 20;

export const OWNER_COUNT: u32 = 21;
