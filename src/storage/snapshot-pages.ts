/**
 * Cuts a chunk of a snapshot into pages at the ends of messages, while the chunk may still grow.
 *
 *     │ message ,\n message │ ,\n message ,\n message │ ,\n message │        ,\n of the chunk's end
 *     └──── first page ─────┘ └───── next page ───────┘ └──────────┘        is never handed out
 */

import { LINE_FEED, SEPARATOR, type SnapshotSource } from "./snapshot-source.ts";

/** How far a chunk has got. Asked again and again. */
export interface ChunkGrowth {
  /** Where the chunk ends in the rows; undefined: it is not closed. */
  readonly end: number | undefined;
  /** Bytes of rows that can be read. */
  readonly visibleSize: number;
  /** Resolves when either may have changed; rejects when nothing will come any more. */
  changed(): Promise<void>;
}

/** The chunk that begins at `start`, in pages. Closes the source. */
export async function* snapshotPages(
  source: SnapshotSource,
  start: number,
  growth: ChunkGrowth,
  pageBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    let position = start;
    let wanted = pageBytes;
    for (;;) {
      const end = growth.end ?? Infinity;
      if (position >= end - SEPARATOR.length) return;
      const available = Math.min(end, growth.visibleSize, position + wanted);
      const page = available > position ? await source.read(position, available) : undefined;
      const cut = page === undefined ? 0 : cutBehindLastMessage(page);
      if (cut > 0) {
        yield page!.subarray(0, cut);
        position += cut;
        wanted = pageBytes;
      } else if (available === position + wanted) {
        // A message longer than a page: it gets one of its own.
        wanted *= 2;
      } else {
        await growth.changed();
      }
    }
  } finally {
    await source.close();
  }
}

/** Bytes up to the last separator, which begins the next page; 0 when no message is complete. */
function cutBehindLastMessage(page: Buffer): number {
  const lineFeed = page.lastIndexOf(LINE_FEED);
  // The separator at the very beginning belongs to this page.
  return lineFeed < SEPARATOR.length ? 0 : lineFeed + 1 - SEPARATOR.length;
}
