/** From a request for events to the stream of them (protocol 5.8). */

import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { AdmissionSlot } from "./admission.ts";
import type { Edge } from "./edge.ts";
import { parkStream } from "./lane-park.ts";
import type { OpenRequest } from "./open-requests.ts";
import { streamHeaders } from "./responses.ts";
import type { ShapeAnswer } from "./serving.ts";
import { ResponseSink, streamEvents } from "./sse-response.ts";

export interface HeldStream {
  readonly stream: Extract<ShapeAnswer, { kind: "stream" }>;
  readonly cursor: string | undefined;
  readonly open: OpenRequest;
  readonly slot: AdmissionSlot;
}

/**
 * Resolves when the stream is over or, with "parked", when it goes on without the HTTP layer.
 *
 * A HEAD has the head of the stream; the answer to a POST is nobody's to keep.
 */
export async function answerStream(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  held: HeldStream,
): Promise<"parked" | "streamed"> {
  const { open, stream } = held;
  if (parkStream(edge, request, reply, held)) return "parked";
  reply.headers(streamHeaders(stream.position, edge.responseContext(held.cursor)));
  if (request.method === "POST") reply.header("cache-control", "no-cache");
  // Of HTTP/2 it is no header, and a connection that is about to be closed is not kept.
  if (request.raw.httpVersionMajor === 1 && !edge.openRequests.isClosing) {
    reply.header("connection", keepsAlive(request) ? "keep-alive" : "close");
  }
  reply.hijack();
  if (open.client.isGone) return "streamed";
  reply.raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
  reply.raw.flushHeaders();
  if (request.method === "HEAD") {
    reply.raw.end();
    return "streamed";
  }
  const { clock, config, logger, service } = edge.options;
  const { sseTimeoutMs, stalledReaderTimeoutMs } = config;
  const source = { service, shape: stream.position.shape, signal: open.signal };
  const sink = new ResponseSink(reply.raw, open.client, stalledReaderTimeoutMs);
  try {
    await streamEvents(source, sink, stream.chunk, { clock, sseTimeoutMs, stalledReaderTimeoutMs });
  } catch (error) {
    const requestId = reply.getHeader("x-request-id");
    logger.warn({ requestId, error }, "an event stream was cut short");
  }
  return "streamed";
}

/** HTTP/1.0 has no chunks: the end of the stream is the end of the connection. */
function keepsAlive({ raw }: FastifyRequest): boolean {
  return raw.httpVersion !== "1.0" && !/close/i.test(raw.headers.connection ?? "");
}
