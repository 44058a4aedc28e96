/**
 * The figures in the form of Prometheus. Nothing is kept between two scrapes: counters are numbers
 * that the stages count anyway, and are read when somebody asks. So it costs the same whether it is
 * scraped or not, and there is no timer.
 *
 *     scrape ──> figures ──> values of each metric ──> text
 *                            beside what prom-client tells of Node: collections, event loop, CPU
 *
 * 1. Labels are names out of this code or of Node's, never of a client, a table or a shape: the
 *    number of series is bounded by the code.
 * 2. One scrape is made at a time; who asks meanwhile gets the same.
 */

import { collectDefaultMetrics, Registry, type Metric } from "prom-client";
import type { HistogramReport } from "../lib/duration-histogram.ts";
import { systemTimers } from "../lib/timers.ts";
import { METRICS, type Definition } from "./definitions.ts";
import type { Figures } from "./figures.ts";

export interface Exposition {
  readonly text: string;
  readonly contentType: string;
}

/** Node lists every socket for these: they take longer the more clients there are. */
const LISTS_OF_EVERYTHING = [
  ...["nodejs_active_handles", "nodejs_active_handles_total"],
  ...["nodejs_active_requests", "nodejs_active_requests_total"],
  ...["nodejs_active_resources", "nodejs_active_resources_total"],
];

const EVENT_LOOP_SAMPLE_MS = 10;
/** Without any sample Node tells 2^63 ns as the least delay, which alerts would take for one. */
const FIRST_SAMPLES_MS = 5 * EVENT_LOOP_SAMPLE_MS;

export class Metrics {
  readonly #registry = new Registry();
  readonly #figures: () => Promise<Figures>;
  readonly #sampled: Promise<void>;
  /** Of the scrape that is being made. */
  #current: Figures | undefined;
  #scrape: Promise<Exposition> | undefined;

  constructor(figures: () => Promise<Figures>) {
    this.#figures = figures;
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS,
    });
    this.#sampled = new Promise((resolve) => {
      systemTimers.after(FIRST_SAMPLES_MS, resolve);
    });
    for (const name of LISTS_OF_EVERYTHING) this.#registry.removeSingleMetric(name);
    for (const definition of METRICS) this.#register(definition);
  }

  expose(): Promise<Exposition> {
    this.#scrape ??= this.#expose().finally(() => (this.#scrape = undefined));
    return this.#scrape;
  }

  async #expose(): Promise<Exposition> {
    await this.#sampled;
    this.#current = await this.#figures();
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  #register(definition: Definition): void {
    const { help, name, type } = definition;
    const get = () =>
      Promise.resolve({ name, help, type, values: valuesOf(definition, this.#current!) });
    // A registry asks no more of its metrics than this; those of the package count by themselves.
    this.#registry.registerMetric({ name, get } as unknown as Metric);
  }
}

interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Where it is not the metric's own. */
  readonly metricName?: string;
}

function valuesOf(definition: Definition, figures: Figures): readonly Value[] {
  if (definition.type === "histogram") {
    const report = definition.read(figures);
    return report === undefined ? [] : histogramValues(definition.name, report);
  }
  return definition.read(figures).map(({ labels = {}, value }) => ({ labels, value }));
}

function histogramValues(name: string, { buckets, count, sumSeconds }: HistogramReport): Value[] {
  const bucket = (le: number | string, value: number): Value => ({
    metricName: `${name}_bucket`,
    labels: { le },
    value,
  });
  return [
    ...buckets.map(({ count: upTo, upToSeconds }) => bucket(upToSeconds, upTo)),
    bucket("+Inf", count),
    { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}
