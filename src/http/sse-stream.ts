/**
 * One client's event stream (protocol 5.8): what is in the log behind its offset, then an
 * up-to-date message, then whatever comes, until the client goes, the shape does, or time is up.
 *
 *     log ──page──> events ──> sink ──> client
 *                                 \__ the next page when this one was taken
 *
 * 1. A stream that stays ends on a whole event.
 * 2. An up-to-date message stands at the end of the log only, and names an LSN that lies behind
 *    every transaction that was sent and before every one to come: the client continues there.
 *    Where there is none, because the shape is behind, some of it may come again, and none is lost.
 * 3. No more than a page is held for a client that reads slowly, and one that stalls is ended.
 */

import { compareLogOffsets, type LogOffset } from "../model/log-offset.ts";
import type { ServedShape, ShapeService } from "../shapes/shape-service.ts";
import type { LogChunk } from "../storage/storage.ts";
import { upToDate } from "./responses.ts";
import { eventOf, eventsOf } from "./sse-events.ts";

/** Where events go. */
export interface EventSink {
  readonly isGone: boolean;
  /** False: more is held back than should be, until `taken`. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when the client has taken what was written, or is gone. */
  taken(): Promise<void>;
}

export interface EventSource {
  readonly service: ShapeService;
  readonly shape: ServedShape;
  /** Aborted when the server closes or the client is gone. */
  readonly signal: AbortSignal;
}

/**
 * Sends the chunk and what follows it, up to the end of the log. The offset reached; undefined: the
 * stream is over.
 */
export async function catchUp(
  source: EventSource,
  sink: EventSink,
  first: LogChunk,
): Promise<LogOffset | undefined> {
  const { service, shape, signal } = source;
  let chunk = first;
  for (;;) {
    if (!(await sendPages(sink, chunk))) return undefined;
    const { end } = chunk;
    if (!shape.isCurrent || signal.aborted) return undefined;
    if (chunk.isUpToDate && compareLogOffsets(shape.log.latestOffset(), end) <= 0) {
      const isNews = !chunk.isEmpty || chunk !== first;
      if (isNews) sink.write(eventOf(upToDate(positionBehind(end, service, shape))));
      return end;
    }
    chunk = await shape.log.readChunk(end, source);
  }
}

/**
 * What an up-to-date message of a stream says, at the end of a log and in the same turn in which
 * that was seen to be the end. WAL records are aligned to eight bytes: no transaction commits one
 * byte behind another.
 */
export function positionBehind(
  end: LogOffset,
  service: Pick<ShapeService, "lastProcessedLsn">,
  { heldLsn }: Pick<ServedShape, "heldLsn">,
): bigint {
  const processed = service.lastProcessedLsn;
  if (heldLsn !== undefined) {
    const complete = heldLsn < processed ? heldLsn : processed;
    return complete > end.tx ? complete : end.tx;
  }
  return processed > end.tx ? processed : end.tx + 1n;
}

/** False: nobody is left to send them to. */
async function sendPages(sink: EventSink, chunk: LogChunk): Promise<boolean> {
  if (chunk.isEmpty) return !sink.isGone;
  for await (const page of chunk.pages()) {
    if (sink.isGone) return false;
    if (page.byteLength > 0 && !sink.write(eventsOf(page))) await sink.taken();
  }
  return !sink.isGone;
}
