/** The tiles, the charts and the table of structures: what has changed since the last look. */

import { Chart } from "./charts.js";
import { byId, element, tableRow } from "./dom.js";
import { bytes, compact, count, plural, seconds } from "./format.js";

/**
 * @typedef {import("../metrics/figures.ts").Figures} Figures
 * @typedef {import("../metrics/figures.ts").EngineFigures} EngineFigures
 * @typedef {import("../metrics/figures.ts").StructureFigures} Structure
 * @typedef {{ changes: number, matched: number, transactions: number }} Rates
 */

/** Structures that have a colour of their own; the rest is one series. */
const COLORS = 7;
const REST = COLORS + 1;

/** Structures that are as large with one shape as with a million. */
const NOT_PER_SHAPE = new Set([
  ...["free", "static", "page pool", "input and output", "pending postings"],
]);

export class Overview {
  #changes = new Chart(byId("changes-chart"), [
    { label: "routed", color: "--series-8" },
    { label: "bodies stored", color: "--series-1" },
  ]);
  #lag = new Chart(byId("lag-chart"), [{ label: "behind", color: "--series-2" }], {
    format: bytes,
  });
  #waiting = new Chart(byId("waiting-chart"), [
    { label: "long-polls", color: "--series-5" },
    { label: "event streams", color: "--series-7" },
  ]);
  /** @type {Chart | undefined} */
  #memory;
  /** Which structures have which series: 1 to COLORS. @type {Map<string, number>} */
  #series = new Map();
  /** @type {{ readonly engine: EngineFigures, readonly atSeconds: number } | undefined} */
  #before;

  /** @param {Figures} figures */
  show(figures) {
    const { engine, http, server } = figures;
    byId("server").textContent =
      `version ${server.version} · Node ${server.nodeVersion.slice(1)} · ` +
      `up ${seconds(server.uptimeSeconds)}`;
    if (engine === null) return;
    const atSeconds = server.startedAtMs / 1000 + server.uptimeSeconds;
    const rates = this.#rates(engine, atSeconds);
    this.#tiles(figures, engine, rates);
    this.#changes.add(atSeconds, [rates?.changes ?? null, rates?.matched ?? null]);
    this.#lag.add(atSeconds, [engine.replication.lagBytes]);
    this.#waiting.add(atSeconds, [http.waiting.longPolls, http.waiting.eventStreams]);
    this.#structures(engine, atSeconds);
  }

  /**
   * Per second, since the last look. Undefined at the first one, and when the server is another.
   *
   * @param {EngineFigures} engine
   * @param {number} atSeconds
   * @returns {Rates | undefined}
   */
  #rates(engine, atSeconds) {
    const before = this.#before;
    this.#before = { engine, atSeconds };
    if (before === undefined || atSeconds <= before.atSeconds) return undefined;
    const { replication: now } = engine;
    const { replication: then } = before.engine;
    if (now.changes < then.changes) return undefined;
    const perSecond = (/** @type {number} */ grown) => grown / (atSeconds - before.atSeconds);
    return {
      changes: perSecond(now.changes - then.changes),
      matched: perSecond(now.matchedChanges - then.matchedChanges),
      transactions: perSecond(now.transactions - then.transactions),
    };
  }

  /**
   * @param {Figures} figures
   * @param {EngineFigures} engine
   * @param {Rates | undefined} rates
   */
  #tiles({ http, process }, engine, rates) {
    const { evictions, replication, shapes, snapshots, storage } = engine;
    const evicted = evictions.shapes + evictions.memory + evictions.disk;
    const { lagBytes, lagSeconds, retainedBytes } = replication;
    const live = engine.structures.reduce((sum, { liveBytes }) => sum + liveBytes, 0);
    byId("tiles").replaceChildren(
      tile("Shapes", compact(shapes.total), plural(shapes.templates, "template")),
      tile(
        "Without an index",
        compact(shapes.unindexed),
        shapes.unindexed === 0 ? "every shape is found" : "tried on every row",
        shapes.unindexed > 0,
      ),
      tile("Linear memory", bytes(engine.coreBytes), `${bytes(live)} live`),
      tile("Resident", bytes(process.rssBytes), `heap ${bytes(process.heapUsedBytes)}`),
      tile(
        "Replication lag",
        lagBytes === null ? "unknown" : bytes(lagBytes),
        lagText(lagSeconds),
        lagSeconds === null || lagSeconds > 10,
      ),
      tile(
        "Transactions",
        rates === undefined ? "–" : `${compact(rates.transactions)}/s`,
        `${compact(replication.transactions)} since the start`,
      ),
      tile(
        "Waiting requests",
        compact(http.waiting.longPolls + http.waiting.eventStreams),
        plural(http.connections, "connection"),
      ),
      tile("Snapshots", compact(snapshots.underWay), `${compact(snapshots.failed)} failed so far`),
      tile(
        "Storage",
        storage.diskBytes === null ? "–" : bytes(storage.diskBytes),
        plural(storage.segments, "journal segment"),
      ),
      tile("Journal syncs", meanOf(storage.syncs), `mean of ${compact(storage.syncs.count)}`),
      tile(
        "Kept by Postgres",
        retainedBytes === null ? "unknown" : bytes(retainedBytes),
        `confirmed ${replication.confirmedLsn}`,
      ),
      tile("Evicted", compact(evicted), "to keep a budget", evicted > 0),
    );
  }

  /**
   * @param {EngineFigures} engine
   * @param {number} atSeconds
   */
  #structures({ coreBytes, shapes, structures }, atSeconds) {
    if (this.#memory === undefined) this.#memory = this.#memoryChart(structures);
    const live = Array.from({ length: REST }, () => 0);
    for (const structure of structures) {
      const index = this.#seriesOf(structure) - 1;
      live[index] = (live[index] ?? 0) + structure.liveBytes;
    }
    this.#memory.add(atSeconds, live);

    byId("structures").replaceChildren(
      ...[...structures]
        .sort((a, b) => b.committedBytes - a.committedBytes)
        .map((structure) => {
          const series = { class: "swatch", "data-series": this.#seriesOf(structure) };
          const name = element("span", {}, element("span", series), structure.owner);
          const isPerShape = !NOT_PER_SHAPE.has(structure.owner);
          return structureRow(
            name,
            structure,
            isPerShape ? structure.liveBytes / shapes.total : NaN,
          );
        }),
    );
    const sum = (
      /** @type {readonly Structure[]} */ some,
      /** @type {"liveBytes" | "wastedBytes"} */ size,
    ) => some.reduce((total, structure) => total + structure[size], 0);
    const perShape = structures.filter(({ owner }) => !NOT_PER_SHAPE.has(owner));
    byId("structures-total").replaceChildren(
      structureRow(
        "All",
        {
          liveBytes: sum(structures, "liveBytes"),
          committedBytes: coreBytes,
          wastedBytes: sum(structures, "wastedBytes"),
        },
        sum(perShape, "liveBytes") / shapes.total,
      ),
    );
  }

  /**
   * The largest at the first look have colours, and keep them.
   *
   * @param {readonly Structure[]} structures
   */
  #memoryChart(structures) {
    const largest = [...structures].sort((a, b) => b.liveBytes - a.liveBytes).slice(0, COLORS);
    // Those that grow with shapes, whatever they are now.
    const growing = ["shape table", "equality index", "value store", "membership index"];
    const chosen = new Set([...growing, ...largest.map(({ owner }) => owner)]);
    for (const owner of [...chosen].slice(0, COLORS))
      this.#series.set(owner, this.#series.size + 1);
    const lines = [...this.#series].map(([label, series]) => ({
      label,
      color: `--series-${series}`,
    }));
    return new Chart(
      byId("memory-chart"),
      [...lines, { label: "the rest", color: `--series-${REST}` }],
      { format: bytes, isStacked: true },
    );
  }

  /** @param {Structure} structure */
  #seriesOf({ owner }) {
    return this.#series.get(owner) ?? REST;
  }
}

