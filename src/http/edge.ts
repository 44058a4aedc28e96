/** What the routes share: the options of whoever starts the server, and the state of the edge. */

import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { ShapeAdmin } from "../shapes/shape-admin.ts";
import type { ShapeService } from "../shapes/shape-service.ts";
import { Admission } from "./admission.ts";
import { errorCacheHeaders, type CachePolicy } from "./caching.ts";
import { corsHeaders } from "./cors.ts";
import { errorResponse, isForeseen } from "./errors.ts";
import { ANSWERS_PER_TURN, REQUEST_ID_SIZE_MAX, REQUEST_ID_SIZE_MIN } from "./limits.ts";
import { nextCursor } from "./cursor.ts";
import { newRequestId } from "./lane-answer.ts";
import { LanePolls } from "./lane-polls.ts";
import { LaneStreams } from "./lane-streams.ts";
import { LaneTurns } from "./lane-turns.ts";
import { OpenRequests } from "./open-requests.ts";
import { redactTarget } from "./redaction.ts";
import { JSON_TYPE, type ResponseContext, type ShapeResponse } from "./responses.ts";
import type { ServingOptions } from "./serving.ts";
import { Traffic, type Route, type TrafficSource } from "./traffic.ts";
import { SERVER_NAME } from "./version.ts";

export interface EdgeOptions {
  readonly service: ShapeService;
  readonly config: Config;
  /** What `GET /admin/memory` answers, as JSON. */
  readonly memoryReport: () => object;
  /** What `GET /admin/status` answers, as JSON. What goes through this edge unless given. */
  readonly figures?: () => Promise<object>;
  /** Counts what goes through. One for all edges of a service; its own unless given. */
  readonly traffic?: Traffic;
  /** Undefined while shapes are being restored. */
  readonly shapeAdmin?: () => ShapeAdmin | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  /** From 0, inclusive, to 1, exclusive. `Math.random` unless given. */
  readonly random?: () => number;
}

export class Edge implements TrafficSource {
  readonly options: EdgeOptions;
  readonly random: () => number;
  readonly admission: Admission;
  readonly openRequests = new OpenRequests();
  readonly serving: ServingOptions;
  /** Requests that wait without the HTTP layer. */
  readonly polls: LanePolls;
  readonly streams: LaneStreams;
  readonly traffic: Traffic;
  readonly #cachePolicy: CachePolicy;
  #serial: number;
  #countConnections = (): number => 0;

