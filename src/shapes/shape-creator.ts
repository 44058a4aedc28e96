/**
 * How a shape comes to be.
 *
 *     publish the table ─> boundary: mint, route, gate ─┬─> journal the shape ──> served
 *                                                       └─> snapshot: bounds ─> rows ─> complete
 *
 * It is routed to from the boundary on, so the snapshot may be taken at leisure: what arrives
 * before the snapshot is placed waits at the gate. The handle is given out when the shape's record
 * is durable, while the snapshot may still be under way.
 *
 * Invariants:
 *
 *   1. Concurrent requests for one definition create one shape (protocol 11.3).
 *   2. A shape whose snapshot fails is removed, and everybody who waits for it gets the same error.
 *   3. A `Creation` exists only until its snapshot is complete.
 */

import { createHash } from "node:crypto";
import { asError, LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { encodeConstants } from "../model/constants-codec.ts";
import type { ShapeId, StorageKey } from "../model/ids.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Table } from "../model/table.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore, SnapshotWriter } from "../storage/storage.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { TemplateRegistry } from "./template-registry.ts";

/** Takes one snapshot of a shape's rows; `postgres/snapshot-query.ts`. */
export interface SnapshotSource {
  /**
   * @param placed is called as soon as the bounds are known, before any row.
   * @param row is called for each row, as a JSON message; awaited when it returns a promise.
   */
  read(
    definition: ShapeDefinition,
    placed: (bounds: SnapshotBounds) => void,
    row: (message: Uint8Array) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void>;
}

export interface ShapeCreatorOptions {
  readonly router: Router;
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
  readonly writer: ChangeWriter;
  readonly boundaries: BoundaryQueue;
  readonly snapshots: SnapshotSource;
  /** Makes Postgres send the table's changes, with whole old rows. */
  readonly publish: (table: Table) => Promise<void>;
  /** Takes a shape out again whose snapshot failed. */
  readonly cleaner: ShapeCleaner;
  readonly logger: Logger;
}

/** A shape whose snapshot is not complete. */
interface Creation {
  /** Settles when rows can be expected, or with the snapshot's error. */
  readonly started: Promise<void>;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

export class ShapeCreator {
  readonly #options: ShapeCreatorOptions;
  /** By template and constants: requests that wait for a shape to be durable. */
  readonly #pending = new Map<string, Promise<ShapeId>>();
  readonly #creations = new Map<ShapeId, Creation>();

  constructor(options: ShapeCreatorOptions) {
    this.#options = options;
  }

  /** How many snapshots are under way. */
  get count(): number {
    return this.#creations.size;
  }

