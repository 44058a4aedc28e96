/** The API secret (protocol 1.4): a query parameter, compared in constant time. */

import { createHash, timingSafeEqual } from "node:crypto";
import { parseQuery, textOf } from "./query.ts";

/**
 * True when no secret is required, or the request has it.
 *
 * @param target what the request asks for, with its query string.
 */
export function isAuthorized(target: string, secret: string | undefined): boolean {
  if (secret === undefined) return true;
  const query = parseQuery(target);
  const given = textOf(query, "secret") ?? textOf(query, "api_secret");
  return given !== undefined && timingSafeEqual(digest(given), digest(secret));
}

/** Digests have equal sizes, so that not even the size of the secret shows. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
