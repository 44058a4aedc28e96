/**
 * A sync server inside any Node process: made from a Config, started and stopped. `litz`, the
 * command, is a caller of it like any other.
 *
 *     start: ask the database who it is ─> open storage ─> restore shapes ─> follow replication
 *
 * Requests are accepted from the first moment. Once storage is restored, shapes that exist are
 * read; until the stream runs, those who want new ones wait, then get a 503.
 */

import { readFileSync } from "node:fs";
import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import { ReplicationSession, type SlotLoss } from "./postgres/replication-session.ts";
import { ConfigError, type Config } from "./config.ts";
import type { EdgeOptions } from "./http/edge.ts";
import { gatherFigures, syncHistogram, type EngineSources } from "./figures.ts";
import type { Certificate } from "./http/https-certificate.ts";
import { startMetricsServer, type MetricsServer } from "./http/metrics-server.ts";
import { shapeRoutes } from "./http/routes.ts";
import { createHttpServer, createRequestHandler, type RequestHandler } from "./http/server.ts";
import { Traffic } from "./http/traffic.ts";
import { systemClock } from "./lib/clock.ts";
import { asError, LitzError, shuttingDown } from "./lib/errors.ts";
import { silentLogger, type Logger } from "./lib/logger.ts";
import { systemTimers } from "./lib/timers.ts";
import { memoryReport } from "./memory-report.ts";
import type { Exposition, Metrics } from "./metrics/exposition.ts";
import type { CaseMapping } from "./model/case-mapping.ts";
import { readCaseMapping } from "./postgres/case-mapping.ts";
import { parseConnectionOptions, type ConnectionOptions } from "./postgres/connection-options.ts";
import { Inspector, inspectServer, type ServerInfo } from "./postgres/inspector.ts";
import { CATALOG_TIMEOUTS, Pool } from "./postgres/pool.ts";
import { Publication } from "./postgres/publication.ts";
import { Backoff } from "./postgres/reconnect.ts";
import { dropSlot, replicationNamesOf } from "./postgres/slot.ts";
import { SnapshotBatcher } from "./postgres/snapshot-batch.ts";
import { SnapshotReader } from "./postgres/snapshot-query.ts";
import { SubsetReader } from "./postgres/subset-query.ts";
import { MoveReader } from "./postgres/move-query.ts";
import { ServerTimeZones } from "./postgres/time-zone-transitions.ts";
import { ViewReader } from "./postgres/view-query.ts";
import { WalWatch } from "./postgres/wal-watch.ts";
import { loadCore } from "./router/core.ts";
import { openPipeline, type Foundation, type Pipeline } from "./server.ts";
import { LateService } from "./shapes/late-service.ts";
import { MeasuredSnapshots } from "./shapes/measured-snapshots.ts";
import { Readiness } from "./shapes/readiness.ts";
import { gateUnplacedShapes } from "./shapes/restore.ts";
import { DiskWatch } from "./storage/disk-watch.ts";
import { StoreIdentityMismatch } from "./storage/errors.ts";
import { purgeStore } from "./storage/open-store.ts";
import { makeTemporaryDirectory, type TemporaryDirectory } from "./storage/temporary-directory.ts";

export interface SyncServiceOptions {
  readonly config: Config;
  /** Nothing is logged unless one is given. Pino is one. */
  readonly logger?: Logger;
  /**
   * Storage, or the core, has failed: nothing can be made durable any more, and the process should
   * end soon; the next start goes on from what is durable. Unless this is given the process gets a
   * SIGTERM and exit code 1.
   */
  readonly onFailure?: (error: Error) => void;
}

