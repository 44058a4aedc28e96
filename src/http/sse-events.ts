/**
 * Messages of a log as server-sent events (protocol 5.8): `data: <one line of JSON>` and an empty
 * line, nothing else. Pages of a log separate their messages by `,\n`, and a line feed occurs
 * nowhere else, so nothing is parsed.
 */

const OPENING = Buffer.from("data: ");
const BETWEEN = Buffer.from("\n\ndata: ");
const CLOSING = Buffer.from("\n\n");
/** `,\n`, between the messages of a page and before those of every page but the first. */
const SEPARATOR_SIZE = 2;
const LINE_FEED = 0x0a;
const COMMA = 0x2c;

export const KEEP_ALIVE = Buffer.from(": keep-alive\n\n");

/** @param page whole messages, at least one. */
export function eventsOf(page: Uint8Array): Buffer {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  const parts: Uint8Array[] = [OPENING];
  let start = bytes[0] === COMMA ? SEPARATOR_SIZE : 0;
  for (let end = bytes.indexOf(LINE_FEED, start); end !== -1;) {
    parts.push(bytes.subarray(start, end - 1), BETWEEN);
    start = end + 1;
    end = bytes.indexOf(LINE_FEED, start);
  }
  parts.push(bytes.subarray(start), CLOSING);
  return Buffer.concat(parts);
}

/** One event with one message. */
export function eventOf(message: string): Buffer {
  return Buffer.from(`data: ${message}\n\n`);
}
