/**
 * CORS (protocol 1.2). Every response carries these headers, the 401 included, so that the code in
 * a browser can read what went wrong.
 */

import type { IncomingHttpHeaders } from "node:http";

export const SHAPE_METHODS = "GET, POST, HEAD, DELETE, OPTIONS";
export const OTHER_METHODS = "GET, HEAD";

const EXPOSED = [
  "electric-cursor",
  "electric-handle",
  "electric-has-data",
  "electric-offset",
  "electric-schema",
  "electric-up-to-date",
  "electric-internal-known-error",
  "retry-after",
].join(",");

/** A header name (RFC 9110, section 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export function corsHeaders(request: IncomingHttpHeaders, methods: string): Record<string, string> {
  return {
    "access-control-allow-origin": request.origin ?? "*",
    "access-control-expose-headers": EXPOSED,
    "access-control-allow-methods": methods,
  };
}

export function preflightHeaders(request: IncomingHttpHeaders): Record<string, string> {
  const requested = allowedHeaders(request["access-control-request-headers"]);
  return {
    ...corsHeaders(request, SHAPE_METHODS),
    "access-control-max-age": "86400",
    ...(requested === "" ? {} : { "access-control-allow-headers": requested }),
    connection: "keep-alive",
  };
}

/** Any header may be sent: which ones matter is between a client and its proxies. */
function allowedHeaders(requested: string | undefined): string {
  const names = (requested ?? "").split(",").map((name) => name.trim());
  return names.filter((name) => TOKEN.test(name)).join(",");
}
