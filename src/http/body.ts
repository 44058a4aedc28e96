/**
 * Bodies of shape logs and subsets: pages as they come, never more than one in memory.
 *
 *     [ page page ... , up-to-date ]        every page but the first begins with its own comma
 *     {"metadata":...,"data":[ page page ... ]}
 *
 * 1. The next page is asked for when the reader has taken the last one.
 * 2. The generator is ended, however the response ends: it holds files open.
 * 3. A body that cannot be completed never looks complete: the connection is reset instead.
 *
 * `pages().pipe(response)` breaks the second, and a socket that is merely destroyed leaves
 * megabytes in the kernel, which a reset frees.
 */

import type { ServerResponse } from "node:http";
import type { LogChunk } from "../storage/storage.ts";
import type { Client } from "./client.ts";

/** A chunk whose first page is there already, so that what goes wrong early can still be said. */
export interface OpenBody {
  readonly first: IteratorResult<Uint8Array, void>;
  readonly pages: AsyncGenerator<Uint8Array, void, void>;
}

export async function openBody(chunk: LogChunk): Promise<OpenBody> {
  return openPages(chunk.pages());
}

export async function openPages(pages: OpenBody["pages"]): Promise<OpenBody> {
  return { first: await pages.next(), pages };
}

export interface BodyFrame {
  readonly opening: string;
  readonly closing: string;
}

/** A log is an array of messages. */
export const LOG_FRAME: BodyFrame = { opening: "[", closing: "]" };

/** Ends a body that nobody will read. Safe while a page is awaited, and more than once. */
export function closeBody(body: OpenBody): void {
  body.pages.return().catch(() => undefined);
}

export interface PumpOptions {
  /** What stands around the pages. */
  readonly frame: BodyFrame;
  /** The last message, when the body does not end with its pages. */
  readonly tail: string | undefined;
  readonly stalledReaderTimeoutMs: number;
}

/**
 * Writes the body and ends the response. Resolves when the reader has it all or is gone.
 *
 * @throws what the generator throws; the connection is reset then.
 */
export async function pumpBody(
  body: OpenBody,
  response: ServerResponse,
  client: Client,
  options: PumpOptions,
): Promise<void> {
  const reader = new Reader(response, client, options.stalledReaderTimeoutMs);
  try {
    let isFirst = true;
    for (let step = body.first; !step.done; step = await reader.whileThere(body.pages.next())) {
      if (client.isGone) return;
      if (step.value.length === 0) continue;
      if (isFirst) response.write(options.frame.opening);
      isFirst = false;
      if (!response.write(step.value)) await reader.ready();
    }
    if (client.isGone) return;
    const { frame, tail } = options;
    const separator = tail === undefined || isFirst ? "" : ",\n";
    response.end(`${isFirst ? frame.opening : ""}${separator}${tail ?? ""}${frame.closing}`);
    await reader.ready();
  } catch (error) {
    reader.reset();
    throw error;
  } finally {
    closeBody(body);
  }
}

const ENDED: IteratorResult<Uint8Array, void> = { done: true, value: undefined };

/** Who reads the response. */
class Reader {
  readonly #response: ServerResponse;
  readonly #client: Client;
  #wake: () => void = () => undefined;

  constructor(response: ServerResponse, client: Client, stalledTimeoutMs: number) {
    this.#response = response;
    this.#client = client;
    const wake = (): void => this.#wake();
    response.on("drain", wake);
    response.once("finish", wake);
    if (!client.isGone) client.onGone(wake);
    // Node looks at what the kernel took, so any progress counts. The silence may also be ours,
    // while the next page is being made: then nothing is left to write.
    response.setTimeout(stalledTimeoutMs, () => {
      if (response.writableLength > 0) this.reset();
    });
  }

  /** Resolves when everything written was taken, or nobody is left to take it. */
  async ready(): Promise<void> {
    if (this.#client.isGone || this.#response.writableFinished) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** The next page; the end as soon as the reader is gone, however long the page takes. */
  async whileThere(
    page: Promise<IteratorResult<Uint8Array, void>>,
  ): Promise<IteratorResult<Uint8Array, void>> {
    return new Promise((resolve, reject) => {
      this.#wake = (): void => {
        if (this.#client.isGone) resolve(ENDED);
      };
      page.then(resolve, reject);
    });
  }

  reset(): void {
    try {
      this.#response.socket!.resetAndDestroy();
    } catch {
      // Only plain TCP connections can be reset, and only once it is this response's turn.
      this.#response.destroy();
    }
  }
}
