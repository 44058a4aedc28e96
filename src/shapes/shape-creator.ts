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

import { asError, LitzError, shuttingDown } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { StopSignal, type Stoppable } from "../lib/stop-signal.ts";
import { TransientMap } from "../lib/transient-map.ts";
import { encodeConstants } from "../model/constants-codec.ts";
import type { ShapeId } from "../model/ids.ts";
import { tablesOf, type ShapeDefinition, type ShapeTemplate } from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import type { Table } from "../model/table.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore, SnapshotWriter } from "../storage/storage.ts";
import type { Moves } from "../subqueries/moves.ts";
import { entriesOf } from "../where/access-entries.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ChangeWriter } from "./change-writer.ts";
import { outOfMemory, SnapshotTooEarly } from "./creation-errors.ts";
import { handleHashOf, identityOf } from "./definition-identity.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { TemplateRegistry } from "./template-registry.ts";
import type { ViewKeeper } from "./view-keeper.ts";

/** Takes one snapshot of a shape's rows; `postgres/snapshot-query.ts`. */
export interface SnapshotSource {
  /**
   * @param placed is called as soon as the bounds are known; awaited, when it returns a promise,
   *   before any row is read.
   * @param rows is called with one JSON message or several, separated by `,\n`, and with whether
   *   these are all; awaited when it returns a promise.
   * @param tagPrefix stack id and handle, for the tags of a template with subqueries.
   */
  read(
    definition: ShapeDefinition,
    placed: (bounds: SnapshotBounds) => Promise<void> | undefined,
    rows: (messages: Uint8Array, areAll: boolean) => Promise<void> | undefined,
    signal: Stoppable,
    tagPrefix: string,
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
  readonly viewKeeper: ViewKeeper;
  readonly moves: Moves;
  /** What is hashed into the tags of a shape (protocol 14.4). */
  readonly tagPrefixOf: (id: ShapeId) => string;
  /** Makes Postgres send the table's changes, with whole old rows. */
  readonly publish: (table: Table) => Promise<void>;
  /** Takes a shape out again whose snapshot failed. */
  readonly cleaner: ShapeCleaner;
  /** Says whether there is room for another shape, and is told when there was none. */
  readonly room: ShapeRoom;
  /** Has Postgres say how far the stream has got, so that gates may go. */
  readonly askProgress: () => void;
  /** The table is not the one that the catalog described: whatever rests on that has to go. */
  readonly onSchemaChanged: (table: Table) => Promise<void>;
  readonly logger: Logger;
}

/** `eviction.ts`, and the memory budget. */
export interface ShapeRoom {
  /** @throws {LitzError} 503 when no shape may be made now. */
  admit(): void;
  /** The core had no memory for a shape. */
  refused(): void;
}

/** An id for as long as it is this shape's. */
export interface ShapeRef {
  readonly id: ShapeId;
  readonly generation: number;
}

/** A shape whose snapshot is not complete. */
interface Creation extends ShapeRef {
  readonly definition: ShapeDefinition;
  readonly writer: SnapshotWriter;
  /** Settles when the shape's record is synced; or with an error, if the snapshot fails before. */
  readonly recorded: Settling;
  /** Settles when rows can be read, or when there is none; or with the snapshot's error. */
  readonly started: Settling;
  readonly stop: StopSignal;
  /** Never rejects. */
  done: Promise<void>;
}

export class ShapeCreator {
  readonly #options: ShapeCreatorOptions;
  /** By template and constants: requests that wait for a shape to be durable. */
  readonly #pending = new TransientMap<string, Promise<ShapeRef>>();
  readonly #creations = new TransientMap<ShapeId, Creation>();
  #placedCount = 0;
  #isClosed = false;

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
    if (live === undefined) return undefined;
    if (this.#pending.size > 0 && this.#pending.has(identityOf(definition))) return undefined;
    const { router, viewKeeper } = this.#options;
    const views = viewKeeper.find(definition);
    if (views === undefined) return undefined;
    return router.findShape(live.id, encodeConstants(viewKeeper.routed(definition, views)));
  }