/**
 * @param {Node | string} name
 * @param {Omit<Structure, "owner" | "entries"> & { readonly entries?: number }} sizes
 * @param {number} bytesPerShape
 */
function structureRow(name, { entries, ...sizes }, bytesPerShape) {
  return tableRow(
    [
      name,
      entries === undefined ? "" : count(entries),
      bytes(sizes.liveBytes),
      bytes(sizes.committedBytes),
      bytes(sizes.wastedBytes),
      Number.isFinite(bytesPerShape) ? bytesPerShape.toFixed(1) : "–",
    ],
    (column) => column > 0,
  );
}

/**
 * @param {string} title
 * @param {string} value
 * @param {string} detail
 * @param {boolean} isNotable
 */
function tile(title, value, detail, isNotable = false) {
  return element(
    "div",
    { class: "tile", ...(isNotable ? { "data-tone": "warn" } : {}) },
    element("dt", {}, title),
    element("dd", { class: "value" }, value),
    element("dd", { class: "detail" }, detail),
  );
}

/** @param {number | null} lagSeconds */
function lagText(lagSeconds) {
  if (lagSeconds === null) return "Postgres does not answer";
  return lagSeconds === 0 ? "caught up" : `behind by ${seconds(lagSeconds)}`;
}

/** @param {import("../lib/duration-histogram.ts").HistogramReport} report */
function meanOf({ count: observed, sumSeconds }) {
  return observed === 0 ? "–" : seconds(sumSeconds / observed);
}
