/**
 * One run, in a process of its own: builds a population, weighs it and does with it what its
 * workload says.
 *
 * Bytes count from an engine without shapes to one with all of them: for the core the committed
 * pages of the structures that hold them, to the byte; for the others the growth of heap and
 * external memory, free pages not included. So the core is charged for its waste and they are not.
 */

import {
  collectGarbage,
  GcWatch,
  Longest,
  percentile,
  settle,
  time,
  timeEach,
  timeTurns,
} from "./measure.ts";
import type {
  Building,
  Collections,
  HeldMemory,
  Lookups,
  Measurement,
  ProcessMemory,
  RunOptions,
  Turns,
} from "./measurement.ts";
import { processWaitedMs } from "./processor-waits.ts";
import { Random } from "./random.ts";
import { heldByShapes } from "./structure-report.ts";
import type { Population, PopulationFactory, Workload } from "./workload.ts";
import { workloadNamed } from "./workloads.ts";

/** Shapes are added this many at a time, and the longest such batch is a pause. */
const BATCH = 1024;
const LOOKUPS = 100_000;
const CHURN_TURNS = 4000;
const CHURNED_PER_TURN = 64;
const IDLE_TURNS = 4000;
const REQUESTS_PER_TURN = 64;
/** What the other work keeps for a while, so that some of it grows old before it is let go. */
const REQUESTS_KEPT = 20_000;
/** Until the collector has found its pace, which building has taught to some engines only. */
const IDLE_WARM_UP_TURNS = 2000;
const STRETCHES = 100;
const WARM_UP_SHAPES = 5000;

export async function measurePopulation(options: RunOptions): Promise<Measurement> {
  const workload = workloadNamed(options.workload);
  const create = await workload.load();
  warmUp(create, options);
  const before = await processMemory();
  const population = create(options);
  const empty = await holding(population);
  const building = await build(population, options.shapeCount);
  const memory = await weigh(population, before, empty);
  return { building, memory, ...(await act(workload, population, options)) };
}

async function act(
  { activity }: Workload,
  population: Population,
  options: RunOptions,
): Promise<Pick<Measurement, "lookups" | "churn" | "idle">> {
  switch (activity) {
    case "lookups":
      return { lookups: lookUp(population, options) };
    case "churn":
      return { churn: await churn(population, options) };
    case "idle":
      return { idle: await workBeside(population, options) };
  }
}

/** Has the code compiled, so that it is not counted as memory of the shapes. */
export function warmUp(create: PopulationFactory, options: RunOptions): void {
  const population = create({ ...options, shapeCount: WARM_UP_SHAPES });
  for (let shape = 0; shape < WARM_UP_SHAPES; shape += 1) population.add(shape);
  for (let shape = 0; shape < WARM_UP_SHAPES; shape += 1) population.has(shape);
  for (let shape = 0; shape < WARM_UP_SHAPES; shape += 1) population.remove(shape);
}

async function build(population: Population, shapeCount: number): Promise<Building> {
  const longest = new Longest();
  const gc = new GcWatch();
  gc.start();
  const { cpuMs } = time(() => {
    for (let first = 0; first < shapeCount; first += BATCH) {
      const end = Math.min(first + BATCH, shapeCount);
      longest.step(() => {
        for (let shape = first; shape < end; shape += 1) population.add(shape);
      });
    }
  });
  const collections = collectionsOf(await gc.stop());
  return { perSecond: (1000 * shapeCount) / cpuMs, longestBatchMs: longest.ms, collections };
}

interface Holding {
  readonly committedBytes: number;
  readonly liveBytes: number;
}

async function weigh(
  population: Population,
  before: ProcessMemory,
  empty: Holding,
): Promise<HeldMemory> {
  const after = await processMemory();
  const { committedBytes, liveBytes } = await holding(population);
  return {
    before,
    after,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    committedBytes: committedBytes - empty.committedBytes,
    liveBytes: liveBytes - empty.liveBytes,
    structures: population.structures() ?? [],
    fullCollectionMs: time(collectGarbage).wallMs,
  };
}

