/**
 * `/openapi.json`: what the routes say of themselves, as an OpenAPI 3.1 document. It is put
 * together once, when it is first asked for.
 */

import fastifySwagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { MESSAGE_SCHEMAS } from "./message-schemas.ts";
import { GET_OPENAPI } from "./route-schemas.ts";
import { VERSION } from "./version.ts";

/** A name that nobody has who describes an application that these routes are part of. */
const DECORATOR = "describeShapeRoutes";

/** What is used of the document here. */
interface Described {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly requestBody?: { required?: boolean };
  readonly parameters?: { schema?: { type?: string }; style?: string; explode?: boolean }[];
  readonly responses?: Readonly<Record<string, { readonly headers?: Record<string, Header> }>>;
}

interface Header {
  required?: boolean;
  readonly schema: { "x-required"?: true };
}

/** To be called before the routes are added, in the same scope or one around theirs. */
export function describeRoutes(app: FastifyInstance): void {
  // The schemas describe; who is right about a request is decided elsewhere.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
  for (const schema of MESSAGE_SCHEMAS) app.addSchema(schema);
  app.register(fastifySwagger, {
    decorator: DECORATOR as "swagger",
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "litz",
        version: VERSION,
        description: "Shapes of Postgres tables over HTTP, in the protocol of Electric.",
      },
    },
    refResolver: {
      buildLocalReference: (schema, _baseUri, _fragment, index) =>
        typeof schema.$id === "string" ? schema.$id : `Schema${index}`,
    },
    transformObject: (document) => {
      const described = "openapiObject" in document ? document.openapiObject : {};
      complete(described as Described);
      return described;
    },
  });
}

/** REQUIRES: the scope is described. */
export function addOpenApiRoute(
  app: FastifyInstance,
  onRequest: NonNullable<Parameters<FastifyInstance["route"]>[0]["onRequest"]>,
): void {
  let document: string | undefined;
  app.route({
    method: ["GET", "HEAD"],
    url: "/openapi.json",
    schema: GET_OPENAPI,
    onRequest,
    handler: async (_request, reply) => {
      const describe = (app as unknown as Record<string, () => object>)[DECORATOR]!;
      document ??= JSON.stringify(describe.call(app));
      await reply.send(document);
    },
  });
}

/** What the schemas of routes cannot say by themselves. */
function complete({ paths = {} }: Described): void {
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    if (operation.requestBody !== undefined) operation.requestBody.required = false;
    for (const parameter of operation.parameters ?? []) {
      // `params[1]=x`
      if (parameter.schema?.type !== "object") continue;
      parameter.style = "deepObject";
      parameter.explode = true;
    }
    for (const { headers = {} } of Object.values(operation.responses ?? {})) {
      for (const header of Object.values(headers)) {
        if (header.schema["x-required"] === true) header.required = true;
        delete header.schema["x-required"];
      }
    }
  }
}
