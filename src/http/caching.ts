/** `cache-control` by case (protocol 4.3): the first case that applies decides. */

import type { RequestedOffset } from "./etag.ts";

/** What the framework of the original says where the protocol asks for nothing. */
export const UNCACHED_PAGE = "max-age=0, private, must-revalidate";

export interface CachePolicy {
  readonly maxAgeSeconds: number;
  readonly staleAgeSeconds: number;
  readonly sseTimeoutMs: number;
}

export function logCacheControl(
  requested: RequestedOffset,
  isLive: boolean,
  policy: CachePolicy,
): string {
  if (requested !== "now" && requested.tx < 0n) {
    return "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746";
  }
  if (isLive) return "public, max-age=5, stale-while-revalidate=5";
  const { maxAgeSeconds, staleAgeSeconds } = policy;
  return `public, max-age=${maxAgeSeconds}, stale-while-revalidate=${staleAgeSeconds}`;
}

/** A stream is worth as much to a cache as it lasts, less the second in which it ends. */
export function streamCacheControl({ sseTimeoutMs }: CachePolicy): string {
  return `public, max-age=${Math.max(1, Math.floor(sseTimeoutMs / 1000) - 1)}`;
}

export function mustRefetchCacheControl(hasHandle: boolean): string {
  return `public, max-age=${hasHandle ? 60 : 1}, must-revalidate`;
}

/** HEAD counts as GET; what other methods are answered is nobody's to keep. */
export function errorCacheHeaders(method: string): Record<string, string> {
  if (method !== "GET" && method !== "HEAD") return { "cache-control": "no-cache" };
  return { "cache-control": "no-store", "surrogate-control": "no-store" };
}
