/**
 * `/openapi.json`: what the routes say of themselves, as an OpenAPI 3.1 document. It is put
 * together once, when it is first asked for.
 */

import type { FastifyInstance } from "fastify";
import type { DescribedRoute } from "./openapi-document.ts";
import { GET_OPENAPI } from "./route-schemas.ts";
import { serializerCompiler, validatorCompiler } from "./unchecked-schemas.ts";

/**
 * Remembers every route that is added to the scope from now on, or to one within. What Fastify adds
 * by itself has no schema.
 */
export function describeRoutes(app: FastifyInstance): readonly DescribedRoute[] {
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  const routes: DescribedRoute[] = [];
  app.addHook("onRoute", ({ method, url, schema }) => {
    if (schema !== undefined) routes.push({ method, url, schema });
  });
  return routes;
}

/** @param routes what the document describes, once the application is ready. */
export function addOpenApiRoute(
  app: FastifyInstance,
  routes: readonly DescribedRoute[],
  onRequest: NonNullable<Parameters<FastifyInstance["route"]>[0]["onRequest"]>,
): void {
  let document: Promise<string> | undefined;
  app.route({
    method: ["GET", "HEAD"],
    url: "/openapi.json",
    schema: GET_OPENAPI,
    onRequest,
    handler: async (_request, reply) => {
      document ??= import("./openapi-document.ts").then(({ openApiDocument }) =>
        openApiDocument(routes),
      );
      await reply.send(await document);
    },
  });
}
