/**
 * Every metric: its name, what it counts and in which unit, and where in the figures it is found.
 * Names follow the conventions of Prometheus: a prefix, base units, `_total` for counters.
 */

import type { HistogramReport } from "../lib/duration-histogram.ts";
import type { EngineFigures, Figures, StructureFigures } from "./figures.ts";

export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface SampledDefinition {
  readonly type: "gauge" | "counter";
  readonly name: string;
  readonly help: string;
  /** None: unknown at the moment. */
  readonly read: (figures: Figures) => readonly Sample[];
}

export interface HistogramDefinition {
  readonly type: "histogram";
  readonly name: string;
  readonly help: string;
  readonly read: (figures: Figures) => HistogramReport | undefined;
}

export type Definition = SampledDefinition | HistogramDefinition;

/** A number of the whole. */
const one = (value: number | null | undefined): readonly Sample[] =>
  value === null || value === undefined ? [] : [{ value }];

const ofEngine =
  (read: (engine: EngineFigures) => number | null) =>
  ({ engine }: Figures): readonly Sample[] =>
    engine === null ? [] : one(read(engine));

/** One number of each structure of the core. */
const ofStructures =
  (read: (structure: StructureFigures) => number) =>
  ({ engine }: Figures): readonly Sample[] =>
    (engine?.structures ?? []).map((structure) => ({
      value: read(structure),
      labels: { structure: structure.owner.replaceAll(" ", "_") },
    }));

const STATUSES = ["starting", "waiting", "active"] as const;

const SERVER: readonly Definition[] = [
  {
    type: "gauge",
    name: "litz_info",
    help: "1, with the version of litz as a label.",
    read: ({ server: { version } }) => [{ value: 1, labels: { version } }],
  },
  {
    type: "gauge",
    name: "litz_status",
    help: "1 for what the server is doing, as /v1/health tells it; 0 for the rest.",
    read: ({ server }) =>
      STATUSES.map((status) => ({ value: Number(server.status === status), labels: { status } })),
  },
];

const MEMORY: readonly Definition[] = [
  {
    type: "gauge",
    name: "litz_core_memory_bytes",
    help: "Linear memory of the core: the committed bytes of all structures.",
    read: ofEngine(({ coreBytes }) => coreBytes),
  },
  {
    type: "gauge",
    name: "litz_core_memory_max_bytes",
    help: "What LITZ_CORE_MEMORY_MAX allows linear memory to be.",
    read: ofEngine(({ coreBytesMax }) => coreBytesMax),
  },
  {
    type: "gauge",
    name: "litz_structure_live_bytes",
    help: "Bytes of linear memory that a structure uses.",
    read: ofStructures(({ liveBytes }) => liveBytes),
  },
  {
    type: "gauge",
    name: "litz_structure_committed_bytes",
    help: "Bytes of the pages that a structure has.",
    read: ofStructures(({ committedBytes }) => committedBytes),
  },
  {
    type: "gauge",
    name: "litz_structure_wasted_bytes",
    help: "Committed bytes that a structure does not use: rounding and fragmentation.",
    read: ofStructures(({ wastedBytes }) => wastedBytes),
  },
  {
    type: "gauge",
    name: "litz_structure_entries",
    help: "Things that a structure keeps; pages, where it keeps no things.",
    read: ofStructures(({ entries }) => entries),
  },
];

const SHAPES: readonly Definition[] = [
  {
    type: "gauge",
    name: "litz_shapes",
    help: "Shapes, by the state of their snapshots.",
    read: ({ engine }) => {
      if (engine === null) return [];
      const { shapes, snapshots } = engine;
      const creating = Math.min(snapshots.underWay, shapes.total);
      return [
        { value: creating, labels: { state: "creating" } },
        { value: shapes.total - creating, labels: { state: "ready" } },
      ];
    },
  },
  {
    type: "gauge",
    name: "litz_class_shapes",
    help: "Shapes by how their rows are found. With class=scan they are tried on every row.",
    read: ({ engine }) =>
      (engine?.shapes.classes ?? []).map(({ class: name, shapes }) => ({
        value: shapes,
        labels: { class: name, indexed: String(name !== "scan") },
      })),
  },
  {
    type: "gauge",
    name: "litz_views",
    help: "Subqueries that shapes stand on, each once.",
    read: ofEngine(({ shapes }) => shapes.views),
  },
  {
    type: "gauge",
    name: "litz_templates",
    help: "Kinds of shapes: those that differ in constants alone are one.",
    read: ofEngine(({ shapes }) => shapes.templates),
  },
  {
    type: "gauge",
    name: "litz_waiters",
    help: "Waits in the core: one for all requests that wait for the same thing.",
    read: ofEngine(({ shapes }) => shapes.waiters),
  },
  {
    type: "counter",
    name: "litz_evictions_total",
    help: "Shapes removed to keep a budget: their number, linear memory, or the disk.",
    read: ({ engine }) =>
      Object.entries(engine?.evictions ?? {}).map(([budget, value]) => ({
        value,
        labels: { budget },
      })),
  },
  {
    type: "counter",
    name: "litz_snapshots_failed_total",
    help: "Snapshots that failed or were given up.",
    read: ofEngine(({ snapshots }) => snapshots.failed),
  },
  {
    type: "histogram",
    name: "litz_snapshot_duration_seconds",
    help: "How long snapshots took that were read to their end, in seconds.",
    read: ({ engine }) => engine?.snapshots.durations,
  },
];

