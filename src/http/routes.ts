/**
 * The routes as a Fastify plugin, for people who have a server already:
 *
 *     app.register(shapeRoutes, { prefix: "/sync", service, config, memoryReport, logger, clock });
 *
 * Everything that decides about access hangs on the matched route and not on how its path was
 * spelled. Which spellings reach a route is the router's business: `server.ts` normalises them, a
 * host application does as it likes.
 */

import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { addAdminRoutes } from "./admin-routes.ts";
import { UNCACHED_PAGE } from "./caching.ts";
import { addConsoleRoutes } from "./console-routes.ts";
import { OTHER_METHODS, preflightHeaders, SHAPE_METHODS } from "./cors.ts";
import { deleteShape } from "./delete-route.ts";
import { Edge, type EdgeOptions } from "./edge.ts";
import { addOpenApiRoute, describeRoutes } from "./openapi.ts";
import type { DescribedRoute } from "./openapi-document.ts";
import { JSON_TYPE } from "./responses.ts";
import { DELETE_SHAPE, GET_HEALTH, GET_SHAPE, POST_SHAPE, PREFLIGHT } from "./route-schemas.ts";
import { isAuthorized } from "./secret.ts";
import { answerShape } from "./shape-route.ts";
import { ROUTES } from "./traffic.ts";

export const shapeRoutes: FastifyPluginAsync<EdgeOptions> = async (app, options) => {
  addShapeRoutes(app, new Edge(options));
  return Promise.resolve();
};

/** Adds the routes within the scope of `app`. They end their waits when it closes. */
export function addShapeRoutes(app: FastifyInstance, edge: Edge): void {
  // The body of a POST is read after other things were looked at (protocol 3.1), that of a DELETE
  // not at all. Nor may either fail on its content type, for which nothing helps but to take it
  // away: malformed ones are refused before any parser.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null, undefined));
  app.setErrorHandler((error, request, reply) => edge.fail(error, request, reply));
  app.addHook("preClose", (done) => {
    edge.close();
    done();
  });
  // What is still being answered when the server closes leaves a connection that idles.
  app.addHook("onResponse", (_request, _reply, done) => {
    if (edge.openRequests.isClosing) setImmediate(() => app.server.closeIdleConnections());
    done();
  });
  const described = describeRoutes(app);
  const scopes = {
    shape: addShapeRoute,
    admin: addOperatorRoutes,
    other: (routes: FastifyInstance) => addOtherRoutes(routes, edge, described),
  };
  for (const route of ROUTES) {
    app.register((routes, _options, done) => {
      routes.addHook("onResponse", edge.counting(route));
      scopes[route](routes, edge);
      done();
    });
  }
}

function addShapeRoute(app: FastifyInstance, edge: Edge): void {
  const url = "/v1/shape";
  const onRequest = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    edge.begin(request, reply, SHAPE_METHODS);
    const { headers } = request.raw;
    if (headers["content-type"] !== undefined) delete headers["content-type"];
    if (request.method === "OPTIONS" || isAllowed(edge, request)) done();
    else void refuse(reply);
  };
  const answer = (request: FastifyRequest, reply: FastifyReply) =>
    answerShape(edge, request, reply);
  app.route({ method: ["GET", "HEAD"], url, schema: GET_SHAPE, onRequest, handler: answer });
  app.post(url, { schema: POST_SHAPE, onRequest }, answer);
  app.delete(url, { schema: DELETE_SHAPE, onRequest }, (request, reply) =>
    deleteShape(edge, request, reply),
  );
  app.options(url, { schema: PREFLIGHT, onRequest }, async (request, reply) => {
    reply.code(204).headers(preflightHeaders(request.headers));
    // Of HTTP/2 it is no header.
    if (request.raw.httpVersionMajor !== 1) reply.removeHeader("connection");
    await reply.send();
  });
}

function addOtherRoutes(
  app: FastifyInstance,
  edge: Edge,
  described: readonly DescribedRoute[],
): void {
  const { service } = edge.options;
  const begin = beginDocument(edge);
  app.route({
    method: ["GET", "HEAD"],
    url: "/v1/health",
    schema: GET_HEALTH,
    onRequest: begin,
    handler: async (_request, reply) => {
      const { status } = service;
      await reply.code(status === "active" ? 200 : 202).send(JSON.stringify({ status }));
    },
  });
  addOpenApiRoute(app, described, begin);
}

function addOperatorRoutes(app: FastifyInstance, edge: Edge): void {
  addConsoleRoutes(app, edge);
  addAdminRoutes(app, edge, [
    beginDocument(edge),
    async (request, reply) => {
      if (!isAllowed(edge, request)) await refuse(reply);
    },
  ]);
}

/** Begins an answer in JSON that nobody may keep. */
function beginDocument(edge: Edge) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    edge.begin(request, reply, OTHER_METHODS);
    reply.header("cache-control", "no-cache, no-store, must-revalidate").type(JSON_TYPE);
    return Promise.resolve();
  };
}

/** Protocol 1.4. */
function isAllowed(edge: Edge, request: FastifyRequest): boolean {
  return isAuthorized(request.raw.url ?? "", edge.options.config.secret);
}

function refuse(reply: FastifyReply): FastifyReply {
  reply.code(401).header("cache-control", UNCACHED_PAGE).type(JSON_TYPE);
  return reply.send(JSON.stringify({ message: "Unauthorized - Invalid API secret" }));
}
