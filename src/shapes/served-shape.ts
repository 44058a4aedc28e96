import type { ShapeId, WaiterId } from "../model/ids.ts";
import { compareLogOffsets, type LogOffset } from "../model/log-offset.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { ShapeLog } from "../storage/storage.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { News, ServedShape, WaitOutcome, Watcher } from "./shape-service.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** What all open shapes have in common. */
export interface OpenShapeSources {
  readonly registry: ShapeRegistry;
  readonly waitingRoom: WaitingRoom;
  readonly creator: { started(id: ShapeId): Promise<void> | undefined };
  /** Of shapes with subqueries. */
  readonly heldOf: (id: ShapeId) => Lsn | undefined;
}

/** What one of them is made of. */
export interface OpenShapeParts {
  readonly id: ShapeId;
  readonly definition: ShapeDefinition;
  readonly schemaHeader: string;
  readonly log: ShapeLog;
}

/**
 * A shape as one request holds it: its id, and the generation that tells whether the id is still
 * the shape's. Lives as long as the request, however long the shape does. Requests wait by the ten
 * thousand, hence no closure and no object of its own for anything that open shapes can share.
 */
export class OpenShape implements ServedShape {
  readonly handle;
  readonly definition: ShapeDefinition;
  readonly schemaHeader: string;
  readonly log: ShapeLog;
  readonly #id: ShapeId;
  readonly #generation: number;
  readonly #sources: OpenShapeSources;

  /** REQUIRES: the id is live. */
  constructor(sources: OpenShapeSources, { id, definition, schemaHeader, log }: OpenShapeParts) {
    const { registry } = sources;
    this.#sources = sources;
    this.#id = id;
    this.#generation = registry.generationOf(id);
    this.handle = registry.handleOf(id)!;
    this.definition = definition;
    this.schemaHeader = schemaHeader;
    this.log = log;
  }

  get isCurrent(): boolean {
    return this.#sources.registry.isCurrent(this.#id, this.#generation);
  }

  get heldLsn(): Lsn | undefined {
    const isTagged = this.definition.template.where?.subqueries !== undefined;
    return isTagged ? this.#sources.heldOf(this.#id) : undefined;
  }

  snapshotStarted(): Promise<void> | undefined {
    return this.#sources.creator.started(this.#id);
  }

  async waitForChange(
    after: LogOffset,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<WaitOutcome> {
    const news = (): News | undefined => this.#news(after);
    const { waitingRoom } = this.#sources;
    return news() ?? waitingRoom.wait(this.#id, timeoutMs, signal, news);
  }

  watch(after: LogOffset, watcher: Watcher): WaiterId | News | "full" {
    // Nothing can happen between the look and the wait: both are one turn of the event loop.
    return this.#news(after) ?? this.#sources.waitingRoom.watch(this.#id, watcher) ?? "full";
  }

  unwatch(waiter: WaiterId): void {
    this.#sources.waitingRoom.leave(waiter);
  }

  #news(after: LogOffset): News | undefined {
    if (!this.isCurrent) return "removed";
    return compareLogOffsets(this.log.latestOffset(), after) > 0 ? "changed" : undefined;
  }
}
