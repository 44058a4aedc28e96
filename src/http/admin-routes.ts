/**
 * What operators ask: where the bytes are, which shapes there are, what becomes of a WHERE. Behind
 * the secret, like the shapes themselves; never cached.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { LitzError } from "../lib/errors.ts";
import { parseShapeHandle, type ShapeHandle } from "../model/ids.ts";
import { LIST_LIMIT_MAX, type ListRequest, type ShapeAdmin } from "../shapes/shape-admin.ts";
import { SHAPE_CLASSES } from "../model/explanation.ts";
import { Cast } from "./cast.ts";
import type { Edge } from "./edge.ts";
import { InvalidRequest } from "./errors.ts";
import { explain } from "./explanations.ts";
import { parseExplainParameters } from "./parameters.ts";
import { parseQuery, type Query } from "./query.ts";
import { queryOf, readBody } from "./request-body.ts";
import {
  EXPLAIN_SHAPE,
  GET_MEMORY,
  GET_STATUS,
  LIST_SHAPES,
  LIST_TEMPLATES,
} from "./route-schemas.ts";

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const LIST_LIMIT = 100;

/** @param onRequest begins an answer and asks for the secret. */
export function addAdminRoutes(app: FastifyInstance, edge: Edge, onRequest: Hook[]): void {
  const get = (url: string, schema: object, answer: (query: Query) => object | Promise<object>) => {
    app.route({
      method: ["GET", "HEAD"],
      url,
      schema,
      onRequest,
      handler: async (request, reply) => {
        await reply.send(JSON.stringify(await answer(parseQuery(request.raw.url ?? ""))));
      },
    });
  };
  get("/admin/memory", GET_MEMORY, () => ({
    ...edge.options.memoryReport(),
    http: edge.report(),
  }));
  get("/admin/status", GET_STATUS, async () => {
    return (await edge.options.figures?.()) ?? { http: edge.traffic.report() };
  });
  get("/admin/templates", LIST_TEMPLATES, () => ({ templates: adminOf(edge).templates() }));
  get("/admin/shapes", LIST_SHAPES, (query) => adminOf(edge).list(parseListRequest(query)));
  app.post("/admin/explain", { schema: EXPLAIN_SHAPE, onRequest }, async (request, reply) => {
    const body = (await readBody(request.raw)) ?? {};
    const { row, ...definition } = body;
    const asked = parseExplainParameters(queryOf(definition));
    const explained = adminOf(edge).explain(asked, row === undefined ? undefined : readRow(row));
    await reply.send(JSON.stringify(await explain("definition", explained)));
  });
}

/** @throws {LitzError} 503 while the service starts. */
function adminOf(edge: Edge): ShapeAdmin {
  const admin = edge.options.shapeAdmin?.();
  if (admin !== undefined) return admin;
  throw new LitzError("Shapes are still being restored, please retry", {
    code: "NOT_READY",
    httpStatus: 503,
    retriable: true,
  });
}

function parseListRequest(query: Query): ListRequest {
  const cast = new Cast(query);
  const limit = cast.integer("limit") ?? LIST_LIMIT;
  if (!cast.hasError("limit") && (limit < 1 || limit > LIST_LIMIT_MAX)) {
    cast.error("limit", `must be from 1 to ${LIST_LIMIT_MAX}`);
  }
  const after = cast.text("after");
  const handle: ShapeHandle | undefined = after === undefined ? undefined : parseShapeHandle(after);
  if (after !== undefined && handle === undefined) cast.error("after", "is no handle of a shape");
  const wanted = cast.oneOf("class", SHAPE_CLASSES);
  cast.endStage();
  return { limit, after: handle, class: wanted };
}

/** Values as Postgres writes them; those of JSON that can be told are turned into that. */
function readRow(row: unknown): Readonly<Record<string, string | null>> {
  const refuse = (message: string) => new InvalidRequest({ row: [message] });
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw refuse("must be an object of values by column");
  }
  const values = Object.entries(row).map(([name, value]: [string, unknown]) => {
    if (value === null || typeof value === "string") return [name, value];
    if (typeof value === "number") return [name, String(value)];
    if (typeof value === "boolean") return [name, value ? "t" : "f"];
    throw refuse(`the value of ${name} must be a text as Postgres writes it, or null`);
  });
  return Object.fromEntries(values) as Record<string, string | null>;
}
