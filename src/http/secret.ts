/** The API secret (protocol 1.4): a query parameter, compared in constant time. */

import { createHash, timingSafeEqual } from "node:crypto";
import { textOf, type Query } from "./query.ts";

/** True when no secret is required, or the request has it. */
export function isAuthorized(query: Query, secret: string | undefined): boolean {
  if (secret === undefined) return true;
  const given = textOf(query, "secret") ?? textOf(query, "api_secret");
  return given !== undefined && timingSafeEqual(digest(given), digest(secret));
}

/** Digests have equal sizes, so that not even the size of the secret shows. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
