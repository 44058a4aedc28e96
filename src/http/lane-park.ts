/**
 * The way from a request in the HTTP layer to one that waits without it. Only what is certain to
 * leave nothing behind in the parser goes: one whole request, alone on its connection, whose answer
 * does not end it. All others wait in the usual way, which costs more and is as good.
 */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { AdmissionSlot } from "./admission.ts";
import { givenRequestId, type Edge } from "./edge.ts";
import { Lane } from "./lane.ts";
import { laneAnswer, writeAnswer } from "./lane-answer.ts";
import { LaneConnection } from "./lane-connection.ts";
import { streamHeaders } from "./responses.ts";
import type { Held, ShapeAnswer } from "./serving.ts";

/** Lets a long-poll wait on its lane. False: it has none, or cannot. */
export function parkPoll(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  { slot, held, cursor }: { slot: AdmissionSlot; held: Held; cursor: string | undefined },
): boolean {
  const connection = parkable(request);
  if (connection === undefined) return false;
  const { headers, url } = request.raw;
  const parked = {
    connection,
    slot,
    target: url!,
    cursor,
    origin: headers.origin,
    requestId: givenRequestId(request.raw),
  };
  if (!edge.polls.park(parked, held)) return false;
  reply.hijack();
  return true;
}

/** Sends an event stream on its lane. False: it has none, or cannot. */
export function parkStream(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  held: {
    readonly slot: AdmissionSlot;
    readonly stream: Extract<ShapeAnswer, { kind: "stream" }>;
    readonly cursor: string | undefined;
  },
): boolean {
  const connection = parkable(request);
  if (connection === undefined || edge.openRequests.isClosing) return false;
  const { position, chunk } = held.stream;
  const { origin } = request.headers;
  const headers = streamHeaders(position, edge.responseContext(held.cursor));
  const nowMs = edge.options.clock.nowMilliseconds();
  reply.hijack();
  const client = edge.streams.park(connection, held.slot, position.shape);
  const head = laneAnswer({ status: 200, headers, origin, nowMs, isLast: false }, undefined);
  writeAnswer(connection.socket, head, givenRequestId(request.raw));
  edge.traffic.answered("shape", 200);
  void edge.streams.follow(client, chunk);
  return true;
}

/**
 * Characters of URL and origin, by which those who wait for the same thing are known. A longer one
 * waits in the HTTP layer, which the admission limit bounds.
 */
const PARKED_TARGET_SIZE_MAX = 8_192;

function parkable({ raw }: FastifyRequest): LaneConnection | undefined {
  const lane: unknown = raw.socket;
  if (!(lane instanceof Lane) || !lane.holdsOneRequest || lane.destroyed) return undefined;
  const isPlain = raw.method === "GET" && raw.httpVersion === "1.1" && raw.complete;
  if (!isPlain || /close|upgrade/i.test(raw.headers.connection ?? "")) return undefined;
  const size = raw.url!.length + (raw.headers.origin?.length ?? 0);
  if (size > PARKED_TARGET_SIZE_MAX) return undefined;
  return LaneConnection.of(lane.socket);
}
