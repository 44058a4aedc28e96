/** GET and HEAD of `/v1/shape`: from a request to a response, in the order of protocol 3.1. */

import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { LitzError } from "../lib/errors.ts";
import { kindOf, type AdmissionSlot } from "./admission.ts";
import { closeBody, pumpBody } from "./body.ts";
import { nextCursor } from "./cursor.ts";
import type { Edge } from "./edge.ts";
import { URL_BYTES_MAX } from "./limits.ts";
import type { OpenRequest } from "./open-requests.ts";
import { parseShapeParameters } from "./parameters.ts";
import { parseQuery, textOf, type Query } from "./query.ts";
import { shapeResponse, type ResponseContext, type ShapeResponse } from "./responses.ts";
import { serveShape } from "./serving.ts";

/** REQUIRES: the request is authorized. */
export async function getShape(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const query = parseQuery(urlOf(request));
  const slot = edge.admission.acquire(kindOf(query));
  let open: OpenRequest | undefined;
  try {
    open = edge.openRequests.open(request.raw, reply.raw);
    const response = await respond(edge, request, query, { open, slot });
    edge.openRequests.answering(open);
    await send(edge, request, reply, response, open);
  } catch (error) {
    if (open?.client.isGone !== true) throw error;
    reply.hijack();
  } finally {
    open?.release();
    slot.release();
  }
}

async function respond(
  edge: Edge,
  request: FastifyRequest,
  query: Query,
  held: { readonly open: OpenRequest; readonly slot: AdmissionSlot },
): Promise<ShapeResponse> {
  const { service, clock, config } = edge.options;
  await held.open.untilPointless(service.ready(config.readyTimeoutMs));
  const parameters = parseShapeParameters(query);
  const answer = await serveShape(
    { service, clock, longPollTimeoutMs: config.longPollTimeoutMs },
    {
      parameters,
      ifNoneMatch: request.headers["if-none-match"],
      wantsBody: request.method !== "HEAD",
      ...held,
    },
  );
  return shapeResponse(answer, responseContext(edge, query));
}

function responseContext(edge: Edge, query: Query): ResponseContext {
  const { config, clock } = edge.options;
  return {
    cachePolicy: {
      maxAgeSeconds: config.cacheMaxAgeSeconds,
      staleAgeSeconds: config.cacheStaleAgeSeconds,
    },
    cursor: () =>
      nextCursor({
        nowMs: clock.nowMilliseconds(),
        longPollTimeoutMs: config.longPollTimeoutMs,
        previous: textOf(query, "cursor"),
        random: edge.random,
      }),
    serial: () => edge.nextSerial(),
  };
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
  if (edge.openRequests.isClosing) reply.header("connection", "close");
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
  reply.hijack();
  reply.raw.writeHead(status, reply.getHeaders() as OutgoingHttpHeaders);
  const { stalledReaderTimeoutMs } = edge.options.config;
  try {
    const options = { tail: body.tail, stalledReaderTimeoutMs };
    await pumpBody(body.pages, reply.raw, open.client, options);
  } catch (error) {
    const requestId = reply.getHeader("x-request-id");
    edge.options.logger.warn({ requestId, error }, "a response was cut short");
  }
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
