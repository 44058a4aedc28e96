import type { ShapeId, WaiterId } from "../model/ids.ts";
import { compareLogOffsets, type LogOffset } from "../model/log-offset.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { ShapeLog } from "../storage/storage.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { News, ServedShape, WaitOutcome, Watcher } from "./shape-service.ts";
import type { WaitingRoom } from "./waiting-room.ts";

export interface OpenShapeOptions {
  readonly id: ShapeId;
  readonly definition: ShapeDefinition;
  readonly schemaHeader: string;
  readonly log: ShapeLog;
  readonly registry: ShapeRegistry;
  readonly waitingRoom: WaitingRoom;
  readonly snapshotStarted: () => Promise<void> | undefined;
  readonly heldLsn: () => Lsn | undefined;
}

/**
 * A shape as one request holds it: its id, and the generation that tells whether the id is still
 * the shape's. Lives as long as the request, however long the shape does.
 */
export class OpenShape implements ServedShape {
  readonly handle;
  readonly definition: ShapeDefinition;
  readonly schemaHeader: string;
  readonly log: ShapeLog;
  readonly #id: ShapeId;
  readonly #generation: number;
  readonly #options: OpenShapeOptions;

  /** REQUIRES: the id is live. */
  constructor(options: OpenShapeOptions) {
    const { id, registry } = options;
    this.#options = options;
    this.#id = id;
    this.#generation = registry.generationOf(id);
    this.handle = registry.handleOf(id)!;
    this.definition = options.definition;
    this.schemaHeader = options.schemaHeader;
    this.log = options.log;
  }

  get isCurrent(): boolean {
    return this.#options.registry.isCurrent(this.#id, this.#generation);
  }

  get heldLsn(): Lsn | undefined {
    return this.#options.heldLsn();
  }

  snapshotStarted(): Promise<void> | undefined {
    return this.#options.snapshotStarted();
  }

  async waitForChange(
    after: LogOffset,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<WaitOutcome> {
    const news = (): News | undefined => this.#news(after);
    const { waitingRoom } = this.#options;
    return news() ?? waitingRoom.wait(this.#id, timeoutMs, signal, news);
  }

  watch(after: LogOffset, watcher: Watcher): WaiterId | News | "full" {
    // Nothing can happen between the look and the wait: both are one turn of the event loop.
    return this.#news(after) ?? this.#options.waitingRoom.watch(this.#id, watcher) ?? "full";
  }

  unwatch(waiter: WaiterId): void {
    this.#options.waitingRoom.leave(waiter);
  }

  #news(after: LogOffset): News | undefined {
    if (!this.isCurrent) return "removed";
    return compareLogOffsets(this.log.latestOffset(), after) > 0 ? "changed" : undefined;
  }
}