  constructor(options: EdgeOptions) {
    this.options = options;
    this.random = options.random ?? Math.random;
    this.traffic = options.traffic ?? new Traffic();
    this.traffic.add(this);
    this.admission = new Admission(options.config.maxConcurrentRequests, this.random);
    // Fewer than a million a second are issued: the next start begins above all of this one.
    this.#serial = options.clock.nowMicroseconds();
    const { service, clock, config } = options;
    const { longPollTimeoutMs, readyTimeoutMs } = config;
    this.#cachePolicy = {
      maxAgeSeconds: config.cacheMaxAgeSeconds,
      staleAgeSeconds: config.cacheStaleAgeSeconds,
      sseTimeoutMs: config.sseTimeoutMs,
    };
    this.serving = { service, clock, longPollTimeoutMs, readyTimeoutMs };
    const turns = new LaneTurns(ANSWERS_PER_TURN);
    this.polls = new LanePolls({
      ...this.serving,
      turns,
      traffic: this.traffic,
      context: (previousCursor) => this.responseContext(previousCursor),
      failure: (thrown, target) => this.failedResponse(thrown, target),
    });
    this.streams = new LaneStreams({
      ...this.serving,
      turns,
      sseTimeoutMs: config.sseTimeoutMs,
      stalledReaderTimeoutMs: config.stalledReaderTimeoutMs,
      onFailure: (error) => options.logger.warn({ error }, "an event stream was cut short"),
    });
  }

  /** Ends every wait, and from now on at its beginning. */
  close(): void {
    this.openRequests.close();
    this.polls.close();
    this.streams.close();
    this.traffic.remove(this);
  }

  /** Says how many sockets lead here. Nobody says so where they are a host application's. */
  set connectionCounter(count: () => number) {
    this.#countConnections = count;
  }

  get connectionCount(): number {
    return this.#countConnections();
  }

  get initialCount(): number {
    return this.admission.count("initial");
  }

  get existingCount(): number {
    return this.admission.count("existing");
  }

  get pollCount(): number {
    return this.polls.count;
  }

  get streamCount(): number {
    return this.streams.count;
  }

  /** What an `onResponse` hook does: counts the answer. */
  counting(route: Route) {
    return (_request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
      this.traffic.answered(route, reply.raw.statusCode);
      done();
    };
  }

  nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
  }

  /** Who is being served, for the memory report. */
  report(): object {
    return {
      requests: this.admission.count("initial") + this.admission.count("existing"),
      pollsOnLanes: this.polls.count,
      streamsOnLanes: this.streams.count,
    };
  }

  /** What responses depend on beside their answer. */
  responseContext(previousCursor: string | undefined): ResponseContext {
    const { config, clock } = this.options;
    return {
      cachePolicy: this.#cachePolicy,
      cursor: () =>
        nextCursor({
          nowMs: clock.nowMilliseconds(),
          longPollTimeoutMs: config.longPollTimeoutMs,
          previous: previousCursor,
          random: this.random,
        }),
      serial: () => this.nextSerial(),
    };
  }

  /** The headers that every response has (protocol 1, 1.2). */
  begin(request: FastifyRequest, reply: FastifyReply, methods: string): void {
    reply.headers({
      ...serverHeaders(request.raw),
      ...corsHeaders(request.headers, methods),
    });
  }

  /** Answers an error; whatever was not foreseen is logged, with nothing that is secret. */
  async fail(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { status, headers, body } = errorResponse(thrown);
    if (status === 500 || !isForeseen(thrown)) {
      const requestId = reply.getHeader("x-request-id");
      const { method, raw } = request;
      this.#report(thrown, { requestId, method, target: raw.url ?? "", status });
    }
    reply.code(status).headers(headers).headers(errorCacheHeaders(request.method));
    await reply.type(JSON_TYPE).send(JSON.stringify(body));
  }

  /** As `fail`, for a GET that the HTTP layer has let go of or never had. */
  failedResponse(thrown: unknown, target: string, requestId?: string): ShapeResponse {
    const { status, headers, body } = errorResponse(thrown);
    if (status === 500 || !isForeseen(thrown)) {
      this.#report(thrown, { requestId, method: "GET", target, status });
    }
    return {
      status,
      headers: { "content-type": JSON_TYPE, ...headers, ...errorCacheHeaders("GET") },
      body: JSON.stringify(body),
    };
  }

  #report(thrown: unknown, { target, ...said }: FailedRequest): void {
    const fields = { ...said, target: redactTarget(target), error: thrown };
    if (said.status >= 500) this.options.logger.error(fields, "a request failed");
    else this.options.logger.debug(fields, "a request was refused");
  }
}

/** What is logged of a request that could not be answered as it wished. */
interface FailedRequest {
  readonly requestId: unknown;
  readonly method: string;
  readonly target: string;
  readonly status: number;
}

export function serverHeaders(request: IncomingMessage | undefined): Record<string, string> {
  return {
    "electric-server": SERVER_NAME,
    "x-request-id": givenRequestId(request) ?? newRequestId(),
  };
}

/** The client's own id of its request, if it is one that is echoed (protocol 1). */
export function givenRequestId(
  request: Pick<IncomingMessage, "headers"> | undefined,
): string | undefined {
  const given = request?.headers["x-request-id"];
  const isEchoed =
    typeof given === "string" &&
    given.length >= REQUEST_ID_SIZE_MIN &&
    given.length <= REQUEST_ID_SIZE_MAX;
  return isEchoed ? given : undefined;
}
