/**
 * Answers as status, headers and bytes (protocol 4 and 7.8). Pure: what the answer depends on
 * beside itself is in the context.
 */

import { formatLogOffset } from "../model/log-offset.ts";
import { LOG_FRAME, type BodyFrame, type OpenBody } from "./body.ts";
import {
  logCacheControl,
  mustRefetchCacheControl,
  streamCacheControl,
  type CachePolicy,
} from "./caching.ts";
import { formatRequestedOffset, shapeEtag } from "./etag.ts";
import type { Position, ReadAnswer } from "./serving.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
export const EVENT_STREAM_TYPE = "text/event-stream";

export interface ResponseContext {
  readonly cachePolicy: CachePolicy;
  /** The next `electric-cursor`. */
  readonly cursor: () => string;
  /** A number that no other response of this server, past or future, is given. */
  readonly serial: () => number;
}

export interface ShapeResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** The whole body, or what follows the pages of a streamed one. */
  readonly body: string | StreamedBody;
}

export interface StreamedBody {
  readonly pages: OpenBody;
  readonly frame: BodyFrame;
  /** The last message, when the body does not end with its pages. */
  readonly tail: string | undefined;
}

export function shapeResponse(answer: ReadAnswer, context: ResponseContext): ShapeResponse {
  switch (answer.kind) {
    case "log":
      return logResponse(answer, context);
    case "no-change": {
      const { position } = answer;
      const headers = positionHeaders(position, context, {
        hasData: false,
        etagSuffix: `:${context.serial()}`,
      });
      return { status: 200, headers, body: `[${upToDate(answer.lastSeenLsn)}]` };
    }
    case "not-modified": {
      const headers = positionHeaders(answer.position, context, { hasData: true, etagSuffix: "" });
      delete headers["electric-schema"];
      return { status: 304, headers, body: "" };
    }
    case "must-refetch":
      return mustRefetchResponse(answer.handle);
  }
}

/** The head of an event stream (protocol 5.8): no proxy may hold its events back. */
export function streamHeaders(
  position: Position,
  context: ResponseContext,
): Record<string, string> {
  return {
    ...positionHeaders(position, context, { hasData: true, etagSuffix: "" }),
    // The client takes its offset from here before it has the events that lead to `end`: cut off
    // in between, it would go on behind them.
    "electric-offset": formatRequestedOffset(position.requested),
    "content-type": EVENT_STREAM_TYPE,
    "cache-control": streamCacheControl(context.cachePolicy),
    "x-accel-buffering": "no",
  };
}

function logResponse(
  answer: Extract<ReadAnswer, { kind: "log" }>,
  context: ResponseContext,
): ShapeResponse {
  const { position, body } = answer;
  const tail = position.isUpToDate ? upToDate(answer.lastSeenLsn) : undefined;
  const headers = positionHeaders(position, context, { hasData: true, etagSuffix: "" });
  if (body === undefined) return { status: 200, headers, body: `[${tail ?? ""}]` };
  if (!(body instanceof Uint8Array)) {
    return { status: 200, headers, body: { pages: body, frame: LOG_FRAME, tail } };
  }
  const messages = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
  return { status: 200, headers, body: `[${messages}${tail === undefined ? "" : `,\n${tail}`}]` };
}

export function mustRefetchResponse(handle: string | undefined): ShapeResponse {
  return {
    status: 409,
    headers: {
      "content-type": JSON_TYPE,
      "cache-control": mustRefetchCacheControl(handle !== undefined),
      ...(handle === undefined ? {} : { "electric-handle": handle, etag: `"${handle}::"` }),
    },
    body: '[{"headers":{"control":"must-refetch"}}]',
  };
}

/** The columns 200 and 304 of the matrix in protocol 4.1. */
function positionHeaders(
  position: Position,
  context: ResponseContext,
  content: { readonly hasData: boolean; readonly etagSuffix: string },
): Record<string, string> {
  const { shape, requested, end, isLive } = position;
  const etag = shapeEtag(shape.handle, requested, end) + content.etagSuffix;
  const headers: Record<string, string> = {
    "content-type": JSON_TYPE,
    "cache-control": logCacheControl(requested, isLive, context.cachePolicy),
    etag: `"${etag}"`,
    "electric-handle": shape.handle,
    "electric-offset": formatLogOffset(end),
    "electric-has-data": String(content.hasData),
  };
  if (isLive) {
    headers["electric-cursor"] = context.cursor();
  } else {
    headers["electric-schema"] = shape.schemaHeader;
    headers["vary"] = "accept-encoding";
  }
  if (position.isUpToDate) headers["electric-up-to-date"] = "";
  return headers;
}

/** Protocol 7.8. */
export function upToDate(lastSeenLsn: bigint): string {
  return `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lastSeenLsn}"}}`;
}
