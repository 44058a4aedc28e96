/**
 * A snapshot that is being made: the writer appends rows, readers follow.
 *
 *     created ──> rows in memory ──> (more than 256 KiB: rows in a file) ──> complete
 *                       └────────────────────┴──────────> aborted
 *
 * Readers see rows before they are durable. That breaks no promise: until the snapshot is recorded
 * as complete, a crash takes the shape with it, and its handle is unknown afterwards.
 */

import { assert } from "../lib/assert.ts";
import { asError } from "../lib/errors.ts";
import { snapshotEndMessage, type SnapshotBounds } from "../model/snapshot-bounds.ts";
import { grownBuffer } from "./bytes.ts";
import type { Files } from "./files.ts";
import { FileSource, LINE_FEED, SEPARATOR, type SnapshotSource } from "./snapshot-source.ts";

/** What all snapshots of a store have in common. */
export interface SnapshotSettings {
  readonly directory: string;
  readonly pathOf: (key: number) => string;
  readonly files: Files;
  readonly inlineBytes: number;
  /** Bytes of rows that are gathered for one write: what a reader is handed at once. */
  readonly pageBytes: number;
  readonly chunkBytesThreshold: number;
}

export class SnapshotProgress {
  readonly #key: number;
  readonly #options: SnapshotSettings;
  /** Rows, all of them while there is no file, else those that are not in it yet. */
  #rows: Buffer = Buffer.alloc(0);
  #rowsSize = 0;
  #descriptor: number | undefined;
  #fileSize = 0;

  /** Ends of the chunks that are closed. */
  readonly #chunkEnds: number[] = [];
  #chunkStart = 0;
  /** Of the open chunk: the protocol counts one byte for what separates rows, here it has two. */
  #separators = 0;
  #isComplete = false;
  #error: Error | undefined;
  #waiting: (() => void)[] = [];
  #busy: Promise<void> = Promise.resolve();

  constructor(key: number, options: SnapshotSettings) {
    this.#key = key;
    this.#options = options;
  }

  get chunkEnds(): readonly number[] {
    return this.#chunkEnds;
  }
  get isComplete(): boolean {
    return this.#isComplete;
  }
  get hasFile(): boolean {
    return this.#descriptor !== undefined || this.#fileSize > 0;
  }
  get error(): Error | undefined {
    return this.#error;
  }
  /** Bytes that readers can get at. */
  get visibleSize(): number {
    return this.hasFile ? this.#fileSize : this.#rowsSize;
  }
  /** All rows. REQUIRES: no file. */
  get rows(): Buffer {
    return this.#rows.subarray(0, this.#rowsSize);
  }
  /** Bytes of heap. */
  get memoryBytes(): number {
    return this.#rows.length;
  }

  /** The rows as a follower reads them, from memory or, once there is one, from the file. */
  openSource(): SnapshotSource {
    const file = new FileSource(this.#path, this.#key);
    return {
      read: (start, end) =>
        this.hasFile
          ? file.read(start, end)
          : Promise.resolve(Buffer.from(this.#rows.subarray(start, end))),
      close: () => file.close(),
    };
  }

  async write(row: Uint8Array): Promise<void> {
    this.#throwIfEnded();
    this.#append(row);
    if (this.#size - this.#chunkStart - this.#separators >= this.#options.chunkBytesThreshold) {
      this.#closeChunk();
    }
    await this.#afterwards(this.#spill());
    this.#notify();
  }

  /** Everything is there, and if in a file, durable. */
  async finish(bounds: SnapshotBounds): Promise<void> {
    this.#throwIfEnded();
    this.#append(Buffer.from(snapshotEndMessage(bounds)));
    this.#closeChunk();
    await this.#afterwards(this.#spill());
    if (this.hasFile) await this.#afterwards(this.#closeFile());
    this.#isComplete = true;
    this.#notify();
  }

  async abort(error: unknown): Promise<void> {
    if (this.#isComplete || this.#error !== undefined) return;
    this.#error = asError(error);
    this.#notify();
    await this.#busy.catch(() => undefined);
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) {
      await this.#options.files.close(descriptor);
      await this.#options.files.unlink(this.#path);
    }
  }

  /** Resolves with the next change of anything; rejects when the signal says so. */
  changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        signal?.removeEventListener("abort", aborted);
        resolve();
      };
      const aborted = (): void => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== done);
        reject(asError(signal?.reason));
      };
      if (signal?.aborted === true) {
        aborted();
        return;
      }
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waiting.push(done);
    });
  }

  /** Remembers what is under way, so that an abort does not close the file under a write. */
  async #afterwards(work: Promise<void>): Promise<void> {
    this.#busy = work;
    await work;
    if (this.#error !== undefined) throw this.#error;
  }

  get #path(): string {
    return this.#options.pathOf(this.#key);
  }

  /** Bytes of all rows, visible or not. */
  get #size(): number {
    return this.#fileSize + this.#rowsSize;
  }

  #append(row: Uint8Array): void {
    const needed = this.#rowsSize + row.length + SEPARATOR.length;
    if (needed > this.#rows.length) this.#rows = grownBuffer(this.#rows, this.#rowsSize, needed);
    this.#rows.set(row, this.#rowsSize);
    // Inside JSON a line feed can only be white space; outside of rows it is the separator.
    for (let at = row.indexOf(LINE_FEED); at >= 0; at = row.indexOf(LINE_FEED, at + 1)) {
      this.#rows[this.#rowsSize + at] = 0x20;
    }
    this.#rows.set(SEPARATOR, this.#rowsSize + row.length);
    this.#rowsSize = needed;
    this.#separators += 1;
  }

  #closeChunk(): void {
    this.#chunkEnds.push(this.#size);
    this.#chunkStart = this.#size;
    this.#separators = 0;
  }

  /** Moves rows to the file: from the moment on at which they are too many to be kept in memory. */
  async #spill(): Promise<void> {
    const { files, inlineBytes, pageBytes } = this.#options;
    if (!this.hasFile && this.#rowsSize <= inlineBytes) return;
    if (this.hasFile && this.#rowsSize < pageBytes) return;
    this.#descriptor ??= await files.create(this.#path);
    await this.#writeRows();
  }

  async #writeRows(): Promise<void> {
    assert(this.#descriptor !== undefined, "the file is open");
    const size = this.#rowsSize;
    await this.#options.files.write(
      this.#descriptor,
      [this.#rows.subarray(0, size)],
      this.#fileSize,
    );
    this.#fileSize += size;
    this.#rowsSize = 0;
    const sizeWanted = 2 * this.#options.pageBytes;
    if (this.#rows.length > 2 * sizeWanted) this.#rows = Buffer.allocUnsafe(sizeWanted);
  }

  async #closeFile(): Promise<void> {
    const { files, directory } = this.#options;
    if (this.#rowsSize > 0) await this.#writeRows();
    const descriptor = this.#descriptor!;
    await files.sync(descriptor);
    await files.syncDirectory(directory);
    await files.close(descriptor);
    this.#descriptor = undefined;
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #throwIfEnded(): void {
    if (this.#error !== undefined) throw this.#error;
    assert(!this.#isComplete, "a snapshot is written once");
  }
}
