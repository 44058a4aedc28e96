/**
 * The named workloads. Each runs one engine in a process of its own and answers with plain numbers.
 *
 *     equality-distinct   N shapes `tenant_id = n`, every n once: memory, registration, routing
 *     equality-shared     N shapes over 1,000 tenants that differ in columns and mode: fan-out
 *     churn               N shapes, of which some are removed and others added, scattered
 *     in-list ... mix     N shapes of another class of WHERE, see `src/report/classes/classes.ts`
 */

import type { RoutingEngine, TemplateSpec } from "../src/report/baseline/routing-engine.ts";
import { CLASS_NAMES, type ClassName } from "../src/report/classes/classes.ts";
import { runClass } from "./class-workload.ts";
import { createEngine, type EngineName, type EqualityEngineName } from "./engines.ts";
import {
  collectGarbage,
  GcWatch,
  Longest,
  settledMemory,
  time,
  type Memory,
  type Timing,
} from "../src/report/measure.ts";
import { Random } from "../src/report/random.ts";
import { heldByShapes } from "../src/report/structure-report.ts";
import {
  ALL_COLUMNS,
  cutStream,
  makeWalStream,
  ORDERS,
  TENANT_COLUMN,
} from "../src/report/wal-stream.ts";

export const EQUALITY_WORKLOADS = ["equality-distinct", "equality-shared", "churn"] as const;
export const WORKLOAD_NAMES = [...EQUALITY_WORKLOADS, ...CLASS_NAMES] as const;
export type WorkloadName = (typeof WORKLOAD_NAMES)[number];

export interface WorkloadOptions {
  readonly workload: WorkloadName;
  readonly engine: EngineName;
  readonly shapeCount: number;
  readonly rowCount: number;
  readonly seed: number;
}

/** Of the workloads that are conjunctions of equalities. */
interface EqualityOptions extends WorkloadOptions {
  readonly workload: (typeof EQUALITY_WORKLOADS)[number];
  readonly engine: EqualityEngineName;
}

/** Metric by name; see `report.ts` for what they are called and which way is better. */
export type Measurements = Record<string, number>;

/** Shapes are added this many at a time, and the longest such batch is a pause. */
const BATCH = 1024;
const SHARED_TENANTS = 1000;
/** Replays of a stream that count, after one that warms up. */
const REPLAYS = 3;

type Definition = readonly [template: number, constants: readonly string[]];

/** Whether an engine takes part: classes are measured against one that has their indexes. */
export function runsOn(workload: WorkloadName, engine: EngineName): boolean {
  if (isClass(workload)) return engine === "ordinary" || engine === "core";
  return engine !== "ordinary";
}

export async function runWorkload(options: WorkloadOptions): Promise<Measurements> {
  const { workload, engine } = options;
  if (isClass(workload)) {
    if (engine !== "ordinary" && engine !== "core")
      throw new RangeError(`${engine} has no classes`);
    return runClass({ ...options, name: workload, engine });
  }
  if (engine === "ordinary") throw new RangeError(`${engine} is for classes alone`);
  return runEqualities({ ...options, workload, engine });
}

function isClass(workload: WorkloadName): workload is ClassName {
  return (CLASS_NAMES as readonly string[]).includes(workload);
}

async function runEqualities(options: EqualityOptions): Promise<Measurements> {
  switch (options.workload) {
    case "equality-distinct":
      return equalityDistinct(options);
    case "equality-shared":
      return equalityShared(options);
    case "churn":
      return churn(options);
  }
}

async function equalityDistinct(options: EqualityOptions): Promise<Measurements> {
  const subject = await Subject.create(options);
  await subject.build();
  subject.find(200_000);
  for (const rowsPerTransaction of [1000, 1]) {
    for (const matchedPercent of [0, 10, 100]) {
      await subject.route({ rowsPerTransaction, matchedPercent, operations: "insert" });
    }
  }
  await subject.route({ rowsPerTransaction: 1000, matchedPercent: 10, operations: "mixed" });
  return subject.measurements;
}

async function equalityShared(options: EqualityOptions): Promise<Measurements> {
  const subject = await Subject.create(options);
  await subject.build();
  // A definition is told from the others of its tenant one by one, so fewer are looked for.
  subject.find(5_000);
  // A row reaches N / 1,000 shapes: fewer rows do.
  const fanOut = Math.max(1, options.shapeCount / SHARED_TENANTS);
  const rowCount = Math.max(500, Math.floor((4 * options.rowCount) / fanOut));
  await subject.route({
    rowsPerTransaction: 1000,
    matchedPercent: 100,
    operations: "insert",
    rowCount,
  });
  return subject.measurements;
}

