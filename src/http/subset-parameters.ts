/**
 * The members of a subset (protocol 12), cast and checked: the ninth stage of protocol 3.3, which
 * comes after the shape's definition was found right. What needs the table is checked later still.
 *
 * `where_expr` and `order_by_expr`, which newer clients send beside the text, are ignored like any
 * name that nobody knows.
 */

import type { SubsetRequest } from "../shapes/shape-service.ts";
import { Cast } from "./cast.ts";
import type { Query, QueryScalar } from "./query.ts";

const NOT_JSON = "params must be valid JSON";
const NOT_AN_OBJECT = "params must be a JSON object";
const NOT_A_SCALAR = "params must have texts, numbers or booleans as values";
const NOT_SAFE = "params must have whole numbers beyond 2^53 as texts";

/** @throws {InvalidRequest} with the errors under `subset`. */
export function parseSubsetParameters(members: Query): SubsetRequest {
  const cast = new Cast(members);
  const where = cast.text("where");
  const params = readParams(cast, members);
  const limit = cast.integer("limit");
  const offset = cast.integer("offset");
  const orderBy = cast.text("order_by");
  if (limit !== undefined && limit <= 0) cast.error("limit", "must be greater than 0");
  if (offset !== undefined && offset < 0) {
    cast.error("offset", "must be greater than or equal to 0");
  }
  const isPage = limit !== undefined || offset !== undefined;
  if (isPage && orderBy === undefined && !cast.hasError("order_by")) {
    cast.error("order_by", "order_by is required when limit or offset is present");
  }
  cast.endStage("subset");
  return { where, params, limit, offset, orderBy };
}

/** A JSON object as text, or a map: `subset__params[1]=x`, or an object in a body. */
function readParams(cast: Cast, members: Query): Readonly<Record<string, string>> {
  if (!cast.isPresent("params")) return {};
  const value = members.get("params");
  if (value instanceof Map) {
    return textsOf(cast, [...(value as ReadonlyMap<string, QueryScalar>)]);
  }
  const text = cast.text("params");
  if (text === undefined) return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      return textsOf(cast, Object.entries(parsed));
    }
    cast.error("params", NOT_AN_OBJECT);
  } catch {
    cast.error("params", NOT_JSON);
  }
  return {};
}

function textsOf(cast: Cast, entries: readonly [string, unknown][]): Record<string, string> {
  const problem = entries.map(([, value]) => problemOf(value)).find((found) => found !== undefined);
  if (problem !== undefined) cast.error("params", problem);
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]));
}

function problemOf(value: unknown): string | undefined {
  if (typeof value === "string" || typeof value === "boolean") return undefined;
  if (typeof value !== "number") return NOT_A_SCALAR;
  // It was rounded when it was read: another value than the client meant.
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? NOT_SAFE : undefined;
}