/** What the engine says it holds, or else what the process does outside of free pages. */
async function holding(population: Population): Promise<Holding> {
  const structures = population.structures();
  if (structures !== undefined) return heldByShapes(structures);
  const { heapUsedBytes, externalBytes } = await processMemory();
  const bytes = heapUsedBytes + externalBytes;
  return { committedBytes: bytes, liveBytes: bytes };
}

async function processMemory(): Promise<ProcessMemory> {
  await settle();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapUsedBytes: heapUsed, externalBytes: external, rssBytes: rss };
}

function lookUp(population: Population, { shapeCount, seed }: RunOptions): Lookups {
  const random = new Random(seed + 1);
  const shapes = Uint32Array.from({ length: LOOKUPS }, () => random.below(shapeCount));
  let foundCount = 0;
  const durations = timeEach(LOOKUPS, (call) => {
    if (population.has(shapes[call]!)) foundCount += 1;
  });
  if (foundCount !== LOOKUPS) throw new Error(`found ${foundCount} of ${LOOKUPS} shapes`);
  return {
    count: LOOKUPS,
    p50Ns: percentile(durations, 0.5),
    p99Ns: percentile(durations, 0.99),
  };
}

async function churn(population: Population, { shapeCount, seed }: RunOptions): Promise<Turns> {
  const random = new Random(seed + 2);
  collectGarbage();
  return watchTurns(CHURN_TURNS, () => {
    for (let count = 0; count < CHURNED_PER_TURN; count += 1) {
      const shape = random.below(shapeCount);
      population.remove(shape);
      population.add(shape);
    }
  });
}

/** Objects as requests leave them behind, beside a population that is not touched. */
async function workBeside(population: Population, { seed }: RunOptions): Promise<Turns> {
  const random = new Random(seed + 3);
  const kept = new Array<unknown>(REQUESTS_KEPT);
  let requests = 0;
  const work = (): void => {
    for (let count = 0; count < REQUESTS_PER_TURN; count += 1) {
      requests += 1;
      kept[requests % REQUESTS_KEPT] = makeRequest(random, requests);
    }
  };
  await timeTurns(IDLE_WARM_UP_TURNS, work);
  const turns = await watchTurns(IDLE_TURNS, work);
  // Both have to stay until here, or they would be collected as well.
  if (!population.has(0) || kept.length === 0) throw new Error("shapes were lost");
  return turns;
}

function makeRequest(random: Random, number: number): object {
  const url = `/v1/shape?table=orders&where=tenant_id=${random.below(1_000_000)}&n=${number}`;
  const headers = { accept: "application/json", host: `client-${number}`, etag: `"${number}"` };
  return { url, headers, chunks: [`{"number":${number}}`, url.slice(10)], began: number / 3 };
}

async function watchTurns(count: number, work: (turn: number) => void): Promise<Turns> {
  const gc = new GcWatch();
  gc.start();
  const waitedBefore = processWaitedMs();
  const durations = await timeTurns(count, work);
  const waitedMs = processWaitedMs() - waitedBefore;
  const collections = collectionsOf(await gc.stop());
  const longestMsByStretch = Array.from({ length: STRETCHES }, (_, stretch) => {
    const [from, to] = [stretch, stretch + 1].map((edge) => Math.floor((edge * count) / STRETCHES));
    return Math.max(...durations.subarray(from, to));
  });
  durations.sort();
  return {
    count,
    p50Ms: percentile(durations, 0.5),
    p99Ms: percentile(durations, 0.99),
    longestMs: percentile(durations, 1),
    longestMsByStretch,
    waitedMs,
    collections,
  };
}

function collectionsOf({ count, totalMs, longestMs }: GcWatch): Collections {
  return { count, totalMs, longestMs };
}