async function churn(options: EqualityOptions): Promise<Measurements> {
  const subject = await Subject.create(options);
  await subject.build();
  await subject.churn(Math.min(options.shapeCount, 200_000));
  return subject.measurements;
}

interface RouteOptions {
  readonly rowsPerTransaction: number;
  readonly matchedPercent: number;
  readonly operations: "insert" | "mixed";
  readonly rowCount?: number;
}

interface Holding {
  readonly committedBytes: number;
  readonly liveBytes: number;
}

/** One engine with its shapes, and what was measured of it. */
class Subject {
  readonly measurements: Measurements = {};
  readonly #options: EqualityOptions;
  readonly #engine: RoutingEngine;
  readonly #templates: readonly number[];
  /** Before there was an engine. */
  readonly #before: Memory;
  /** Once there was one, without shapes. */
  #empty: Holding = { committedBytes: 0, liveBytes: 0 };

  private constructor(options: EqualityOptions, before: Memory) {
    this.#options = options;
    this.#before = before;
    this.#engine = createEngine(options.engine);
    const relation = this.#engine.addRelation(ORDERS);
    const isShared = options.workload === "equality-shared";
    const specs = isShared ? sharedTemplates(options) : [ONE_TEMPLATE];
    this.#templates = specs.map((spec) => this.#engine.addTemplate(relation, spec));
  }

  static async create(options: EqualityOptions): Promise<Subject> {
    warmUp(options.engine);
    const subject = new Subject(options, await settledMemory());
    subject.#empty = subject.#holding(await settledMemory());
    return subject;
  }

