/**
 * Responses as bytes, made once for all the connections they go to:
 *
 *     HTTP/1.1 200 OK ... x-request-id: │ id │ ... content-length: 310 ... │ body
 *     └────────── before ──────────────┘      └────────── after ───────────────┘
 *
 * Only the request's id differs. Short answers are copied together, because one write of 600 bytes
 * costs less than two; a long body is one buffer that all the sockets share.
 */

import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { corsHeaders, SHAPE_METHODS } from "./cors.ts";
import { IDLE_TIMEOUT_MS } from "./limits.ts";
import { SERVER_NAME } from "./version.ts";

/** Beyond, copying costs more than a second write. */
const COPIED_BYTES_MAX = 4096;

export interface LaneAnswer {
  readonly before: string;
  readonly after: Buffer;
}

export interface LaneHead {
  readonly status: number;
  /** Those of the answer itself. */
  readonly headers: Readonly<Record<string, string>>;
  /** The request's. */
  readonly origin: string | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Whether the connection ends with this answer. */
  readonly isLast: boolean;
}

/** @param body undefined: it follows in chunks. */
export function laneAnswer(head: LaneHead, body: Uint8Array | undefined): LaneAnswer {
  const rest = Buffer.from(headBehindId(head, body?.byteLength), "latin1");
  return { before: headBeforeId(head), after: Buffer.concat([rest, body ?? NO_BODY]) };
}

/** @param requestId the client's own; undefined: it is given one. */
export function writeAnswer(
  socket: Socket,
  { before, after }: LaneAnswer,
  requestId: string = newRequestId(),
): void {
  const size = before.length + requestId.length;
  if (after.length > COPIED_BYTES_MAX) {
    socket.cork();
    socket.write(before + requestId, "latin1");
    socket.write(after);
    socket.uncork();
    return;
  }
  const bytes = Buffer.allocUnsafe(size + after.length);
  bytes.write(before, 0, "latin1");
  bytes.write(requestId, before.length, "latin1");
  after.copy(bytes, size);
  socket.write(bytes);
}

/** An answer for one connection alone. REQUIRES: its headers are ASCII. */
export function writeWhole(socket: Socket, head: LaneHead, body: string, requestId: string): void {
  const size = Buffer.byteLength(body);
  const text = headBeforeId(head) + requestId + headBehindId(head, size) + body;
  // What has a byte for each character need not be looked at again.
  socket.write(text, size === body.length ? "latin1" : "utf8");
}

function headBeforeId({ status }: LaneHead): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nx-request-id: `;
}

/** @param bodySize undefined: it is told with each chunk. */
function headBehindId(
  { headers, origin, nowMs, isLast }: LaneHead,
  bodySize: number | undefined,
): string {
  let lines = origin === undefined ? LINES_WITHOUT_ORIGIN : commonLines(origin);
  for (const name in headers) lines += `${name}: ${headers[name]!}\r\n`;
  const framing =
    bodySize === undefined ? "transfer-encoding: chunked" : `content-length: ${bodySize}`;
  const connection = isLast ? "connection: close" : KEPT_ALIVE;
  return `${lines}date: ${dateAt(nowMs)}\r\n${connection}\r\n${framing}\r\n\r\n`;
}

const KEPT_ALIVE = `connection: keep-alive\r\nkeep-alive: timeout=${IDLE_TIMEOUT_MS / 1000}`;

/** What every response has (protocol 1, 1.2), behind the request's id. */
function commonLines(origin?: string): string {
  const cors = corsHeaders(origin === undefined ? {} : { origin }, SHAPE_METHODS);
  const headers = Object.entries({ "electric-server": SERVER_NAME, ...cors });
  return `\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}`;
}

const LINES_WITHOUT_ORIGIN = commonLines();

export function newRequestId(): string {
  return randomUUID();
}

const NO_BODY = new Uint8Array(0);

let dateSecond = 0;
let date = "";

/** `Date` headers change once a second. */
function dateAt(nowMs: number): string {
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    date = new Date(second * 1000).toUTCString();
  }
  return date;
}
