/** What the shapes make of the replication stream: each kind of news goes to who acts upon it. */

import type { Subscriber } from "../collector/subscriber.ts";
import type { RelationMessage } from "../decoder/pgoutput.ts";
import { describesSameTable } from "../decoder/relation-layout.ts";
import type { Logger } from "../lib/logger.ts";
import type { Lsn } from "../model/lsn.ts";
import type { UnroutableReason } from "../router/run-outcome.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeCleaner } from "./shape-cleaner.ts";
import type { TemplateRegistry } from "./template-registry.ts";

export interface StreamSubscriberOptions {
  readonly writer: ChangeWriter;
  readonly boundaries: BoundaryQueue;
  readonly templates: TemplateRegistry;
  readonly cleaner: ShapeCleaner;
  /** What is known of the table from the catalog is out of date. */
  readonly invalidateTable: (oid: number) => void;
  readonly logger: Logger;
}

export class StreamSubscriber implements Subscriber {
  readonly #options: StreamSubscriberOptions;

  constructor(options: StreamSubscriberOptions) {
    this.#options = options;
  }

  changes(): boolean {
    return this.#options.writer.takeBodies();
  }

  committed(commitLsn: Lsn): void {
    this.#options.writer.commit(commitLsn);
  }

  rolledBack(commitLsn: Lsn): void {
    this.#options.writer.rollback(commitLsn);
  }

  boundary(): void {
    this.#options.boundaries.runAll();
  }

  progressed(received: Lsn): void {
    this.#options.writer.progressed(received);
  }

  relation(message: RelationMessage): Promise<void> | undefined {
    const { invalidateTable, templates } = this.#options;
    const relation = templates.relationOf(message.oid);
    if (relation === undefined) {
      // Nobody has asked for it lately: what the catalog said of it then may be out of date.
      invalidateTable(message.oid);
    } else if (!describesSameTable(relation.table, message)) {
      return this.invalidate(message.oid, "it changed its form").then(() =>
        templates.describe(message),
      );
    }
    templates.describe(message);
    return undefined;
  }

  truncated(relationOids: readonly number[]): Promise<void> | undefined {
    const known = relationOids.filter((oid) => this.#options.templates.relationOf(oid));
    if (known.length === 0) return undefined;
    return Promise.all(known.map((oid) => this.invalidate(oid, "it was truncated"))).then(
      () => undefined,
    );
  }

  unroutable(relationOid: number, reason: UnroutableReason): Promise<void> {
    return this.invalidate(relationOid, `a change of it could not be routed (reason ${reason})`);
  }

  /** Removes the table's shapes and forgets what the catalog said of it. */
  async invalidate(oid: number, why: string): Promise<void> {
    const { cleaner, invalidateTable, logger, templates } = this.#options;
    const table = templates.relationOf(oid)?.table;
    if (table !== undefined) {
      const name = `${table.schema}.${table.name}`;
      logger.info({ table: name, why }, "the shapes of a table are invalidated");
    }
    invalidateTable(oid);
    await cleaner.removeAllOf(oid);
  }
}
