/**
 * GET, HEAD and POST of `/v1/shape`: from a request to a response, in the order of protocol 3.1.
 *
 * A POST is a GET whose parameters may also stand in its body, and whose answer nobody may keep.
 */

import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { LitzError } from "../lib/errors.ts";
import { kindOf, type AdmissionSlot } from "./admission.ts";
import { closeBody, pumpBody } from "./body.ts";
import type { Edge } from "./edge.ts";
import { compress, isWorthCompressing, negotiate } from "./compression.ts";
import { parkPoll } from "./lane-park.ts";
import { URL_BYTES_MAX } from "./limits.ts";
import type { OpenRequest } from "./open-requests.ts";
import { parseShapeParameters } from "./parameters.ts";
import { parseQuery, type Query } from "./query.ts";
import { shapeResponse, type ShapeResponse, type StreamedBody } from "./responses.ts";
import { mergeBody, readBody } from "./request-body.ts";
import { serveShape, type ServingRequest } from "./serving.ts";
import { answerStream } from "./sse-route.ts";
import { serveSubset, subsetResponse } from "./subset-serving.ts";

/** REQUIRES: the request is authorized. */
export async function answerShape(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const query = parseQuery(urlOf(request));
  const slot = edge.admission.acquire(kindOf(query));
  let open: OpenRequest | undefined;
  let isParked = false;
  try {
    open = edge.openRequests.open(request.raw, reply.raw);
    const parameters = await withBody(query, request, open);
    const response = await respond(edge, request, reply, { query: parameters, open, slot });
    isParked = response === "parked";
    if (response === "parked" || response === "streamed") return;
    edge.openRequests.answering(open);
    await send(edge, request, reply, response, open);
  } catch (error) {
    if (reply.sent) cutShort(edge, reply, error);
    else if (open?.client.isGone === true) reply.hijack();
    else throw error;
  } finally {
    open?.release();
    // Who waits on a lane keeps it.
    if (!isParked) slot.release();
  }
}

/** The body's parameters go before those of the URL (protocol 2.4). */
async function withBody(query: Query, request: FastifyRequest, open: OpenRequest): Promise<Query> {
  if (request.method !== "POST") return query;
  const body = await open.untilPointless(readBody(request.raw));
  return body === undefined ? query : mergeBody(query, body);
}

/** What is known of a request, and what it holds. */
interface Held {
  readonly query: Query;
  readonly open: OpenRequest;
  readonly slot: AdmissionSlot;
}

/** The response; or who has taken the request over, or that events were sent until their end. */
async function respond(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  { query, open, slot }: Held,
): Promise<ShapeResponse | "parked" | "streamed"> {
  const { service, config } = edge.options;
  await open.untilPointless(service.readable(config.readyTimeoutMs));
  const parameters = parseShapeParameters(query);
  const { cursor, subset } = parameters;
  const isPost = request.method === "POST";
  const serving: ServingRequest = {
    parameters,
    // Only what may be kept can be asked for again (RFC 9110, section 13.1.2).
    ifNoneMatch: isPost ? undefined : request.headers["if-none-match"],
    wantsBody: request.method !== "HEAD",
    open,
    slot,
    park: (held) => parkPoll(edge, request, reply, { slot, held, cursor }),
  };
  let response: ShapeResponse;
  if (subset === undefined) {
    const answer = await serveShape(edge.serving, serving);
    if (answer.kind === "parked") return "parked";
    if (answer.kind === "stream") {
      return answerStream(edge, request, reply, { stream: answer, cursor, open, slot });
    }
    response = shapeResponse(answer, edge.responseContext(cursor));
  } else {
    response = subsetResponse(await serveSubset(edge.serving, serving, subset));
  }
  if (isPost) response.headers["cache-control"] = "no-cache";
  return response;
}

async function send(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  response: ShapeResponse,
  open: OpenRequest,
): Promise<void> {
  const { status, headers, body } = response;
  if (open.client.isGone) {
    if (typeof body !== "string") closeBody(body.pages);
    reply.hijack();
    return;
  }
  reply.code(status).headers(headers);
  // Of HTTP/2 it is no header.
  const isLast = edge.openRequests.isClosing && request.raw.httpVersionMajor === 1;
  if (isLast) reply.header("connection", "close");
  if (request.method === "HEAD") {
    // Sizes of streamed bodies are not known, so HEAD says none at all.
    reply.hijack();
    reply.raw.writeHead(status, reply.getHeaders() as OutgoingHttpHeaders).end();
    return;
  }
  if (typeof body === "string") {
    await reply.send(body);
    return;
  }
  let encoded = body;
  try {
    encoded = await encode(edge, request, reply, response, body);
    reply.hijack();
    reply.raw.writeHead(status, reply.getHeaders() as OutgoingHttpHeaders);
    const { stalledReaderTimeoutMs } = edge.options.config;
    await pumpBody(encoded.pages, reply.raw, open.client, { ...encoded, stalledReaderTimeoutMs });
  } finally {
    closeBody(encoded.pages);
  }
}

/** Ends a response that has gone past whoever answers errors: its client shall not wait for it. */
function cutShort(edge: Edge, reply: FastifyReply, error: unknown): void {
  const requestId = reply.getHeader("x-request-id");
  edge.options.logger.warn({ requestId, error }, "a response was cut short");
  reply.raw.destroy();
}

/** Compresses what is long and not live, for a client that accepts it. */
async function encode(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  { headers }: ShapeResponse,
  body: StreamedBody,
): Promise<StreamedBody> {
  const isLive = headers["electric-cursor"] !== undefined;
  // HTTP/1.0 speaks through proxies that may not tell their own clients apart.
  const isRefused =
    isLive || !edge.options.config.isCompressing || request.raw.httpVersion === "1.0";
  if (isRefused || !isWorthCompressing(body)) return body;
  const encoding = negotiate(request.headers["accept-encoding"]);
  if (encoding === undefined) return body;
  const compressed = await compress(body, encoding);
  reply.headers({ "content-encoding": encoding, vary: "accept-encoding" });
  return compressed;
}

/** @throws {LitzError} 414 */
function urlOf(request: FastifyRequest): string {
  const url = request.raw.url ?? "";
  if (url.length > URL_BYTES_MAX) {
    throw new LitzError(`The request URI is longer than ${URL_BYTES_MAX} bytes`, {
      code: "URI_TOO_LONG",
      httpStatus: 414,
    });
  }
  return url;
}