  /** The shape of exactly this definition, undefined when there is none that may be served. */
  find(definition: ShapeDefinition): ShapeId | undefined {
    const live = this.#options.templates.find(definition.template.text);
    if (live === undefined || this.#pending.has(identityOf(definition))) return undefined;
    return this.#options.router.findShape(live.id, encodeConstants(definition.constants));
  }

  /**
   * Resolves when the shape's record is durable.
   *
   * @throws {LitzError} 503 when it cannot be made now.
   */
  async findOrCreate(definition: ShapeDefinition): Promise<ShapeId> {
    const identity = identityOf(definition);
    const pending = this.#pending.get(identity);
    if (pending !== undefined) return pending;
    const found = this.find(definition);
    if (found !== undefined) return found;

    const created = this.#create(definition).finally(() => this.#pending.delete(identity));
    this.#pending.set(identity, created);
    return created;
  }

  /**
   * Resolves when the shape's snapshot has begun to deliver or is complete; rejects if it failed.
   */
  async started(id: ShapeId): Promise<void> {
    await this.#creations.get(id)?.started;
  }

  /** The shape is being removed: its snapshot, if it is still under way, is given up. */
  stop(id: ShapeId, reason: Error): void {
    this.#creations.get(id)?.stop.abort(reason);
  }

  /** What arrives while the snapshot is not placed is more than may be held. */
  stopOverfull(id: ShapeId): void {
    this.stop(
      id,
      new LitzError("Too many changes arrived before the snapshot was placed, please retry", {
        code: "SNAPSHOT_OVERTAKEN",
        httpStatus: 503,
        retriable: true,
        retryAfterSeconds: 10,
      }),
    );
  }

  /** Gives up every snapshot; resolves when none is under way. */
  async close(): Promise<void> {
    const reason = new LitzError("the server is shutting down", {
      code: "SHUTTING_DOWN",
      httpStatus: 503,
      retriable: true,
      retryAfterSeconds: 1,
    });
    const creations = [...this.#creations.values()];
    for (const { stop } of creations) stop.abort(reason);
    await Promise.all(creations.map(({ done }) => done));
  }

  async #create(definition: ShapeDefinition): Promise<ShapeId> {
    const { boundaries, publish, registry, store } = this.#options;
    await publish(definition.template.table);
    const key = store.issueKey();
    const hash = hashOf(definition);
    const id = await boundaries.run(() => this.#register(definition, key, hash));
    if (id === undefined) throw outOfMemory();

    const record = {
      key,
      hash,
      template: definition.template.text,
      constants: encodeConstants(definition.constants),
    };
    const durable = store.createShape(record, registry.slotOf(id));
    this.#takeSnapshot(id, key, definition);
    await durable;
    return id;
  }

  /** At a boundary: from the next transaction on the shape is routed to. Undefined: no memory. */
  #register(definition: ShapeDefinition, key: StorageKey, hash: number): ShapeId | undefined {
    const { registry, router, templates, writer } = this.#options;
    const live = templates.acquire(definition.template);
    if (live === undefined) return undefined;
    const id = registry.add(key, hash);
    if (id !== undefined) {
      if (router.addShape(id, live.id, encodeConstants(definition.constants))) {
        writer.gate(id);
        return id;
      }
      registry.retire(id);
    }
    templates.release(live);
    return undefined;
  }

  #takeSnapshot(id: ShapeId, key: StorageKey, definition: ShapeDefinition): void {
    const stop = new AbortController();
    const writer = this.#options.store.writeSnapshot(key);
    let started!: () => void;
    let failed!: (error: Error) => void;
    const isStarted = new Promise<void>((resolve, reject) => {
      started = resolve;
      failed = reject;
    });
    // Whoever asks is told; when nobody does, that is no fault.
    isStarted.catch(() => undefined);
    const done = this.#readSnapshot(id, definition, writer, stop.signal, started).then(
      () => {
        this.#creations.delete(id);
      },
      async (thrown: unknown) => {
        const error = asError(stop.signal.aborted ? stop.signal.reason : thrown);
        failed(error);
        await this.#giveUp(id, writer, error);
      },
    );
    this.#creations.set(id, { started: isStarted, stop, done });
  }

  async #readSnapshot(
    id: ShapeId,
    definition: ShapeDefinition,
    writer: SnapshotWriter,
    signal: AbortSignal,
    started: () => void,
  ): Promise<void> {
    let bounds: SnapshotBounds | undefined;
    let placed: Promise<void> | undefined;
    const place = (known: SnapshotBounds): void => {
      bounds = known;
      placed = this.#options.boundaries.run(() => this.#options.writer.place(id, known));
      started();
    };
    const row = (message: Uint8Array) => writer.write(message);
    await this.#options.snapshots.read(definition, place, row, signal);
    await placed;
    signal.throwIfAborted();
    if (bounds === undefined) throw new Error("a snapshot ended without having been placed");
    await writer.finish(bounds);
  }

  async #giveUp(id: ShapeId, writer: SnapshotWriter, error: Error): Promise<void> {
    const { cleaner, logger, registry } = this.#options;
    const generation = registry.generationOf(id);
    const handle = registry.handleForLog(id);
    logger.warn({ handle, error: error.message }, "a snapshot failed; its shape is removed");
    await writer.abort(error);
    this.#creations.delete(id);
    await cleaner.remove(id, generation);
  }
}

function identityOf({ template, constants }: ShapeDefinition): string {
  return JSON.stringify([template.text, ...constants]);
}

/** 24 bits: the first half of the handle. Upstream puts a hash of the definition there, too. */
function hashOf(definition: ShapeDefinition): number {
  return createHash("sha256").update(identityOf(definition)).digest().readUIntBE(0, 3);
}

function outOfMemory(): LitzError {
  return new LitzError("Failed to create shape, please retry", {
    code: "CORE_MEMORY_EXHAUSTED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}
