/**
 * How a shape goes: because a client asked, its table was emptied or changed its form, or its
 * snapshot failed. Routing to it stops at once; who waits on it is told; its record in the journal
 * follows. A removal costs what the shape itself takes in the indexes, however many others there
 * are.
 *
 * Everything that needs the handle or the key is resolved before the id is retired.
 */

import { LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { nextTurn } from "../lib/next-turn.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore } from "../storage/storage.ts";
import type { Moves } from "../subqueries/moves.ts";
import { viewsOf } from "../subqueries/views-of.ts";
import { entriesOf } from "../where/access-entries.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { TemplateRegistry } from "./template-registry.ts";
import type { ViewKeeper } from "./view-keeper.ts";
import type { WaitingRoom } from "./waiting-room.ts";

export interface ShapeCleanerOptions {
  readonly router: Router;
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
  readonly writer: ChangeWriter;
  readonly boundaries: BoundaryQueue;
  readonly waitingRoom: WaitingRoom;
  readonly logger: Logger;
  readonly moves: Pick<Moves, "removed">;
  readonly viewKeeper: Pick<ViewKeeper, "releaseUnused" | "remove">;
  /** Gives up the shape's snapshot, if one is under way. */
  readonly stopSnapshot: (id: ShapeId, reason: Error) => void;
}

/** Shapes that are removed in one turn of the event loop: 20 us each, and 10 for the record. */
const SLICE = 100;

export class ShapeCleaner {
  readonly #options: ShapeCleanerOptions;

  constructor(options: ShapeCleanerOptions) {
    this.#options = options;
  }

  /** Removes one shape at the next boundary. Resolves when that is durable. */
  async remove(id: ShapeId, generation: number): Promise<void> {
    const { boundaries, registry } = this.#options;
    const removal = await boundaries.run(() =>
      registry.isCurrent(id, generation) ? { durable: this.removeNow(id) } : undefined,
    );
    await removal?.durable;
  }

  /**
   * Removes every shape of a table, or of some of its templates, wherever in a transaction the
   * stream is: its rows are no longer what the shapes' logs say. Resolves when none is routed to
   * any more. The removals are durable with the transaction that is being read, if one is: who
   * waits for that must not hold it up.
   */
  async removeAllOf(
    relationOid: number,
    isMeant: (template: TemplateId) => boolean = () => true,
  ): Promise<void> {
    const { router, templates } = this.#options;
    const relation = templates.relationOf(relationOid);
    if (relation === undefined) return;
    let after: ShapeId | undefined;
    do {
      const { ids, next } = router.shapesOf(relation.id, after);
      for (let index = 0; index < ids.length; index++) {
        const id = ids[index]!;
        // While others had their turn the shape may have gone by itself.
        if (router.isRouted(id) && isMeant(router.templateOf(id))) {
          // A failing store says so by itself.
          this.removeNow(id).catch(() => undefined);
        }
        // Other requests get their turn.
        if (index % SLICE === SLICE - 1) await nextTurn();
      }
      after = next;
      await nextTurn();
    } while (after !== undefined && templates.relationOf(relationOid) === relation);
  }

  /**
   * Removes every shape there is. Resolves when that is durable. REQUIRES: no transaction is read.
   */
  async removeAll(): Promise<void> {
    for (const oid of this.#options.templates.relationOids()) await this.removeAllOf(oid);
    await this.#options.store.flushed();
  }

  /**
   * The same as `removeNow`, of what cannot be kept up, unless it went with something else that
   * could not. A failing store says so itself.
   */
  removeBroken(id: ShapeId, why: string): void {
    if (this.#options.router.isRouted(id)) this.removeNow(id, why).catch(() => undefined);
  }

  /**
   * REQUIRES: the id is live. The rest of a transaction being read no longer reaches the shape.
   *
   * @param why it cannot be kept, for the operator; undefined: somebody wanted it gone.
   */
  removeNow(id: ShapeId, why?: string): Promise<void> {
    const { registry, router, store, templates, waitingRoom, writer, stopSnapshot } = this.#options;
    const live = templates.get(router.templateOf(id));
    if (live.template.projection !== undefined) return this.#removeView(id, why);
    if (why !== undefined) this.#warn(id, why);
    const key = registry.keyOf(id)!;
    const slot = registry.slotOf(id);

    stopSnapshot(id, shapeRemoved());
    const { where } = live.template;
    const views = viewsOf(router, live, id);
    router.removeShape(
      id,
      entriesOf(where, () => router.constantsOf(id)),
    );
    writer.drop(id);
    this.#options.moves.removed(id);
    waitingRoom.removed(id);
    const durable = store.removeShape(key, slot);
    registry.retire(id);
    templates.release(live);
    if (views.length > 0) this.#options.viewKeeper.releaseUnused(views);
    return durable;
  }

  #warn(id: ShapeId, why: string): void {
    const { logger, registry } = this.#options;
    logger.warn({ handle: registry.handleForLog(id), why }, "a shape with subqueries is removed");
  }

  /**
   * A view, and everybody who uses it. It goes by itself as the last of them is removed, unless
   * there was none or one is about to come, who will be told.
   */
  async #removeView(view: ShapeId, why: string | undefined): Promise<void> {
    const { router, viewKeeper } = this.#options;
    const removals: Promise<void>[] = [];
    let isDone = false;
    while (!isDone) {
      const users = router.isRouted(view) ? router.usersOf(view).ids : [];
      isDone = users.length === 0;
      for (const id of users) {
        // With a view above this one go shapes that use both.
        if (router.isRouted(id)) removals.push(this.removeNow(id, why));
      }
    }
    if (router.isRouted(view)) viewKeeper.remove(view);
    await Promise.all(removals);
  }
}

/** What whoever still waits for the snapshot gets: a 409 without a handle (protocol 4.4). */
function shapeRemoved(): LitzError {
  return new LitzError("the shape was removed while its snapshot was taken", {
    code: "SHAPE_REMOVED",
    httpStatus: 409,
  });
}
