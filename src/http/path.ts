/**
 * One spelling per path (protocol 1): split on `/`, empty segments dropped, each segment decoded.
 * Routing, authentication and CORS all see the result, so no spelling gets around the secret.
 *
 * A segment is encoded again afterwards: an encoded slash stays part of its segment, and the
 * router, which decodes once more, finds what was meant.
 */

/** Normalises the path of a request target and leaves its query string alone. */
export function normalizeTarget(target: string): string {
  const end = target.indexOf("?");
  const path = end === -1 ? target : target.slice(0, end);
  return normalizePath(path) + (end === -1 ? "" : target.slice(end));
}

/** Nothing to decode, no empty segment: spelled as we would. */
const PLAIN = /^(?:\/[\w.~-]+)+$/;

function normalizePath(path: string): string {
  if (PLAIN.test(path)) return path;
  // Proxies may send the absolute form (RFC 9112, section 3.2.2).
  const segments = path.replace(/^https?:\/\/[^/]*/i, "").split("/");
  return `/${segments.filter(Boolean).map(respell).join("/")}`;
}

function respell(segment: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(segment));
  } catch {
    // Not decodable, hence no route of ours: as literal text it leads to a 404 like any other.
    return encodeURIComponent(segment.replaceAll(/[\ud800-\udfff]/g, "?"));
  }
}
