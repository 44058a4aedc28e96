/**
 * Compressed bodies (RFC 9110, section 12.5.3): snapshots and catch-up shrink to a tenth, page by
 * page, as they are streamed.
 *
 *     pages ──> encoder, flushed after each ──> pages        one page in memory, as without
 *
 * 1. What lives is never compressed: a live answer is small or urgent, and made for many at once.
 * 2. A page that goes in comes out: nothing waits in the encoder for the next one.
 * 3. At most `COMPRESSIONS_MAX` pages are in libuv's thread pool at a time, or the journal, which
 *    is written and synced there, would have to queue behind them.
 *
 * The window is small for gzip (16 KiB, with 128 KiB of state) and for brotli, because a reader who
 * stalls keeps it. The entity tag is that of the plain body, as the protocol has it (4.2).
 */

import {
  constants,
  createBrotliCompress,
  createGzip,
  type BrotliCompress,
  type Gzip,
} from "node:zlib";
import { closeBody, openPages } from "./body.ts";
import { COMPRESSED_BYTES_MIN, COMPRESSIONS_MAX } from "./limits.ts";
import type { StreamedBody } from "./responses.ts";

export type Encoding = "gzip" | "br";

/** In order of preference where a client has none: gzip costs less than half. */
const ENCODINGS: readonly Encoding[] = ["gzip", "br"];

/** The encoding that suits the client best; undefined: none, or none that we know. */
export function negotiate(acceptEncoding: string | undefined): Encoding | undefined {
  const weights = parseWeights(acceptEncoding ?? "");
  const weightOf = (name: string): number => weights.get(name) ?? weights.get("*") ?? 0;
  // Who wants it plain says so; who says nothing of it has nothing against it.
  const plain = weights.get("identity") ?? 0;
  const best = ENCODINGS.reduce((a, b) => (weightOf(b) > weightOf(a) ? b : a));
  return weightOf(best) > 0 && weightOf(best) >= plain ? best : undefined;
}

function parseWeights(header: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const item of header.toLowerCase().split(",")) {
    const [name, ...parameters] = item.split(";").map((part) => part.trim());
    if (name === undefined || name === "") continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    weights.set(name === "x-gzip" ? "gzip" : name, weight >= 0 && weight <= 1 ? weight : 0);
  }
  return weights;
}

/** Whether the body is long enough for it, going by its first page. */
export function isWorthCompressing({ pages: { first } }: StreamedBody): boolean {
  return !first.done && first.value.byteLength >= COMPRESSED_BYTES_MIN;
}

/** The same body, compressed. Takes it over: closing the result closes it. */
export async function compress(body: StreamedBody, encoding: Encoding): Promise<StreamedBody> {
  const pages = await openPages(compressPages(body, new Encoder(encoding)));
  return { pages, frame: { opening: "", closing: "" }, tail: undefined };
}

async function* compressPages(
  { pages, frame, tail }: StreamedBody,
  encoder: Encoder,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    let isFirst = true;
    for (let step = pages.first; !step.done; step = await pages.pages.next()) {
      if (step.value.byteLength === 0) continue;
      if (isFirst) encoder.add(Buffer.from(frame.opening));
      isFirst = false;
      yield await encoder.encode(step.value);
    }
    const separator = tail === undefined || isFirst ? "" : ",\n";
    const opening = isFirst ? frame.opening : "";
    encoder.add(Buffer.from(`${opening}${separator}${tail ?? ""}${frame.closing}`));
    yield await encoder.finish();
  } finally {
    closeBody(pages);
    encoder.close();
  }
}

class Encoder {
  readonly #stream: Gzip | BrotliCompress;
  readonly #flushKind: number;
  #parts: Buffer[] = [];

  constructor(encoding: Encoding) {
    this.#stream = encoding === "gzip" ? createGzip(GZIP) : createBrotliCompress(BROTLI);
    this.#flushKind =
      encoding === "gzip" ? constants.Z_SYNC_FLUSH : constants.BROTLI_OPERATION_FLUSH;
    this.#stream.on("data", (part: Buffer) => this.#parts.push(part));
    // What fails is told to whoever waits for it.
    this.#stream.on("error", () => undefined);
  }

  /** Bytes to go with the next ones. */
  add(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  /** What the bytes have become, all of it. */
  async encode(bytes: Uint8Array): Promise<Buffer> {
    return this.#run((done) => {
      this.#stream.write(bytes);
      this.#stream.flush(this.#flushKind, () => done());
    });
  }

  async finish(): Promise<Buffer> {
    return this.#run((done) => {
      this.#stream.once("end", () => done());
      this.#stream.end();
    });
  }

  close(): void {
    this.#stream.close();
  }

  async #run(work: (done: () => void) => void): Promise<Buffer> {
    await gate.enter();
    try {
      await new Promise<void>((resolve, reject) => {
        this.#stream.once("error", reject);
        work(() => {
          this.#stream.off("error", reject);
          resolve();
        });
      });
    } finally {
      gate.leave();
    }
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes;
  }
}

const GZIP = { level: 4, windowBits: 14, memLevel: 7 };
const BROTLI = {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 3,
    [constants.BROTLI_PARAM_LGWIN]: 16,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
  },
};

/** Lets a few in at a time, in the order in which they came. */
class Gate {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  async enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** Of the process, as the thread pool is. */
const gate = new Gate(COMPRESSIONS_MAX);
