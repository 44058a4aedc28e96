/**
 * The values of a subquery, and how many rows give each, on their way from Postgres to the core.
 * As objects a value takes 580 bytes, and there may be millions of them; so they are bytes:
 *
 *     entry  ┌───────────┬──────────┬───────┐
 *            │ count u32 │ size u32 │ tuple │  (view-tuple.ts)
 *            └───────────┴──────────┴───────┘
 *
 * Entries lie in chunks outside of JavaScript's heap, none in two of them. A chunk is twice as
 * large as the one before it, so that a subquery of ten values takes 512 bytes.
 */

import { LitzError } from "../lib/errors.ts";
import { encodeTuple } from "./view-tuple.ts";

const HEAD_SIZE = 8;
const FIRST_CHUNK_SIZE = 512;
const CHUNK_SIZE_MAX = 1024 * 1024;

export class ViewSeed {
  /** Those before the last end with their last entry. */
  readonly #chunks: Buffer[] = [];
  /** Of the last chunk. */
  #used = 0;

  /**
   * @param values as the texts in which the stream sends them.
   * @returns how many bytes more it takes now.
   */
  add(values: readonly (string | null)[], count: number): number {
    const tuple = encodeTuple(values);
    const size = HEAD_SIZE + tuple.length;
    const last = this.#chunks.at(-1);
    const isFull = last === undefined || this.#used + size > last.length;
    const chunk = isFull ? this.#begin(size) : last;
    this.#used = chunk.writeUInt32LE(count, this.#used);
    this.#used = chunk.writeUInt32LE(tuple.length, this.#used);
    chunk.set(tuple, this.#used);
    this.#used += tuple.length;
    return isFull ? chunk.length : 0;
  }

  /** What it takes. */
  get bytes(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** Each tuple, which may be kept for as long as this lasts, and how many rows give it. */
  *[Symbol.iterator](): Generator<readonly [tuple: Uint8Array, count: number], void, void> {
    const last = this.#chunks.at(-1);
    for (const chunk of this.#chunks) {
      const end = chunk === last ? this.#used : chunk.length;
      for (let at = 0; at < end;) {
        const count = chunk.readUInt32LE(at);
        const start = at + HEAD_SIZE;
        at = start + chunk.readUInt32LE(at + 4);
        yield [chunk.subarray(start, at), count];
      }
    }
  }

  #begin(size: number): Buffer {
    const last = this.#chunks.pop();
    if (last !== undefined) this.#chunks.push(last.subarray(0, this.#used));
    const doubled = 2 * (last?.length ?? FIRST_CHUNK_SIZE / 2);
    const chunk = Buffer.alloc(Math.max(size, Math.min(doubled, CHUNK_SIZE_MAX)));
    this.#chunks.push(chunk);
    this.#used = 0;
    return chunk;
  }
}

/** Code of the error that is about one subquery: as large as it is, no other has to go for it. */
export const VALUES_WITHOUT_ROOM = "SUBQUERY_MEMORY_EXHAUSTED";

/** Neither where values are read nor in the core. */
export function noRoomForValues(): LitzError {
  const why = "there is no memory for the values of a subquery; raise LITZ_CORE_MEMORY_MAX";
  return new LitzError(why, {
    code: VALUES_WITHOUT_ROOM,
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}
