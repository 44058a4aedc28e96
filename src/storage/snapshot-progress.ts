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

const NO_ROWS = Buffer.alloc(0);
/** What follows the rows of most snapshots: then they are copied once. */
const END_BYTES = 128;

export class SnapshotProgress {
  readonly #key: number;
  readonly #options: SnapshotSettings;
  /** Rows, all of them while there is no file, else those that are not in it yet. */
  #rows: Buffer = NO_ROWS;
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
        this.hasFile ? file.read(start, end) : Promise.resolve(this.copyRows(start, end)),
      close: () => file.close(),
    };
  }

  /** REQUIRES: no file, and they are there. */
  copyRows(start: number, end: number): Buffer {
    return Buffer.from(this.#rows.subarray(start, end));
  }

  /** A message, or several that are separated. A promise: memory is full, and is being emptied. */
  write(messages: Uint8Array): Promise<void> | undefined {
    this.#throwIfEnded();
    const start = this.#rowsSize;
    this.#append(messages);
    this.#closeFullChunks(start);
    if (!this.#isOverfull) {
      this.#notify();
      return undefined;
    }
    return this.#afterwards(this.#writeRows()).then(() => this.#notify());
  }

  /** Everything is there, at once unless there is a promise: of its being durable in a file. */
  finish(bounds: SnapshotBounds): Promise<void> | undefined {
    this.#throwIfEnded();
    this.#append(Buffer.from(snapshotEndMessage(bounds)));
    this.#closeChunk(this.#fileSize + this.#rowsSize);
    if (!this.hasFile && !this.#isOverfull) {
      this.#complete();
      return undefined;
    }
    return this.#afterwards(this.#closeFile()).then(() => this.#complete());
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

  /** Whether rows have to go to the file. From the first time on, more than a page of them does. */
  get #isOverfull(): boolean {
    const { inlineBytes, pageBytes } = this.#options;
    return this.hasFile ? this.#rowsSize >= pageBytes : this.#rowsSize > inlineBytes;
  }

  #append(messages: Uint8Array): void {
    const size = this.#rowsSize + messages.length + SEPARATOR.length;
    if (this.#rows.length === 0) this.#rows = Buffer.allocUnsafe(size + END_BYTES);
    if (size > this.#rows.length) this.#rows = grownBuffer(this.#rows, this.#rowsSize, size);
    this.#rows.set(messages, this.#rowsSize);
    this.#rows.set(SEPARATOR, size - SEPARATOR.length);
    this.#rowsSize = size;
  }

  /** Ends chunks where messages do, among the rows in memory from `start` on. */
  #closeFullChunks(start: number): void {
    const { chunkBytesThreshold } = this.#options;
    const rows = this.rows;
    for (let at = rows.indexOf(LINE_FEED, start); at >= 0; at = rows.indexOf(LINE_FEED, at + 1)) {
      const end = this.#fileSize + at + 1;
      this.#separators += 1;
      if (end - this.#chunkStart - this.#separators >= chunkBytesThreshold) this.#closeChunk(end);
    }
  }

  #closeChunk(end: number): void {
    this.#chunkEnds.push(end);
    this.#chunkStart = end;
    this.#separators = 0;
  }

  #complete(): void {
    this.#isComplete = true;
    this.#notify();
  }

  /** Moves the rows to the file, which is made if there is none. */
  async #writeRows(): Promise<void> {
    const { files } = this.#options;
    this.#descriptor ??= await files.create(this.#path);
    const size = this.#rowsSize;
    await files.write(this.#descriptor, [this.#rows.subarray(0, size)], this.#fileSize);
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
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #throwIfEnded(): void {
    if (this.#error !== undefined) throw this.#error;
    assert(!this.#isComplete, "a snapshot is written once");
  }
}
