/**
 * The body of a POST (protocol 2.4): read within a limit, parsed, and laid over the parameters of
 * the URL. Its content type is not looked at.
 *
 *     {"subset":{"where":...},"columns":...}    subset__where, columns
 *     {"where":...,"limit":10,"columns":...}    subset__where, subset__limit, columns
 *
 * So `where`, `params` and `offset` at the top are never those of the shape, unless a `subset`
 * stands beside them.
 */

import type { IncomingMessage } from "node:http";
import { InvalidBody } from "./errors.ts";
import { REQUEST_BODY_BYTES_MAX } from "./limits.ts";
import { MALFORMED, type Query, type QueryScalar, type QueryValue } from "./query.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads the body to its end.
 *
 * @returns undefined when it is empty.
 * @throws {InvalidBody}
 */
export async function readBody(request: IncomingMessage): Promise<JsonObject | undefined> {
  if (request.readableEnded) return readByHost(request);
  const bytes = await readBytes(request);
  return bytes.length === 0 ? undefined : parseBody(bytes);
}

/** What a body parser in front of us, in somebody's own server, has made of it. */
function readByHost(request: IncomingMessage & { readonly body?: unknown }): JsonObject {
  const { body } = request;
  if (typeof body === "string" || Buffer.isBuffer(body)) return parseBody(Buffer.from(body));
  if (isObject(body)) return body;
  const advice = "let litz handle requests before any middleware reads their bodies";
  throw new InvalidBody("The request body was read by somebody else", 400, advice);
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > REQUEST_BODY_BYTES_MAX) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= REQUEST_BODY_BYTES_MAX) {
        chunks.push(chunk);
        return;
      }
      // The stream is not destroyed, which would take the answer with it: what follows flows on,
      // to nobody.
      request.off("data", onData);
      reject(tooLarge());
    };
    const fail = (): void => reject(new InvalidBody("Failed to read request body", 400));
    request.on("data", onData);
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", fail);
    request.once("close", fail);
  });
}

function parseBody(bytes: Buffer): JsonObject {
  let body: unknown;
  try {
    // Fatal, because a replacement character would turn one filter into another.
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    const details = error instanceof Error ? error.message : "no JSON";
    throw new InvalidBody("Invalid JSON in request body", 400, details);
  }
  if (isObject(body)) return body;
  throw new InvalidBody("Request body must be a JSON object", 400);
}

/** A body as parameters, where there is nothing that it is laid over. */
export function queryOf(body: JsonObject): Query {
  const query = new Map<string, QueryValue>();
  for (const [name, value] of Object.entries(body)) set(query, name, value);
  return query;
}

const SUBSET_MEMBERS: ReadonlySet<string> = new Set([
  "where",
  "order_by",
  "limit",
  "offset",
  "params",
  "where_expr",
  "order_by_expr",
]);

/** The parameters of the URL with those of the body over them. */
export function mergeBody(query: Query, body: JsonObject): Query {
  const merged = new Map(query);
  const { subset } = body;
  if (isObject(subset)) {
    if (!(merged.get("subset") instanceof Map)) merged.set("subset", new Map());
    for (const [name, value] of Object.entries(subset)) setSubset(merged, name, value);
  }
  for (const [name, value] of Object.entries(body)) {
    if (isObject(subset)) {
      if (name !== "subset") set(merged, name, value);
    } else if (SUBSET_MEMBERS.has(name)) {
      setSubset(merged, name, value);
    } else {
      set(merged, name, value);
    }
  }
  return merged;
}

/** Null takes away what the URL says. */
function set(merged: Map<string, QueryValue>, name: string, value: unknown): void {
  if (value === null) merged.delete(name);
  else merged.set(name, toQueryValue(value));
}

/** A blank member is absent, and still makes the request one for a subset. */
function setSubset(merged: Map<string, QueryValue>, name: string, value: unknown): void {
  merged.set(`subset__${name}`, value === null ? "" : toQueryValue(value));
}

function toQueryValue(value: unknown): QueryValue {
  if (Array.isArray(value)) return value.map(toScalar);
  if (!isObject(value)) return toScalar(value);
  return new Map(Object.entries(value).map(([key, member]) => [key, toScalar(member)]));
}

function toScalar(value: unknown): QueryScalar {
  const isScalar =
    typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isScalar ? value : MALFORMED;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tooLarge(): InvalidBody {
  return new InvalidBody("Request body too large", 413);
}