const REPLICATION: readonly Definition[] = [
  {
    type: "gauge",
    name: "litz_replication_lag_bytes",
    help: "WAL that Postgres has flushed and litz has not confirmed, in bytes.",
    read: ofEngine(({ replication }) => replication.lagBytes),
  },
  {
    type: "gauge",
    name: "litz_replication_lag_seconds",
    help: "How far what is confirmed is behind Postgres, in seconds.",
    read: ofEngine(({ replication }) => replication.lagSeconds),
  },
  {
    type: "gauge",
    name: "litz_replication_retained_bytes",
    help: "WAL that Postgres keeps for the slot, in bytes.",
    read: ofEngine(({ replication }) => replication.retainedBytes),
  },
  {
    type: "gauge",
    name: "litz_replication_received_lsn",
    help: "Position in the WAL up to which transactions were read, in bytes.",
    read: ofEngine(({ replication }) => lsnNumber(replication.receivedLsn)),
  },
  {
    type: "gauge",
    name: "litz_replication_confirmed_lsn",
    help: "Position in the WAL that was confirmed to Postgres, in bytes.",
    read: ofEngine(({ replication }) => lsnNumber(replication.confirmedLsn)),
  },
  {
    type: "gauge",
    name: "litz_last_commit_timestamp_seconds",
    help: "When the last transaction that was read had committed, in seconds since 1970.",
    read: ofEngine(({ replication }) => replication.lastCommitSeconds),
  },
  {
    type: "counter",
    name: "litz_transactions_total",
    help: "Transactions that were read. Begins again at 2^32.",
    read: ofEngine(({ replication }) => replication.transactions),
  },
  {
    type: "counter",
    name: "litz_changes_routed_total",
    help: "Row changes that were routed, whether or not a shape wanted them.",
    read: ofEngine(({ replication }) => replication.changes),
  },
  {
    type: "counter",
    name: "litz_changes_matched_total",
    help: "Bodies that were stored: changes that a shape wanted, once for each form they take.",
    read: ofEngine(({ replication }) => replication.matchedChanges),
  },
  {
    type: "counter",
    name: "litz_matches_total",
    help: "Shapes that stored bodies were for, added up.",
    read: ofEngine(({ replication }) => replication.matches),
  },
];

/** A float holds it exactly up to 8 PiB of WAL. */
function lsnNumber(text: string): number {
  const [high = "0", low = "0"] = text.split("/");
  return parseInt(high, 16) * 2 ** 32 + parseInt(low, 16);
}

const STORAGE: readonly Definition[] = [
  {
    type: "gauge",
    name: "litz_storage_bytes",
    help: "Bytes of the files in the data directory.",
    read: ofEngine(({ storage }) => storage.diskBytes),
  },
  {
    type: "gauge",
    name: "litz_storage_segments",
    help: "Segments of the journal.",
    read: ofEngine(({ storage }) => storage.segments),
  },
  {
    type: "gauge",
    name: "litz_storage_pending_bytes",
    help: "Bytes that were appended to the journal and are not synced yet.",
    read: ofEngine(({ storage }) => storage.pendingBytes),
  },
  {
    type: "gauge",
    name: "litz_storage_buffered_postings",
    help: "Postings in memory that no checkpoint has taken yet.",
    read: ofEngine(({ storage }) => storage.bufferedPostings),
  },
  {
    type: "histogram",
    name: "litz_journal_sync_duration_seconds",
    help: "How long the journal's syncs took, in seconds.",
    read: ({ engine }) => engine?.storage.syncs,
  },
];

const HTTP: readonly Definition[] = [
  {
    type: "gauge",
    name: "litz_http_connections",
    help: "Open connections of clients.",
    read: ({ http }) => one(http.connections),
  },
  {
    type: "gauge",
    name: "litz_requests",
    help: "Requests for shapes that are under way, those that wait among them.",
    read: ({ http: { requests } }) => [
      { value: requests.initial, labels: { kind: "initial" } },
      { value: requests.existing, labels: { kind: "existing" } },
    ],
  },
  {
    type: "gauge",
    name: "litz_waiting_requests",
    help: "Requests that wait for changes without the HTTP layer.",
    read: ({ http: { waiting } }) => [
      { value: waiting.longPolls, labels: { kind: "long_poll" } },
      { value: waiting.eventStreams, labels: { kind: "event_stream" } },
    ],
  },
  {
    type: "counter",
    name: "litz_http_answers_total",
    help: "Answers, by kind of route and status. An event stream counts when it begins.",
    read: ({ http }) =>
      http.answers.map(({ route, status, count }) => ({
        value: count,
        labels: { route, status: String(status) },
      })),
  },
];

export const METRICS: readonly Definition[] = [
  ...SERVER,
  ...MEMORY,
  ...SHAPES,
  ...REPLICATION,
  ...STORAGE,
  ...HTTP,
];
