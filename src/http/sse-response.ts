/**
 * An event stream through the HTTP layer: for servers that are not ours, for HTTP/2, and for
 * clients that cannot be parked. Streams on lanes are in lane-streams.ts.
 */

import type { ServerResponse } from "node:http";
import type { Clock } from "../lib/clock.ts";
import type { LogChunk } from "../storage/storage.ts";
import type { Client } from "./client.ts";
import { SSE_KEEP_ALIVE_MS } from "./limits.ts";
import { KEEP_ALIVE } from "./sse-events.ts";
import { catchUp, type EventSink, type EventSource } from "./sse-stream.ts";

export interface EventTimes {
  readonly clock: Clock;
  readonly sseTimeoutMs: number;
  readonly stalledReaderTimeoutMs: number;
}

/**
 * Sends events until the stream is over, and ends the response.
 *
 * @throws what reading the log throws, if its shape is still there; the stream has ended by then.
 */
export async function streamEvents(
  source: EventSource,
  sink: ResponseSink,
  first: LogChunk,
  times: EventTimes,
): Promise<void> {
  const deadline = times.clock.nowMilliseconds() + times.sseTimeoutMs;
  try {
    let chunk: LogChunk | undefined = first;
    while (chunk !== undefined) chunk = await nextChunk(source, sink, chunk, { times, deadline });
  } catch (error) {
    if (source.shape.isCurrent && !source.signal.aborted) throw error;
  } finally {
    sink.end();
  }
}

/** Sends the chunk and waits for what follows; undefined: the stream is over. */
async function nextChunk(
  source: EventSource,
  sink: ResponseSink,
  chunk: LogChunk,
  { times, deadline }: { readonly times: EventTimes; readonly deadline: number },
): Promise<LogChunk | undefined> {
  const { shape, signal } = source;
  const end = await catchUp(source, sink, chunk);
  if (end === undefined) return undefined;
  for (;;) {
    const remainingMs = deadline - times.clock.nowMilliseconds();
    if (remainingMs <= 0) return undefined;
    const waitMs = Math.min(remainingMs, SSE_KEEP_ALIVE_MS);
    const outcome = await shape.waitForChange(end, waitMs, signal);
    if (outcome === "changed") return shape.log.readChunk(end, source);
    if (outcome !== "timeout" || sink.isGone) return undefined;
    if (waitMs === SSE_KEEP_ALIVE_MS) sink.write(KEEP_ALIVE);
  }
}

export class ResponseSink implements EventSink {
  readonly #response: ServerResponse;
  readonly #client: Client;
  #wake: () => void = () => undefined;
  /** As `writableNeedDrain`, which responses of HTTP/2 do not have. */
  #isFull = false;

  constructor(response: ServerResponse, client: Client, stalledReaderTimeoutMs: number) {
    this.#response = response;
    this.#client = client;
    const wake = (): void => {
      this.#isFull = false;
      this.#wake();
    };
    response.on("drain", wake);
    if (!client.isGone) client.onGone(wake);
    // Node looks at what the kernel took. A stream that is silent has nothing left to write.
    response.setTimeout(stalledReaderTimeoutMs, () => {
      if (response.writableLength > 0) this.#reset();
    });
  }

  get isGone(): boolean {
    return this.#client.isGone;
  }

  write(bytes: Uint8Array): boolean {
    if (this.isGone) return true;
    this.#isFull = !this.#response.write(bytes);
    return !this.#isFull;
  }

  async taken(): Promise<void> {
    if (this.isGone || !this.#isFull) return;
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  end(): void {
    if (!this.isGone) this.#response.end();
  }

  #reset(): void {
    try {
      this.#response.socket!.resetAndDestroy();
    } catch {
      // Only plain TCP connections can be reset.
      this.#response.destroy();
    }
  }
}