  /**
   * Resolves when the shape's record is durable.
   *
   * @throws {LitzError} 503 when it cannot be made now, SCHEMA_CHANGED for a 409.
   */
  async findOrCreate(definition: ShapeDefinition): Promise<ShapeRef> {
    const identity = identityOf(definition);
    const pending = this.#pending.get(identity);
    if (pending !== undefined) return pending;
    const id = this.find(definition);
    if (id !== undefined) return { id, generation: this.#options.registry.generationOf(id) };

    const created = this.#create(definition, identity);
    this.#pending.set(identity, created);
    try {
      return await created;
    } finally {
      this.#pending.delete(identity);
    }
  }

  /**
   * Resolves when the shape's snapshot has begun to deliver or is complete; rejects if it failed.
   * Undefined: it is complete.
   */
  started(id: ShapeId): Promise<void> | undefined {
    return this.#creations.get(id)?.started.promise;
  }

  /** Whether its snapshot is under way. */
  isUnderWay(id: ShapeId): boolean {
    return this.#creations.has(id);
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

  /** Creates nothing more and gives up every snapshot; resolves when none is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const creations = [...this.#creations.values()];
    for (const { stop } of creations) stop.abort(shuttingDown());
    await Promise.all(creations.map(({ done }) => done));
  }

  async #create(definition: ShapeDefinition, identity: string): Promise<ShapeRef> {
    const { boundaries, publish, room, viewKeeper } = this.#options;
    const { template } = definition;
    const hash = handleHashOf(identity);
    try {
      room.admit();
      for (const table of tablesOf(template)) await publish(table);
      let creation: Creation;
      if (template.where?.subqueries === undefined) {
        creation = await boundaries.run(() => this.#register(definition, hash, []));
      } else {
        const lease = await viewKeeper.acquire(definition);
        const register = (): Creation => this.#register(definition, hash, lease.views());
        creation = await boundaries.run(register).finally(() => lease.release());
      }
      await creation.recorded.promise;
      return creation;
    } catch (error) {
      if (isSchemaChange(error)) await this.#reconsider(definition);
      // Room is made while the client waits to try again, also if it was a view that found none.
      if (isOutOfMemory(error)) room.refused();
      throw error;
    }
  }

  /**
   * At a boundary: from the next transaction on the shape is routed to. Its record goes to the
   * journal in the same step, so that nothing that happens to the shape can come before it.
   *
   * @throws {LitzError} when there is no memory, or the table is no longer the one defined.
   */
  #register(definition: ShapeDefinition, hash: number, views: readonly ShapeId[]): Creation {
    if (this.#isClosed) throw shuttingDown();
    const { registry, router, store, templates, viewKeeper } = this.#options;
    const { template } = definition;
    const routed = viewKeeper.routed(definition, views);
    const encoded = encodeConstants(routed);
    const entries = entriesOf(template.where, () => routed);
    const key = store.issueKey();
    const live = templates.acquire(template);
    if (live === undefined) throw outOfMemory();
    const id = registry.add(key, hash);
    let isAdded = false;
    try {
      isAdded = id !== undefined && router.addShape(id, live.id, encoded, entries);
    } finally {
      if (!isAdded) {
        if (id !== undefined) registry.retire(id);
        templates.release(live);
      }
    }
    if (id === undefined || !isAdded) throw outOfMemory();
    this.#gate(id, template);
    const isRouted = routed === definition.constants;
    const constants = isRouted ? encoded : encodeConstants(definition.constants);
    const record = { key, hash, template: template.text, constants };
    const durable = store.createShape(record, registry.slotOf(id));
    return this.#takeSnapshot(id, definition, store.writeSnapshot(key), durable);
  }

  #gate(id: ShapeId, { where }: ShapeTemplate): void {
    if (where?.subqueries === undefined) this.#options.writer.gate(id);
    else this.#options.moves.begin(id);
  }

  #takeSnapshot(
    id: ShapeId,
    definition: ShapeDefinition,
    writer: SnapshotWriter,
    durable: Promise<void>,
  ): Creation {
    const creation: Creation = {
      id,
      generation: this.#options.registry.generationOf(id),
      definition,
      writer,
      recorded: new Settling(),
      started: new Settling(),
      stop: new StopSignal(),
      done: durable,
    };
    this.#creations.set(id, creation);
    durable.then(creation.recorded.resolve, creation.recorded.reject);
    creation.done = this.#readSnapshot(creation).then(
      () => this.#forget(creation),
      (error: unknown) => this.#fail(creation, error),
    );
    return creation;
  }