export interface SyncService {
  /**
   * Connects and begins to serve. Resolves when the replication stream runs, or `stop` was called;
   * keeps trying while the database cannot be reached, so let the host listen meanwhile: requests
   * wait for a while and are told what is missing.
   *
   * @throws {LitzError} when it never will: wrong version, `wal_level`, storage in use, too little
   *   memory.
   */
  start(): Promise<void>;
  /** Makes everything durable and lets go of the database and the disk. Close the server before. */
  stop(): Promise<void>;
  /** The routes, for a Fastify application: `app.register(service.plugin, { prefix: "/sync" })`. */
  readonly plugin: FastifyPluginAsync;
  /** The whole server as a function of request and response, for any other. */
  requestHandler(): Promise<RequestHandler>;
  /**
   * The whole server on a Fastify of its own, not yet listening. Short answers are made without it,
   * unless hooks are added to it before it listens: then it sees every request.
   *
   * @param certificate with one, HTTP/2 and HTTP/1.1 over TLS.
   */
  httpServer(certificate?: Certificate): FastifyInstance;
  /** What `GET /admin/memory` answers. */
  memoryReport(): object;
  /**
   * What `/metrics` answers on the port ELECTRIC_PROMETHEUS_PORT, for hosts that have a listener of
   * their own.
   */
  metrics(): Promise<Exposition>;
}

/** Makes a service; nothing happens before `start`. */
export function createSyncService(options: SyncServiceOptions): SyncService {
  return new PipelineService(options);
}

interface InspectedServer extends ServerInfo {
  readonly caseMapping: CaseMapping | undefined;
}

/** What `createSyncService` makes, its parts within reach of tests and benches. */
export class PipelineService implements SyncService {
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #onFailure: (error: Error) => void;
  readonly #readiness = new Readiness();
  readonly #shapes = new LateService(this.#readiness);
  readonly #traffic = new Traffic();
  readonly #startedAtMs = systemClock.nowMilliseconds();
  readonly #stop = new AbortController();
  /**
   * Two, because a snapshot may keep its connection until the stream has reached it, and the stream
   * waits for what the catalog says.
   */
  #pools: { readonly catalog: Pool; readonly rows: Pool } | undefined;
  #opening: Promise<Pipeline> | undefined;
  #pipeline: Pipeline | undefined;
  #publication: Publication | undefined;
  #session: ReplicationSession | undefined;
  #temporary: TemporaryDirectory | undefined;
  #engine: EngineSources | undefined;
  #metrics: Promise<Metrics> | undefined;
  #metricsServer: MetricsServer | undefined;

  constructor({ config, logger = silentLogger, onFailure = endProcess }: SyncServiceOptions) {
    this.#config = config;
    this.#logger = logger;
    this.#onFailure = onFailure;
  }

