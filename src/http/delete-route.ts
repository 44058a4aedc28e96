/** DELETE of `/v1/shape` (protocol 1.3): for tests and operators, and only where it is enabled. */

import type { FastifyReply, FastifyRequest } from "fastify";
import { parseShapeHandle, type ShapeHandle } from "../model/ids.ts";
import type { ShapeService } from "../shapes/shape-service.ts";
import type { Edge } from "./edge.ts";
import { explain } from "./explanations.ts";
import { parseDeleteParameters, type DeleteParameters } from "./parameters.ts";
import { parseQuery } from "./query.ts";
import { JSON_TYPE } from "./responses.ts";

const MISMATCH =
  "The specified shape definition and handle do not match. Please ensure the shape definition is " +
  "correct or omit the shape handle from the request to obtain a new one.";

/** REQUIRES: the request is authorized. */
export async function deleteShape(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { service, config } = edge.options;
  await service.ready(config.readyTimeoutMs);
  reply.header("cache-control", "no-cache");
  if (!config.enableDelete) {
    reply.header("allow", "GET, HEAD, POST, OPTIONS");
    return answer(reply, 405, "DELETE not allowed");
  }
  const found = await findShape(service, parseDeleteParameters(parseQuery(request.raw.url ?? "")));
  if (found === "not found") return answer(reply, 404, "No existing shape found");
  if (found === "mismatch") return answer(reply, 400, MISMATCH);
  await service.remove(found.handle);
  await reply.code(202).send();
}

type Found = { readonly handle: ShapeHandle } | "not found" | "mismatch";

async function findShape(service: ShapeService, parameters: DeleteParameters): Promise<Found> {
  const { definition, handle } = parameters;
  if (definition !== undefined) {
    const shape = service.find(await explain("definition", service.define(definition)));
    if (shape === undefined) return "not found";
    return handle === undefined || handle === shape.handle ? shape : "mismatch";
  }
  const known = parseShapeHandle(handle!);
  const exists = known !== undefined && service.definitionOf(known) !== undefined;
  return exists ? { handle: known } : "not found";
}

async function answer(reply: FastifyReply, status: number, message: string): Promise<void> {
  await reply.code(status).type(JSON_TYPE).send(JSON.stringify({ message }));
}
