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

/** Of a POST (protocol 2.4). Beyond: 413. */
export const REQUEST_BODY_BYTES_MAX = 8_000_000;

/** How long a client may take to send a request. Waiting for the answer does not count. */
export const REQUEST_TIMEOUT_MS = 30_000;

/**
 * How long the connection of a malformed request stays when that has been answered. Ended at once,
 * over bytes that nobody reads any more, it would be reset and the answer lost with it.
 */
export const REFUSED_LINGER_MS = 2_000;

/**
 * How long nothing may be sent to a client that has ended its side and is owed an answer. It may be
 * one that said all it had to say, or one that went away: nobody can tell until bytes reach it.
 */
export const HALF_CLOSED_SILENCE_MS = 2_000;

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

/** How long a connection may idle between two requests. What `keep-alive` tells clients. */
export const IDLE_TIMEOUT_MS = 72_000;

/**
 * What a client may send while its request waits: the request after next, if it is in a hurry.
 * Beyond, the connection is ended: parked connections are read without asking for back-pressure.
 */
export const PARKED_BYTES_MAX = 16 * 1024;

/** Deadlines of parked connections are at most twice this late. */
export const RING_TICK_MS = 250;

/** The longest deadline of a parked connection: the upper limit of the timeouts in config.ts. */
export const RING_LONGEST_MS = 600_000;

/**
 * Parked requests that are answered in one turn of the event loop: at 8 to 20 microseconds each,
 * mostly the kernel's, a turn takes 1 to 3 milliseconds.
 */
export const ANSWERS_PER_TURN = 128;

/**
 * The longest body that is made once for all who wait for the same thing. One page of the log, and
 * what belongs around it; beyond, everybody is streamed to at his own speed.
 */
export const SHARED_BODY_BYTES_MAX = 72 * 1024;

/** Silence after which an event stream says that it is still there (protocol 5.8). */
export const SSE_KEEP_ALIVE_MS = 21_000;

/** Shorter bodies are not compressed: a packet is a packet. */
export const COMPRESSED_BYTES_MIN = 1024;

/** Messages that are sent in one piece with what stands around them, and never compressed. */
export const WHOLE_BODY_BYTES_MAX = COMPRESSED_BYTES_MIN - 1;

/** Pages that are being compressed at a time: half of libuv's four threads. */
export const COMPRESSIONS_MAX = 2;

/** How long a client may take to agree on TLS. Closing waits for those who are at it. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;
