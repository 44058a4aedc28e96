/**
 * Limits of the HTTP edge, with their unit and derivation. What an operator sets is in config.ts.
 */

/**
 * Longest request target. A WHERE clause may have 65,536 bytes, percent-encoding makes some of them
 * three, and the values of `params` come on top. Beyond: 414.
 */
export const URL_BYTES_MAX = 128 * 1024;

/** Request line and headers together, as Node counts them. Beyond: 431. */
export const HEADER_BYTES_MAX = URL_BYTES_MAX + 32 * 1024;

/** How long a client may take to send a request. Waiting for the answer does not count. */
export const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Unanswered requests for shapes on one HTTP/1 connection. Nobody needs more than one; without a
 * limit, one packet of pipelined requests opens a thousand long-polls.
 */
export const PIPELINED_REQUESTS_MAX = 8;

/**
 * How often a request with an offset from the future looks whether it has become the present. The
 * global position advances without a word to those who wait on one shape, and such requests are
 * rare: they follow a failover.
 */
export const OUT_OF_BOUNDS_RECHECK_MS = 250;

/** Incoming request ids of this many characters are echoed (protocol 1). */
export const REQUEST_ID_SIZE_MIN = 20;
export const REQUEST_ID_SIZE_MAX = 200;
