/**
 * The OpenAPI 3.1 document of routes. Loaded when somebody asks for it: the packages that put it
 * together are larger than the rest of the HTTP layer.
 */

import fastifySwagger from "@fastify/swagger";
import { fastify, type FastifySchema, type HTTPMethods } from "fastify";
import { MESSAGE_SCHEMAS } from "./message-schemas.ts";
import { UNCHECKED } from "./unchecked-schemas.ts";
import { VERSION } from "./version.ts";

/** A route as the document sees it. */
export interface DescribedRoute {
  readonly method: HTTPMethods | HTTPMethods[];
  readonly url: string;
  readonly schema: FastifySchema;
}

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

/** As JSON. The routes are added to an application of their own, which is never asked anything. */
export async function openApiDocument(routes: readonly DescribedRoute[]): Promise<string> {
  const app = fastify({ schemaController: UNCHECKED });
  for (const schema of MESSAGE_SCHEMAS) app.addSchema(schema);
  await app.register(fastifySwagger, {
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
  for (const route of routes) app.route({ ...route, handler: () => undefined });
  await app.ready();
  const document = JSON.stringify(app.swagger());
  await app.close();
  return document;
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