  async build(): Promise<void> {
    const { shapeCount } = this.#options;
    const longest = new Longest();
    const gc = new GcWatch();
    gc.start();
    const timing = time(() => {
      for (let first = 0; first < shapeCount; first += BATCH) {
        longest.step(() => this.#addBatch(first, Math.min(first + BATCH, shapeCount)));
      }
    });
    await gc.stop();
    this.#record("add.perSecond", perSecond(shapeCount, timing));
    this.#record("add.longestBatchMs", longest.ms);
    this.#record("add.gcMs", gc.totalMs);
    this.#record("add.gcLongestMs", gc.longestMs);
    await this.#recordMemory("memory");
  }

  find(count: number): void {
    const random = new Random(this.#options.seed + 1);
    let foundCount = 0;
    const timing = time(() => {
      for (let index = 0; index < count; index += 1) {
        const definition = this.#definition(random.below(this.#options.shapeCount));
        if (this.#engine.find(...definition) !== undefined) foundCount += 1;
      }
    });
    if (foundCount !== count) throw new Error(`found ${foundCount} of ${count} shapes`);
    this.#record("find.perSecond", perSecond(count, timing));
  }

  async route(route: RouteOptions): Promise<void> {
    const { shapeCount, seed, workload } = this.#options;
    const { rowCount = this.#options.rowCount } = route;
    const tenantCount = workload === "equality-shared" ? SHARED_TENANTS : shapeCount;
    const matchedShare = route.matchedPercent / 100;
    const stream = makeWalStream({ ...route, seed, rowCount, tenantCount, matchedShare });
    const chunks = cutStream(stream);
    const { operations, rowsPerTransaction, matchedPercent } = route;
    const name = `route.${operations}.${rowsPerTransaction}.${matchedPercent}`;
    for (const hasBodies of [false, true]) {
      this.#engine.setBodies?.(hasBodies);
      await this.#replay(`${name}.${hasBodies ? "bodies" : "refs"}`, chunks, rowCount);
    }
  }

  async churn(count: number): Promise<void> {
    const { shapeCount, seed } = this.#options;
    const random = new Random(seed + 2);
    const longest = new Longest();
    const gc = new GcWatch();
    gc.start();
    const timing = time(() => {
      for (let done = 0; done < count; done += BATCH) {
        longest.step(() => this.#churnBatch(random, Math.min(BATCH, count - done)));
      }
    });
    await gc.stop();
    if (this.#engine.shapeCount !== shapeCount) throw new Error("churn lost shapes");
    this.#record("churn.pairsPerSecond", perSecond(count, timing));
    this.#record("churn.longestBatchMs", longest.ms);
    this.#record("churn.gcMs", gc.totalMs);
    this.#record("churn.gcLongestMs", gc.longestMs);
    await this.#recordMemory("churned");
  }

  async #replay(name: string, chunks: readonly Uint8Array[], rowCount: number): Promise<void> {
    const longest = new Longest();
    let matchCount = 0;
    let sum = 0;
    // Looks at every reference and every body, as whoever files them would.
    const sink = (ref: string | number, op: number, body: Uint8Array, at: number): void => {
      matchCount += 1;
      sum += op + (typeof ref === "string" ? ref.length : ref) + (body[at] ?? 0);
    };
    for (const chunk of chunks) this.#engine.route(chunk, sink);
    collectGarbage();
    matchCount = 0;
    const gc = new GcWatch();
    gc.start();
    const timing = time(() => {
      for (let replay = 0; replay < REPLAYS; replay += 1) {
        for (const chunk of chunks) longest.step(() => this.#engine.route(chunk, sink));
      }
    });
    await gc.stop();
    if (Number.isNaN(sum)) throw new Error("unreachable: keeps the sum alive");
    this.#record(`${name}.rowsPerSecond`, perSecond(REPLAYS * rowCount, timing));
    this.#record(`${name}.matchesPerRow`, matchCount / (REPLAYS * rowCount));
    this.#record(`${name}.longestCallMs`, longest.ms);
    this.#record(`${name}.gcMs`, gc.totalMs);
  }

  #addBatch(from: number, to: number): void {
    for (let index = from; index < to; index += 1) this.#engine.add(...this.#definition(index));
  }

  #churnBatch(random: Random, count: number): void {
    for (let index = 0; index < count; index += 1) {
      const definition = this.#definition(random.below(this.#options.shapeCount));
      this.#engine.remove(this.#engine.find(...definition)!);
      this.#engine.add(...definition);
    }
  }

  #definition(index: number): Definition {
    if (this.#templates.length === 1) return [this.#templates[0]!, [String(index + 1)]];
    const tenant = 1 + (index % SHARED_TENANTS);
    return [this.#templates[Math.floor(index / SHARED_TENANTS)]!, [String(tenant)]];
  }

  async #recordMemory(name: string): Promise<void> {
    const { shapeCount } = this.#options;
    const memory = await settledMemory();
    const { committedBytes, liveBytes } = this.#holding(memory);
    const perShape = (metric: string, bytes: number): void =>
      this.#record(`${name}.${metric}`, bytes / shapeCount);
    perShape("bytesPerShape", committedBytes - this.#empty.committedBytes);
    perShape("liveBytesPerShape", liveBytes - this.#empty.liveBytes);
    perShape("heapBytesPerShape", memory.heapBytes - this.#before.heapBytes);
    perShape("rssPerShape", memory.rssBytes - this.#before.rssBytes);
    this.#record(`${name}.peakRssMib`, process.resourceUsage().maxRSS / 1024);
    this.#record(`${name}.fullGcMs`, time(collectGarbage).wallMs);
    for (const { structure, committedBytes, isOfShapes } of this.#engine.structures?.() ?? []) {
      if (isOfShapes) perShape(`structure.${structure}`, committedBytes);
    }
  }

  /** What the engine says it holds, or else what the heap does. */
  #holding({ heapBytes }: Memory): Holding {
    const structures = this.#engine.structures?.();
    if (structures === undefined) return { committedBytes: heapBytes, liveBytes: heapBytes };
    return heldByShapes(structures);
  }

  #record(name: string, value: number): void {
    this.measurements[name] = value;
  }
}

/** Has the code compiled, so that it is not counted as memory of the shapes. */
function warmUp(name: EqualityEngineName): void {
  const engine = createEngine(name);
  const template = engine.addTemplate(engine.addRelation(ORDERS), ONE_TEMPLATE);
  const count = 5_000;
  for (let tenant = 1; tenant <= count; tenant += 1) engine.add(template, [String(tenant)]);
  const stream = makeWalStream({
    seed: 0,
    rowCount: count,
    rowsPerTransaction: 100,
    tenantCount: count,
    matchedShare: 0.5,
    operations: "mixed",
  });
  engine.route(stream, () => undefined);
  for (let tenant = 1; tenant <= count; tenant += 1) {
    engine.remove(engine.find(template, [String(tenant)])!);
  }
}

const TENANT_TERMS = [{ column: TENANT_COLUMN, kind: "int" }] as const;
const ONE_TEMPLATE: TemplateSpec = {
  terms: TENANT_TERMS,
  columns: ALL_COLUMNS,
  replica: "default",
};

/**
 * As many templates as it takes to have N shapes on 1,000 tenants: all on one path, in four
 * projections, so that a row has four bodies and N / 1,000 shapes.
 */
function sharedTemplates({ shapeCount }: EqualityOptions): TemplateSpec[] {
  return Array.from({ length: Math.ceil(shapeCount / SHARED_TENANTS) }, (_, index) => ({
    terms: TENANT_TERMS,
    columns: (index & 1) === 0 ? ALL_COLUMNS : [0, TENANT_COLUMN],
    replica: (index & 2) === 0 ? "default" : "full",
  }));
}

function perSecond(count: number, { cpuMs }: Timing): number {
  return (1000 * count) / cpuMs;
}
