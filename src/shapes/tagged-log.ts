/**
 * The log of a shape with subqueries, as its clients read it.
 *
 * Tags and patterns contain a shape's handle, hashed, but their bodies are shared by all the shapes
 * that they are for. So the log has what is to be hashed, between two control bytes that JSON never
 * contains otherwise, and the hash is put in its place for whoever reads (protocol 14.4).
 *
 *     stored    "tags":["\x01v:7\x02/1"]
 *     served    "tags":["8f14e45f...//1"]         md5(stack id, handle, v:7)
 */

import { createHash } from "node:crypto";
import type { LogOffset } from "../model/log-offset.ts";
import { HASH_CLOSE, HASH_OPEN } from "../model/tag.ts";
import type { LogChunk, Patience, ShapeLog } from "../storage/storage.ts";

const OPEN = HASH_OPEN.charCodeAt(0);
const CLOSE = HASH_CLOSE.charCodeAt(0);

export class TaggedLog implements ShapeLog {
  readonly #log: ShapeLog;
  readonly #prefix: string;

  /** @param prefix the stack id and the handle. */
  constructor(log: ShapeLog, prefix: string) {
    this.#log = log;
    this.#prefix = prefix;
  }

  latestOffset(): LogOffset {
    return this.#log.latestOffset();
  }

  async readChunk(after: LogOffset, patience?: Patience): Promise<LogChunk> {
    const { end, isUpToDate, isEmpty, ...chunk } = await this.#log.readChunk(after, patience);
    const page = chunk.page === undefined ? undefined : hashTags(chunk.page, this.#prefix);
    return { end, isUpToDate, isEmpty, page, pages: () => hashPages(chunk.pages(), this.#prefix) };
  }
}

async function* hashPages(
  pages: AsyncGenerator<Uint8Array, void, void>,
  prefix: string,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const page of pages) yield hashTags(page, prefix);
}

/** Whole messages, with hashes where what is to be hashed was. */
export function hashTags(page: Uint8Array, prefix: string): Uint8Array {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength);
  let open = bytes.indexOf(OPEN);
  if (open < 0) return page;
  // Rows that lie together often have the same tags.
  const hashes = new Map<string, Buffer>();
  const parts: Uint8Array[] = [];
  let end = 0;
  while (open >= 0) {
    const close = bytes.indexOf(CLOSE, open);
    const escaped = bytes.toString("utf8", open + 1, close);
    let hash = hashes.get(escaped);
    if (hash === undefined) {
      const input = JSON.parse(`"${escaped}"`) as string;
      hash = Buffer.from(createHash("md5").update(prefix).update(input).digest("hex"));
      hashes.set(escaped, hash);
    }
    parts.push(bytes.subarray(end, open), hash);
    end = close + 1;
    open = bytes.indexOf(OPEN, end);
  }
  parts.push(bytes.subarray(end));
  return Buffer.concat(parts);
}
