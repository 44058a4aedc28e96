/** What the routes share: the options of whoever starts the server, and the state of the edge. */

import type { IncomingMessage } from "node:http";
import { randomBytes } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Config } from "../config.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { ShapeService } from "../shapes/shape-service.ts";
import { Admission } from "./admission.ts";
import { errorCacheHeaders } from "./caching.ts";
import { corsHeaders } from "./cors.ts";
import { errorResponse, isForeseen } from "./errors.ts";
import { REQUEST_ID_SIZE_MAX, REQUEST_ID_SIZE_MIN } from "./limits.ts";
import { OpenRequests } from "./open-requests.ts";
import { redactTarget } from "./redaction.ts";
import { JSON_TYPE } from "./responses.ts";
import { VERSION } from "./version.ts";

export interface EdgeOptions {
  readonly service: ShapeService;
  readonly config: Config;
  /** What `GET /admin/memory` answers, as JSON. */
  readonly memoryReport: () => object;
  readonly logger: Logger;
  readonly clock: Clock;
  /** From 0, inclusive, to 1, exclusive. `Math.random` unless given. */
  readonly random?: () => number;
}

export class Edge {
  readonly options: EdgeOptions;
  readonly random: () => number;
  readonly admission: Admission;
  readonly openRequests = new OpenRequests();
  #serial: number;

  constructor(options: EdgeOptions) {
    this.options = options;
    this.random = options.random ?? Math.random;
    this.admission = new Admission(options.config.maxConcurrentRequests, this.random);
    // Fewer than a million a second are issued: the next start begins above all of this one.
    this.#serial = options.clock.nowMicroseconds();
  }

  nextSerial(): number {
    this.#serial += 1;
    return this.#serial;
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
    if (status === 500 || !isForeseen(thrown)) this.#report(thrown, request, reply, status);
    reply.code(status).headers(headers).headers(errorCacheHeaders(request.method));
    await reply.type(JSON_TYPE).send(JSON.stringify(body));
  }

  #report(thrown: unknown, request: FastifyRequest, reply: FastifyReply, status: number): void {
    const fields = {
      requestId: reply.getHeader("x-request-id"),
      method: request.method,
      target: redactTarget(request.raw.url ?? ""),
      status,
      error: thrown,
    };
    if (status >= 500) this.options.logger.error(fields, "a request failed");
    else this.options.logger.debug(fields, "a request was refused");
  }
}

export function serverHeaders(request: IncomingMessage | undefined): Record<string, string> {
  const given = request?.headers["x-request-id"];
  const isEchoed =
    typeof given === "string" &&
    given.length >= REQUEST_ID_SIZE_MIN &&
    given.length <= REQUEST_ID_SIZE_MAX;
  return {
    "electric-server": `ElectricSQL/${VERSION}`,
    "x-request-id": isEchoed ? given : randomBytes(15).toString("base64url"),
  };
}
