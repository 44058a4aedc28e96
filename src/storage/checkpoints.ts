/**
 * When a checkpoint is written and what follows from it, on the event loop's side.
 *
 *     filing ──> active half full ──> freeze ──> thread ──> retire, drop dead segments
 *                     └── both halves full: filing waits, and with it everything that is appended
 *
 * Behind each checkpoint the thread gives back what the shapes that are gone have left
 * (`reclaim-job.ts`); here rewritten segments are put in the place of the old ones.
 */

import { dirname } from "node:path";
import type { CheckpointJob } from "./checkpoint-job.ts";
import type { CheckpointThread } from "./checkpoint-thread.ts";
import type { Catalog } from "./catalog.ts";
import type { Files } from "./files.ts";
import type { StoreLimits } from "./limits.ts";
import { rewrittenPath, type RewrittenSegment } from "./segment-rewrite.ts";
import { Segment } from "./segment.ts";
import type { SegmentList } from "./segment-list.ts";
import type { SeqRanges } from "./seq-ranges.ts";
import type { CheckpointPosition } from "./database.ts";
import type { SharedLists } from "./shared-lists.ts";
import type { PostingBuffer } from "./storage.ts";

export interface CheckpointSources {
  readonly postings: PostingBuffer;
  readonly lists: SharedLists;
  readonly catalog: Catalog;
  readonly segments: SegmentList;
  readonly voids: SeqRanges;
  readonly thread: CheckpointThread;
  readonly files: Files;
  readonly limits: StoreLimits;
  /** Where things stand at the moment of the call. */
  readonly position: () => CheckpointPosition;
  readonly failed: (error: unknown) => void;
}

export class Checkpoints {
  readonly #sources: CheckpointSources;
  #running: Promise<void> | undefined;
  #bytesSince = 0;
  #reclaiming: Promise<number> | undefined;
  #runCount: number;
  /** All postings up to here are in the runs. */
  #filedSeq: number;
  #committedSeq = 0;
  #isClosing = false;

  constructor(sources: CheckpointSources, runCount: number, filedSeq: number) {
    this.#sources = sources;
    this.#runCount = runCount;
    this.#filedSeq = filedSeq;
  }

  get runCount(): number {
    return this.#runCount;
  }
  get filedSeq(): number {
    return this.#filedSeq;
  }
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Journal that a start would have to replay. */
  countBytes(size: number): void {
    this.#bytesSince += size;
  }