  async #readSnapshot(creation: Creation): Promise<void> {
    const { snapshots, tagPrefixOf } = this.#options;
    const { definition, started, stop, writer } = creation;
    const isDependent = definition.template.where?.subqueries !== undefined;
    const tagPrefix = isDependent ? tagPrefixOf(creation.id) : "";
    let bounds: SnapshotBounds | undefined;
    let placed: Promise<void> | undefined;
    const place = (known: SnapshotBounds): Promise<void> | undefined => {
      bounds = known;
      if (isDependent) return this.#catchUp(creation, known);
      placed = this.#place(creation, known);
      // It is awaited below, but reading may fail before.
      placed.catch(() => undefined);
      return undefined;
    };
    // Not before: most queries that fail do so here, and whoever waits is to be told why. And if
    // these are all, a moment later: then the snapshot is complete, and read at one go.
    const rows = (messages: Uint8Array, areAll: boolean): Promise<void> | undefined => {
      if (!areAll) started.resolve();
      return writer.write(messages);
    };
    for (let attempt = 1; ; attempt++) {
      try {
        await snapshots.read(definition, place, rows, stop, tagPrefix);
        break;
      } catch (error) {
        if (!(error instanceof SnapshotTooEarly) || attempt === ATTEMPTS_MAX) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS * 2 ** attempt));
        stop.throwIfAborted();
      }
    }
    await placed;
    stop.throwIfAborted();
    if (bounds === undefined) throw new Error("a snapshot ended without having been placed");
    const finished = writer.finish(bounds);
    started.resolve();
    await finished;
  }

  /** @throws {SnapshotTooEarly} */
  #place({ id, generation }: Creation, bounds: SnapshotBounds): Promise<void> {
    const { askProgress, boundaries, registry, writer } = this.#options;
    if (!writer.isRecentEnough(id, bounds)) throw new SnapshotTooEarly();
    // On an idle database they would stay, an object per shape, until somebody writes.
    this.#placedCount += 1;
    if (this.#placedCount % PLACED_PER_QUESTION === 0) askProgress();
    return boundaries
      .run(() => (registry.isCurrent(id, generation) ? [writer.place(id, bounds)] : []))
      .then(([durable]) => durable);
  }

  /**
   * A shape with subqueries has to know where in the stream its rows lie before anybody gets one:
   * it may have to take them again.
   *
   * @throws {SnapshotTooEarly}
   */
  async #catchUp({ id, stop }: Creation, bounds: SnapshotBounds): Promise<void> {
    const { moves, store } = this.#options;
    const isPlaced = await moves.placeWhenReached(id, bounds);
    stop.throwIfAborted();
    if (!isPlaced) throw new SnapshotTooEarly();
    await store.flushed();
  }

  /** Never rejects. */
  async #fail(creation: Creation, thrown: unknown): Promise<void> {
    const { cleaner, logger, registry } = this.#options;
    const { definition, id, generation, recorded, started, stop, writer } = creation;
    const error = asError(stop.reason ?? thrown);
    const handle = registry.handleForLog(id);
    try {
      // Before anybody is told, who would come back and be answered the same.
      if (isSchemaChange(error)) await this.#reconsider(definition);
      started.reject(error);
      recorded.reject(failedEarly(error));
      logger.warn({ handle, error: error.message }, "a snapshot failed; its shape is removed");
      await writer.abort(error);
      this.#forget(creation);
      await cleaner.remove(id, generation);
    } catch (failure) {
      const { message } = asError(failure);
      logger.error({ handle, error: message }, "a failed shape could not be removed");
    }
  }

  /** Any of its tables may be the one: what is remembered of a subquery's has no shape either. */
  async #reconsider({ template }: ShapeDefinition): Promise<void> {
    for (const table of tablesOf(template)) {
      await this.#options.onSchemaChanged(table).catch((error: unknown) => {
        const { message } = asError(error);
        const { logger } = this.#options;
        logger.warn({ error: message }, "a table that changed was not looked at again");
      });
    }
  }

  #forget(creation: Creation): void {
    if (this.#creations.get(creation.id) === creation) this.#creations.delete(creation.id);
  }
}

/** How often a snapshot is taken that does not show what was sent already: for 1.3 s in all. */
const ATTEMPTS_MAX = 8;
const RETRY_DELAY_MS = 5;

/** Snapshots that are placed before Postgres is asked for its position. */
const PLACED_PER_QUESTION = 1024;

/** So that the snapshot's failure is not taken for one to record the shape. */
function failedEarly(cause: unknown): LitzError {
  return new LitzError("the snapshot failed before the shape was durable", {
    code: "SNAPSHOT_FAILED_EARLY",
    cause,
  });
}

/** A promise and what settles it. When nobody waits for it, an error is no fault. */
class Settling {
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(ignore);
  }
}

function ignore(): void {
  // Whoever waits is told.
}

/** What the catalog said of a table is not true any more. */
function isSchemaChange(error: unknown): boolean {
  return error instanceof LitzError && error.code === "SCHEMA_CHANGED";
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof LitzError && error.code === "CORE_MEMORY_EXHAUSTED";
}
