/** Entity tags of shape logs (protocol 4.2). */

import type { ShapeHandle } from "../model/ids.ts";
import { formatLogOffset, type LogOffset } from "../model/log-offset.ts";

/** `now` is answered with the end of the log and no data. */
export type RequestedOffset = LogOffset | "now";

/** The tag without its quotes. Equal tags have equal content: chunks never change. */
export function shapeEtag(handle: ShapeHandle, requested: RequestedOffset, end: LogOffset): string {
  return `${handle}:${formatRequestedOffset(requested)}:${formatLogOffset(end)}`;
}

export function formatRequestedOffset(requested: RequestedOffset): string {
  return requested === "now" ? "now" : formatLogOffset(requested);
}

/** Whether an `if-none-match` names the tag. A `W/` is what proxies that compress make of ours. */
export function matchesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((item) => bareTag(item) === etag);
}

function bareTag(item: string): string {
  return item
    .trim()
    .replace(/^W\//, "")
    .replaceAll(/^[\s"]+|[\s"]+$/g, "");
}