  /** Begins a checkpoint if one is due and none is running. */
  considerStart(): void {
    if (this.#running !== undefined) return;
    const { postings, lists, catalog, limits } = this.#sources;
    const isDue =
      postings.count + lists.count >= Math.min(limits.checkpointPostings, postings.capacity) ||
      this.#bytesSince >= limits.checkpointBytes ||
      catalog.changeCount >= limits.checkpointShapes;
    if (isDue) void this.#start();
  }

  /** Returns when the active half has been emptied. */
  async makeRoom(): Promise<void> {
    // In the turn in which one ends, or somebody else begins the next.
    while (this.#running !== undefined) await this.#running;
    // Does not wait for its end: the other half is free.
    void this.#start();
  }

  /** Returns when everything up to now is in a checkpoint. */
  async complete(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    await this.#start();
  }

  /** Gives the disk back whatever no shape needs any more. Returns when there is no more. */
  async reclaim(): Promise<void> {
    do await this.complete();
    while (!this.#isClosing && (await this.#reclaimSome(true)) > 0);
  }

  /** Writes a last checkpoint. Returns when nothing is done in its wake either. */
  async finish(): Promise<void> {
    this.#isClosing = true;
    await this.complete();
    await this.#reclaiming;
  }

  /** Returns when no file is touched any more. REQUIRES: the thread is closed. */
  async idle(): Promise<void> {
    this.#isClosing = true;
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
    while (this.#reclaiming !== undefined) await this.#reclaiming.catch(() => undefined);
  }

  async #start(): Promise<void> {
    const running = this.#run();
    this.#running = running;
    try {
      await running;
    } catch (error) {
      this.#sources.failed(error);
    }
    // Whoever waited may have begun the next one already.
    if (this.#running === running) this.#running = undefined;
  }

  async #run(): Promise<void> {
    const { postings, lists, catalog, segments, voids, thread } = this.#sources;
    const position = this.#sources.position();
    postings.freeze();
    const { members, shared } = lists.freeze();
    const changes = catalog.freeze();
    // All of one moment; what shapes have become since then does not show in what is frozen.
    const frozen: Omit<CheckpointJob, "shapes" | "postings"> = {
      position,
      templates: changes.templates,
      removedTemplates: changes.removedTemplates,
      partitions: changes.partitions,
      behind: changes.behind,
      confirmed: changes.confirmed,
      // The last one stays, sealed or not: a journal without any segment is a lost one.
      segments: segments.all.map((segment) => ({
        firstSeq: segment.firstSeq,
        lastSeq: segment.lastSeq,
        isSealed: segment.isSealed && segment !== segments.last,
      })),
      voids: voids.all.slice(),
    };
    this.#bytesSince = 0;
    const [own, shapes] = [await postings.copyFrozen(), await catalog.encodeFrozen()];
    const columns = { own, members, shared };
    const { deadSegments, runCount } = await thread.write({ ...frozen, postings: columns, shapes });
    postings.retire();
    lists.retire();
    catalog.retire();
    this.#filedSeq = position.filedSeq;
    this.#committedSeq = position.committedSeq;
    this.#runCount = runCount;
    await this.#dropSegments(deadSegments);
    // Nobody waits for it, nor does it hold up the next checkpoint for longer than a segment takes.
    if (!this.#isClosing)
      this.#reclaimSome(false).catch((error: unknown) => this.#sources.failed(error));
  }

  /**
   * Has the thread give back bytes and puts rewritten segments in their place. Returns how many
   * were looked at.
   */
  async #reclaimSome(isThorough: boolean): Promise<number> {
    if (this.#reclaiming !== undefined && !isThorough) return 0;
    while (this.#reclaiming !== undefined) await this.#reclaiming;
    const reclaiming = this.#reclaimNow(isThorough);
    this.#reclaiming = reclaiming;
    return reclaiming.finally(() => (this.#reclaiming = undefined));
  }

  async #reclaimNow(isThorough: boolean): Promise<number> {
    const { segments, thread, voids } = this.#sources;
    const { last } = segments;
    const { rewritten, lookedAt } = await thread.reclaim({
      // Recovery scans the one in which the checkpoint's position lies, and the last.
      segments: segments.all
        .filter((each) => each.isSealed && each !== last && each.lastSeq < this.#committedSeq)
        .map(({ path, firstSeq, lastSeq, isSealed }) => ({ path, firstSeq, lastSeq, isSealed })),
      voids: voids.all.slice(),
      isThorough,
    });
    for (const segment of rewritten) await this.#replaceSegment(segment);
    return lookedAt;
  }

  async #replaceSegment({ firstSeq, count, footerOffset }: RewrittenSegment): Promise<void> {
    const { segments, files } = this.#sources;
    const old = segments.all.find((segment) => segment.firstSeq === firstSeq);
    // A checkpoint has dropped it meanwhile: the next start finds what lies beside it.
    if (old === undefined) return;
    files.renameNow(rewrittenPath(old.path), old.path);
    const segment = new Segment(old.path, firstSeq, old.highestLsn);
    segment.markSealed(footerOffset, count);
    segments.replace(old, segment);
    await files.syncDirectory(dirname(old.path));
  }

  async #dropSegments(firstSeqs: readonly number[]): Promise<void> {
    const { segments, files } = this.#sources;
    const dead = new Set(firstSeqs);
    for (const segment of segments.all) {
      if (!dead.has(segment.firstSeq)) continue;
      segments.drop(segment);
      await files.unlink(segment.path);
    }
  }
}
