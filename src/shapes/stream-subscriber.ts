/** What the shapes make of the replication stream: each kind of news goes to who acts upon it. */

import type { Subscriber } from "../collector/subscriber.ts";
import type { RelationMessage } from "../decoder/pgoutput.ts";
import type { Logger } from "../lib/logger.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Router } from "../router/router.ts";
import type { Moves } from "../subqueries/moves.ts";
import type { UnroutableReason } from "../router/run-outcome.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { Partitions } from "./partitions.ts";
import type { TableCatalog, TableKeeper } from "./table-keeper.ts";
import type { TemplateRegistry } from "./template-registry.ts";

export interface StreamSubscriberOptions {
  readonly router: Router;
  readonly cleaner: ShapeCleaner;
  readonly logger: Logger;
  readonly writer: ChangeWriter;
  readonly boundaries: BoundaryQueue;
  readonly moves: Moves;
  readonly templates: TemplateRegistry;
  readonly keeper: TableKeeper;
  readonly partitions: Partitions;
  readonly catalog: Pick<TableCatalog, "forget">;
}

export class StreamSubscriber implements Subscriber {
  readonly #options: StreamSubscriberOptions;

  constructor(options: StreamSubscriberOptions) {
    this.#options = options;
  }

  changes(): boolean {
    return this.#options.writer.takeBodies();
  }

  get unfinished(): Promise<void> | undefined {
    return this.#options.moves.unfinished;
  }

  get wantsEveryCommit(): boolean {
    return this.#options.moves.isFollowing;
  }

  committed(commitLsn: Lsn, hasAppended: boolean): boolean {
    this.#removeFailed();
    const { moves, router, writer } = this.#options;
    const hasMoved = moves.committed(commitLsn, router.xid, router.op);
    if (hasAppended || hasMoved) writer.commit(commitLsn);
    // What brings shapes up is a commit of its own, and may take some time.
    moves.catchUp();
    return hasAppended || hasMoved;
  }

  rolledBack(commitLsn: Lsn): void {
    this.#removeFailed();
    this.#options.moves.rolledBack();
    this.#options.writer.rollback(commitLsn);
  }

  boundary(): void {
    this.#removeFailed();
    this.#options.boundaries.runAll();
  }

  progressed(received: Lsn): void {
    this.#removeFailed();
    this.#options.moves.progressed(received);
    this.#options.writer.progressed(received);
  }

  /**
   * A WHERE that raises an error for a row would raise it in the shape's snapshot as well: no
   * answer is the right one, so the shape ends. If the snapshot was taken after the row changed, it
   * has the answer.
   */
  #removeFailed(): void {
    const { cleaner, logger, router, writer } = this.#options;
    for (const failure of router.takeFailures()) {
      const { id, error } = failure;
      // It may have gone with a view that failed before it.
      if (!router.isRouted(id) || !writer.fails(failure)) continue;
      logger.warn({ error: error.message }, "a shape is removed: its WHERE failed on a change");
      cleaner.removeNow(id).catch(() => undefined);
    }
  }

  relation(message: RelationMessage): Promise<void> | undefined {
    const { catalog, keeper, partitions, templates } = this.#options;
    // Postgres says so once, and again whenever something about the table has changed, be it
    // nothing that the message shows: a NOT NULL, a default.
    catalog.forget(message.oid);
    const pending = keeper.agreesWith(message)
      ? partitions.described(message)
      : keeper.reconsider(message.oid, message).then(() => partitions.described(message));
    if (pending !== undefined) return pending.then(() => templates.describe(message));
    templates.describe(message);
    return undefined;
  }

  /** Whoever empties a partition takes rows from its root; the root's partitions are named too. */
  truncated(relationOids: readonly number[]): Promise<void> | undefined {
    const { keeper, partitions, templates } = this.#options;
    const reached = new Set(relationOids.flatMap((oid) => [oid, ...partitions.rootsOf(oid)]));
    const known = [...reached].filter((oid) => templates.relationOf(oid));
    if (known.length === 0) return undefined;
    return Promise.all(known.map((oid) => keeper.invalidate(oid, "it was truncated"))).then(
      () => undefined,
    );
  }

  unroutable(relationOid: number, reason: UnroutableReason): Promise<void> {
    const why = `a change of it could not be routed (reason ${reason})`;
    return this.#options.keeper.invalidate(relationOid, why);
  }
}