  async start(): Promise<void> {
    if (this.#isStopping()) throw shuttingDown();
    try {
      await this.#start();
    } catch (error) {
      // What a stop takes away from whoever starts is no failure.
      if (!this.#isStopping()) throw error;
    }
  }

  async #start(): Promise<void> {
    const config = this.#config;
    for (const setting of config.withoutEffect) {
      this.#logger.warn(
        { setting },
        "a setting is accepted and has no effect: litz has no such thing",
      );
    }
    await this.#serveMetrics();
    // What is wrong with it is said now, not when the stream begins.
    this.#connectionTo(config.databaseUrl);
    const names = replicationNamesOf(config.replicationStreamId);
    const { catalog, rows } = (this.#pools = this.#openPools());
    const server = await this.#untilAnswered(() => inspect(catalog));
    const inspector = new Inspector(catalog);
    const timeZones = new ServerTimeZones(catalog);
    const publication = new Publication({
      database: catalog,
      name: names.publication,
      isManual: config.manualTablePublishing,
      logger: this.#logger,
    });
    this.#publication = publication;
    this.#readiness.starting("shape metadata to be loaded");
    const directory = this.#directory();
    const measured = { snapshots: measuredSnapshots(rows), syncs: syncHistogram() };
    const core = await this.#loadCore();
    if (this.#isStopping()) return;
    this.#opening = this.#open({
      ...measured,
      config,
      core,
      inspector,
      publication,
      viewValues: new ViewReader(rows, config.coreMemoryMax),
      moveRows: new MoveReader(rows),
      // The other half of the connections is for snapshots.
      subsets: new SubsetReader(rows, { concurrency: Math.ceil(config.databasePoolSize / 2) }),
      caseMapping: server.caseMapping,
      timeZones,
      readiness: this.#readiness,
      directory,
      databaseIdentity: `${server.systemIdentifier}/${server.databaseName}/${names.slot}`,
      onStorageFailure: (error) => this.#fail(error),
      clock: systemClock,
      logger: this.#logger,
    });
    const pipeline = await this.#opening;
    this.#pipeline = pipeline;
    if (this.#isStopping()) return;
    const watching = { clock: systemClock, timers: systemTimers };
    const wal = new WalWatch({ database: catalog, slot: names.slot, ...watching });
    this.#engine = { ...measured, pipeline, wal, disk: new DiskWatch({ directory, ...watching }) };
    const zones = pipeline.templates.timeZoneNames();
    await this.#untilAnswered(() => Promise.all(zones.map((name) => timeZones.load(name))));
    if (this.#isStopping()) return;
    this.#shapes.open(pipeline.shapes);
    this.#readiness.starting("replication client to be ready");
    await this.#untilAnswered(() => publication.ensureExists());
    await this.#untilAnswered(() => pipeline.partitions.restore());
    if (this.#stop.signal.aborted) return;
    await this.#follow(pipeline, server.walSenderTimeoutMs);
    if (this.#isStopping()) return;
    void this.#seedViews(pipeline);
    pipeline.keeper.start(config.catalogReconcileIntervalMs, systemTimers);
    pipeline.eviction.start(systemTimers);
  }

  /** Stored shapes with subqueries are served meanwhile; they catch up when this is done. */
  async #seedViews({ viewKeeper }: Pipeline): Promise<void> {
    try {
      await this.#untilAnswered(() => viewKeeper.seedRestored());
    } catch (thrown) {
      if (this.#isStopping()) return;
      const { message } = asError(thrown);
      this.#logger.error({ error: message }, "subqueries could not be read; their shapes end");
      viewKeeper.giveUpRestored();
    }
  }

  #isStopping(): boolean {
    return this.#stop.signal.aborted;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#readiness.stopping();
    // What is half open cannot be closed.
    const pipeline = this.#pipeline ?? (await this.#opening?.catch(() => undefined));
    pipeline?.viewKeeper.close();
    pipeline?.keeper.stop();
    pipeline?.eviction.stop();
    this.#publication?.close();
    const snapshots = this.#stopSnapshots();
    const settled = snapshots
      .then(() => pipeline?.store.flushed())
      .then(() => pipeline?.collector.settle());
    // A snapshot ends at a transaction boundary, and so does what is written down: a stalled
    // connection may never reach it. Then the session goes first, and Postgres sends the rest of
    // the transaction again.
    await Promise.race([settled, delay(STOP_GRACE_MS)]).catch(() => undefined);
    await inOrder([
      () => this.#session?.stop(),
      () => pipeline?.moves.abandon(),
      () => snapshots,
      () => pipeline?.store.close(),
      () => this.#dropSlotIfWanted(),
      () => this.#pools?.rows.close(),
      () => this.#pools?.catalog.close(),
      () => this.#metricsServer?.close(),
      () => this.#temporary?.remove(),
    ]);
  }

  async #dropSlotIfWanted(): Promise<void> {
    if (!this.#config.dropSlotOnShutdown || this.#pools === undefined) return;
    await dropSlot(this.#pools.catalog, replicationNamesOf(this.#config.replicationStreamId).slot);
  }

  readonly plugin: FastifyPluginAsync = async (app) => {
    app.addHook("preClose", () => this.#stopSnapshots());
    await app.register(shapeRoutes, this.#edgeOptions());
  };

  async requestHandler(): Promise<RequestHandler> {
    const handler = await createRequestHandler(this.#edgeOptions());
    const close = async () => {
      await Promise.all([this.#stopSnapshots(), handler.close()]);
    };
    return { handle: handler.handle, close };
  }

  httpServer(certificate?: Certificate): FastifyInstance {
    const app = createHttpServer(this.#edgeOptions(), certificate);
    app.addHook("preClose", () => this.#stopSnapshots());
    return app;
  }

  /** An answer that follows a slow snapshot would hold up whoever waits for all answers to end. */
  async #stopSnapshots(): Promise<void> {
    await this.#pipeline?.creator.close();
  }

  memoryReport(): object {
    return memoryReport(this.#pipeline);
  }

  async metrics(): Promise<Exposition> {
    // Not before: whoever is not asked for them need not have the package in memory.
    this.#metrics ??= import("./metrics/exposition.ts").then(
      ({ Metrics }) => new Metrics(() => this.#figures()),
    );
    return (await this.#metrics).expose();
  }

  /** On their own port, from the first moment: how a start goes is worth watching. */
  async #serveMetrics(): Promise<void> {
    const { host, prometheusPort } = this.#config;
    if (prometheusPort === undefined) return;
    this.#metricsServer = await startMetricsServer({
      host,
      port: prometheusPort,
      metrics: () => this.metrics(),
      onFailure: (error) => this.#logger.error({ error }, "metrics could not be gathered"),
    });
  }

  #figures() {
    return gatherFigures({
      config: this.#config,
      clock: systemClock,
      startedAtMs: this.#startedAtMs,
      readiness: this.#readiness,
      traffic: this.#traffic,
      engine: this.#engine,
    });
  }

  /** Undefined before storage is open. */
  get pipeline(): Pipeline | undefined {
    return this.#pipeline;
  }

  #edgeOptions(): EdgeOptions {
    return {
      service: this.#shapes,
      config: this.#config,
      memoryReport: () => this.memoryReport(),
      figures: () => this.#figures(),
      traffic: this.#traffic,
      shapeAdmin: () => this.#pipeline?.admin,
      logger: this.#logger,
      clock: systemClock,
    };
  }

  #openPools() {
    const { databasePoolSize: size, pooledDatabaseUrl } = this.#config;
    const connection = this.#connectionTo(pooledDatabaseUrl);
    const forCatalog = Math.max(1, Math.min(CATALOG_CONNECTIONS_MAX, Math.floor(size / 4)));
    const open = (connections: number) =>
      new Pool(connection, { size: connections, logger: this.#logger });
    return { catalog: open(forCatalog), rows: open(Math.max(1, size - forCatalog)) };
  }

  #connectionTo(url: string): ConnectionOptions {
    const file = this.#config.databaseCaCertificateFile;
    return parseConnectionOptions(url, file === undefined ? undefined : readCertificate(file));
  }

  #loadCore() {
    return loadCore({ memoryBytesMax: this.#config.coreMemoryMax });
  }

  /** Asks until there is an answer: a database that is still starting is no reason to give up. */
  async #untilAnswered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    const backoff = new Backoff(Math.random);
    while (true) {
      try {
        return await ask();
      } catch (thrown) {
        const error = asError(thrown);
        const isRetriable = error instanceof LitzError && error.retriable;
        // What is missing stays missing until somebody acts, who has to be told.
        const isMissing = isRetriable && error.code === "PUBLICATION_MISSING";
        if (!isRetriable || isMissing || this.#stop.signal.aborted) throw error;
        const delayMs = backoff.nextDelayMs();
        this.#logger.warn({ error: error.message, delayMs }, "the database cannot be reached yet");
        await new Promise<void>((resolve) => systemTimers.after(delayMs, resolve));
      }
    }
  }

  /** Shapes of another database are worthless: their directory is emptied. */
  async #open(foundation: Foundation): Promise<Pipeline> {
    try {
      return await openPipeline(foundation);
    } catch (error) {
      if (!(error instanceof StoreIdentityMismatch)) throw error;
      this.#logger.warn({ directory: foundation.directory }, `${error.message}; purging it`);
      purgeStore(foundation.directory);
      return openPipeline({ ...foundation, core: await this.#loadCore() });
    }
  }

  async #follow(pipeline: Pipeline, walSenderTimeoutMs: number): Promise<void> {
    const readiness = this.#readiness;
    const { cleaner, collector, registry, store, templates, writer } = pipeline;
    const { unplaced } = pipeline;
    await new Promise<void>((resolve) => {
      this.#session = new ReplicationSession({
        connection: this.#connectionTo(this.#config.databaseUrl),
        names: replicationNamesOf(this.#config.replicationStreamId),
        walSenderTimeoutMs,
        reader: collector,
        listener: {
          waitingForLock: () => readiness.waiting(),
          confirmed: () => store.confirmed,
          slotLost: async (reason) => {
            const { count } = registry;
            if (count > 0) this.#logger.warn({ count }, `${SLOT_LOST[reason]}: shapes begin anew`);
            await cleaner.removeAll();
          },
          beginning: async (confirmed) => {
            templates.forgetMessages();
            if (confirmed > store.confirmed)
              store.recordConfirmed(confirmed).catch(() => undefined);
            await gateUnplacedShapes(unplaced, confirmed, { registry, store, writer });
          },
          active: () => {
            readiness.active();
            resolve();
          },
          inactive: (error) =>
            readiness.starting(`replication client to be ready: ${error.message}`),
        },
        acknowledged: () => collector.acknowledged,
        clock: systemClock,
        timers: systemTimers,
        logger: this.#logger,
      });
      this.#session.start();
      this.#stop.signal.addEventListener("abort", () => resolve());
    });
  }

  #directory(): string {
    if (!this.#config.isStorageTemporary) return this.#config.storageDirectory;
    this.#temporary = makeTemporaryDirectory();
    return this.#temporary.path;
  }

  /** Nothing more can be made durable: the next start begins from what is. */
  #fail(error: Error): void {
    this.#logger.error({ error: error.message }, "storage failed; the process has to be restarted");
    this.#onFailure(error);
  }
}

function endProcess(): void {
  process.exitCode = 1;
  process.kill(process.pid, "SIGTERM");
}

function measuredSnapshots(pool: Pool): MeasuredSnapshots {
  const batcher = new SnapshotBatcher(pool, new SnapshotReader(pool), systemClock);
  return new MeasuredSnapshots(batcher, systemClock);
}

async function inspect(pool: Pool): Promise<InspectedServer> {
  const caseMapping = await pool.transaction(CATALOG_TIMEOUTS, readCaseMapping);
  return { ...(await inspectServer(pool)), caseMapping };
}

/** @throws {ConfigError} */
function readCertificate(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    const name = "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE";
    throw new ConfigError(name, file, "the path of a file that can be read");
  }
}

const SLOT_LOST: Record<SlotLoss, string> = {
  missing: "the replication slot is gone",
  invalidated: "Postgres has given up the replication slot (max_slot_wal_keep_size)",
  readByOther: "the replication slot was read with another storage directory meanwhile",
};

/** How long snapshots and the journal may take to settle before the connection is closed. */
const STOP_GRACE_MS = 2_000;
/** Connections that no snapshot has; a quarter of all, if there are few. */
const CATALOG_CONNECTIONS_MAX = 4;

function delay(delayMs: number): Promise<void> {
  return new Promise((resolve) => systemTimers.after(delayMs, resolve));
}

/** Runs every step, whatever becomes of those before it; throws the first error at the end. */
async function inOrder(steps: readonly (() => Promise<void> | void)[]): Promise<void> {
  const errors: Error[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(asError(error));
    }
  }
  if (errors.length > 0) throw errors[0]!;
}
