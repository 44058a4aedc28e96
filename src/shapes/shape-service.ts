/**
 * What the HTTP edge knows of shapes. It asks with definitions and handles and is answered with
 * handles and logs; how a shape is found, created or woken is none of its business.
 */

import type { ShapeHandle, WaiterId } from "../model/ids.ts";
import type { LogOffset } from "../model/log-offset.ts";
import type { Lsn } from "../model/lsn.ts";
import type { LogMode, ReplicaMode, ShapeDefinition } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import type { ShapeLog } from "../storage/storage.ts";

/** The parameters of protocol 2.1 that define a shape, as text and not yet checked. */
export interface DefinitionRequest {
  readonly table: string;
  readonly where: string | undefined;
  /** `params[n]`: keys as the client wrote them. */
  readonly params: Readonly<Record<string, string>>;
  /** Comma-separated identifiers, or a list. */
  readonly columns: string | readonly string[] | undefined;
  /** The columns that may be selected, and that a subset may refer to. Undefined: all of them. */
  readonly queryableColumns: string | readonly string[] | undefined;
  readonly replica: ReplicaMode;
  readonly log: LogMode;
}

/** Some rows of a shape at one moment (protocol 12), as text and not yet checked. */
export interface SubsetRequest {
  readonly where: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly orderBy: string | undefined;
  /** At least 1. */
  readonly limit: number | undefined;
  /** At least 0. */
  readonly offset: number | undefined;
}

export type ServiceStatus = "active" | "waiting" | "starting";

export interface ShapeService {
  readonly status: ServiceStatus;

  /**
   * Resolves as soon as shapes that exist can be found and read, be it that nothing is known of
   * what has happened to them since the service last ran. Undefined: they can.
   *
   * @throws {LitzError} NOT_READY (503) with the reason of protocol 3.2 after `timeoutMs`.
   */
  readable(timeoutMs: number): Promise<void> | undefined;

  /**
   * Resolves as soon as the service is active: the stream runs, and shapes can be made. Undefined:
   * it is.
   *
   * @throws {LitzError} NOT_READY (503) with the reason of protocol 3.2 after `timeoutMs`.
   */
  ready(timeoutMs: number): Promise<void> | undefined;

  /** Commit LSN up to which everything that Postgres sent is durable and visible to readers. */
  readonly lastProcessedLsn: Lsn;

  /**
   * Checks a definition against the catalog, or what is remembered of it: then there is no promise.
   *
   * @throws {InvalidParameter} naming the parameter (protocol 3.3).
   * @throws {LitzError} 503 when the database cannot be asked.
   */
  define(request: DefinitionRequest): Promise<ShapeDefinition> | ShapeDefinition;

  /**
   * Checks a subset of a shape, of which only the columns that `queryableColumns` names may be
   * spoken of.
   *
   * @throws {InvalidParameter} naming the member: `where`, `params` or `order_by` (protocol 3.3).
   */
  defineSubset(
    definition: ShapeDefinition,
    request: SubsetRequest,
    queryableColumns: DefinitionRequest["queryableColumns"],
  ): Promise<Subset>;

  /**
   * Reads a subset in a snapshot of its own. Resolves when its first rows are there. The generator
   * of its pages holds a connection until it is ended, or the signal is aborted.
   *
   * @throws {InvalidParameter} naming `where`, in the words of Postgres, which looked at a value.
   * @throws {LitzError} POSTGRES_*, or SCHEMA_CHANGED for a 409.
   */
  readSubset(
    shape: Pick<ServedShape, "definition" | "handle">,
    subset: Subset,
    signal: AbortSignal,
  ): Promise<SubsetSnapshot>;

  find(definition: ShapeDefinition): ServedShape | undefined;

  /**
   * The shape of this definition, created if there is none. Concurrent calls for one definition
   * create one shape. Resolves when the shape is durable; its snapshot may still be under way.
   *
   * @throws {LitzError} 503 when it cannot be created now; SNAPSHOT_FAILED_EARLY, whose cause is
   *   what `snapshotStarted` would have thrown.
   */
  findOrCreate(definition: ShapeDefinition): Promise<ServedShape>;

  /** The definition behind a handle, undefined when no such shape exists. */
  definitionOf(handle: ShapeHandle): ShapeDefinition | undefined;

  /** Removes a shape. Whoever waits on it is told `removed`. Resolves when durable. */
  remove(handle: ShapeHandle): Promise<void>;
}

/** A shape for the length of one request. */
export interface ServedShape {
  readonly handle: ShapeHandle;
  readonly definition: ShapeDefinition;
  /** The `electric-schema` header (protocol section 9), ASCII only. */
  readonly schemaHeader: string;
  readonly log: ShapeLog;

  /** False once the shape was removed, be it that its id has long gone to another. */
  readonly isCurrent: boolean;

  /**
   * Up to where the log is complete, of a shape with subqueries to which changes may still come
   * that lie in front of what the server has processed, or events and rows that share the LSN of
   * its last entry. Undefined: nothing is missing.
   */
  readonly heldLsn: Lsn | undefined;

  /**
   * Resolves when the snapshot query has begun to deliver, so that an answer can be started.
   * Undefined: that was long ago.
   *
   * @throws {LitzError} the snapshot's failure (protocol 3.2), code SCHEMA_CHANGED for a 409.
   */
  snapshotStarted(): Promise<void> | undefined;

  /**
   * Waits until the log has grown past `after`; at once if it already has. The wait costs the core
   * a few bytes. Aborting the signal forgets it.
   */
  waitForChange(after: LogOffset, timeoutMs: number, signal?: AbortSignal): Promise<WaitOutcome>;

  /**
   * Tells the watcher, once, when the log has grown past `after` or the shape has gone: what
   * thousands of requests for the same thing wait on together. If that is so already, or there is
   * no memory ("full"), says so and tells nobody.
   */
  watch(after: LogOffset, watcher: Watcher): WaiterId | News | "full";

  /** REQUIRES: the watcher has not been told. */
  unwatch(waiter: WaiterId): void;
}

export type News = "changed" | "removed";

export interface Watcher {
  news(news: News): void;
}

export type WaitOutcome = "changed" | "removed" | "timeout" | "aborted";
