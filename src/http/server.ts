/** The standalone server: the routes, the pages around them, and the limits of a socket. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { fastify, type ConnectionError, type FastifyInstance } from "fastify";
import { UNCACHED_PAGE } from "./caching.ts";
import { Connections } from "./connections.ts";
import { corsHeaders, OTHER_METHODS } from "./cors.ts";
import { Edge, serverHeaders, type EdgeOptions } from "./edge.ts";
import type { Certificate } from "./https-certificate.ts";
import { createHttpsServer } from "./https-server.ts";
import { LaneGets } from "./lane-gets.ts";
import { LaneServer } from "./lane-server.ts";
import { HEADER_BYTES_MAX, REFUSED_LINGER_MS, REQUEST_TIMEOUT_MS } from "./limits.ts";
import { normalizeTarget } from "./path.ts";
import { JSON_TYPE } from "./responses.ts";
import { addShapeRoutes } from "./routes.ts";
import { UNCHECKED } from "./unchecked-schemas.ts";

/**
 * Makes a server; `listen` and `close` are the caller's. Closing accepts nothing more, answers
 * every long-poll at once as at its timeout, and resolves when all that was begun is answered.
 *
 * @param certificate with one, HTTP/2 and HTTP/1.1 over TLS; without, HTTP/1.1 on lanes.
 */
export function createHttpServer(options: EdgeOptions, certificate?: Certificate): FastifyInstance {
  const edge = new Edge(options);
  const connections = new Connections();
  let gets: LaneGets | undefined;
  const app = fastify({
    schemaController: UNCHECKED,
    serverFactory: (listener) => {
      if (certificate !== undefined) {
        edge.connectionCounter = () => connections.count;
        return createHttpsServer(certificate, listener, connections);
      }
      const settings = { maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: REQUEST_TIMEOUT_MS };
      const server = new LaneServer(settings, listener);
      server.gets = gets = new LaneGets(edge, server.turns);
      connections.watch(server.http);
      edge.connectionCounter = () => server.connectionCount;
      // Of an HTTP server Fastify asks no more than what a LaneServer has.
      return server as unknown as Server;
    },
    // Whatever arrives while the server closes is answered in the words of the protocol.
    return503OnClosing: false,
    rewriteUrl: (request) => normalizeTarget(request.url ?? "/"),
    clientErrorHandler: (error, socket) => answerClientError(edge, error, socket),
  });
  app.addHook("preClose", (done) => {
    gets?.close();
    connections.close();
    done();
  });
  app.setErrorHandler((error, request, reply) => edge.fail(error, request, reply));
  app.addHook("onRequest", async (request, reply) => {
    if (!request.is404) return;
    // Here and not in a handler: those come after the body, which may be of any type.
    edge.begin(request, reply, OTHER_METHODS);
    reply.code(404).header("cache-control", UNCACHED_PAGE);
    await reply.type("text/plain; charset=utf-8").send("Not found");
  });
  const count = edge.counting("other");
  app.addHook("onResponse", (request, reply, done) => {
    if (request.is404) count(request, reply, done);
    else done();
  });
  app.register((scope, _options, done) => {
    addShapeRoutes(scope, edge);
    done();
  });
  app.route({
    method: ["GET", "HEAD"],
    url: "/",
    handler: async (request, reply) => {
      edge.begin(request, reply, OTHER_METHODS);
      await reply.header("cache-control", UNCACHED_PAGE).send();
    },
  });
  whenHooked(app, () => gets?.close());
  return app;
}

/**
 * Hooks of a host's own are to see every request: then all of them take the way through Fastify.
 * Those of scopes, as our own routes have them, see only what is in their scope.
 */
function whenHooked(app: FastifyInstance, act: () => void): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on what it was
  const addHook = app.addHook as (name: string, ...rest: unknown[]) => unknown;
  Object.assign(app, {
    addHook(this: FastifyInstance, name: string, ...rest: unknown[]): unknown {
      if (this === app && !HOOKS_OF_SERVERS.has(name)) act();
      return addHook.call(this, name, ...rest);
    },
  });
}

/** All others concern requests, or add what does to each route as it is made. */
const HOOKS_OF_SERVERS = new Set(["onReady", "onListen", "preClose", "onClose"]);

export interface RequestHandler {
  /** For `http.createServer(handler.handle)` and whatever takes such functions. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** Answers what waits. To be called before the host's own server is closed. */
  readonly close: () => Promise<void>;
}

/** The same server without a socket of its own. Limits of sockets are the host's. */
export async function createRequestHandler(options: EdgeOptions): Promise<RequestHandler> {
  const app = createHttpServer(options);
  await app.ready();
  return {
    handle: (request, response) => app.routing(request, response),
    close: () => app.close(),
  };
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, `The request's headers are larger than ${HEADER_BYTES_MAX} bytes`],
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    `The request took longer than ${REQUEST_TIMEOUT_MS} ms to arrive`,
  ],
};

/** Answers what is not even a request. Written by hand, because there is no response to send. */
function answerClientError(edge: Edge, error: ConnectionError, socket: Socket): void {
  // Bytes in the middle of the answer to an earlier request would be taken for part of it.
  if (error.code === "ECONNRESET" || !socket.writable || !edge.openRequests.isIdle(socket)) {
    socket.destroy();
    return;
  }
  const [status, message] = CLIENT_ERRORS[error.code] ?? [400, "The request is malformed"];
  edge.traffic.answered("other", status);
  const body = JSON.stringify({ message });
  const headers = {
    ...serverHeaders(undefined),
    ...corsHeaders({}, OTHER_METHODS),
    "cache-control": "no-store",
    "surrogate-control": "no-store",
    "content-type": JSON_TYPE,
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // Its client may never end its own side. Whatever else it says does not keep it here.
  const end = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS).unref();
  socket.once("close", () => clearTimeout(end));
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]!}\r\n${lines.join("")}\r\n${body}`);
}
