/**
 * Storage, measured: durable changes per second, what is written for them, how long they take to
 * become durable, what the event loop feels of it, and how long a start takes.
 *
 *     npx tsx bench/storage.ts [--shapes 20000] [--pairs 2000000] [--body 219] [--group 64]
 *                              [--workloads fan-1,fan-100,fan-10000,restart] [--seed 1]
 *
 * fan-F: each change reaches F shapes, one transaction per change; F = 1 draws a shape at random,
 * larger F one of 64 lists. `--group` transactions are appended per turn of the loop, then the next
 * turn comes; a congested store is waited for. restart: opens the directory that fan-1 left behind
 * without a clean end, that is with a journal to replay.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { systemClock } from "../src/lib/clock.ts";
import type { LogSlot, StorageKey } from "../src/model/ids.ts";
import { SNAPSHOT_END } from "../src/model/log-offset.ts";
import type { Lsn } from "../src/model/lsn.ts";
import { loadCore } from "../src/router/core.ts";
import { PostingBuffer } from "../src/router/posting-buffer.ts";
import { ShapeTable } from "../src/router/shape-table.ts";
import { openStore } from "../src/storage/open-store.ts";
import type { Store } from "../src/storage/store.ts";
import { Random } from "../src/report/random.ts";

const LISTS = 64;

interface Settings {
  readonly shapes: number;
  readonly pairs: number;
  readonly bodySize: number;
  readonly group: number;
  readonly seed: number;
}

interface Bench {
  readonly store: Store;
  readonly directory: string;
  readonly keys: Float64Array;
  readonly slots: Uint32Array;
  /** Called with each position that has become durable. */
  announced: (position: bigint) => void;
  readonly mint: (key: StorageKey) => LogSlot;
  readonly openMs: number;
  readonly restoreMs: number;
  /** Of this process in the two together: what counts on a machine that is shared. */
  readonly cpuMs: number;
}

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "20000" },
    pairs: { type: "string", default: "2000000" },
    body: { type: "string", default: "219" },
    group: { type: "string", default: "64" },
    workloads: { type: "string", default: "fan-1,fan-100,fan-10000,restart" },
    seed: { type: "string", default: "1" },
  },
});

await main({
  shapes: Number(values.shapes),
  pairs: Number(values.pairs),
  bodySize: Number(values.body),
  group: Number(values.group),
  seed: Number(values.seed),
});

async function main(settings: Settings): Promise<void> {
  const table: Record<string, unknown>[] = [];
  for (const workload of values.workloads.split(",")) {
    const directory = mkdtempSync(join(tmpdir(), "litz-bench-storage-"));
    try {
      const row =
        workload === "restart"
          ? await measureRestart(directory, settings)
          : await measureFan(directory, settings, Number(workload.replace("fan-", "")));
      table.push({ workload, ...row });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  console.log(settings);
  console.table(table);
}

async function open(directory: string): Promise<Bench> {
  const core = await loadCore();
  const shapes = new ShapeTable(core);
  const keys: number[] = [];
  const slots: number[] = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  const ignore: (position: bigint) => void = () => undefined;
  const bench = { announced: ignore };
  const store = openStore({
    directory,
    postings: new PostingBuffer(core),
    databaseIdentity: "bench",
    clock: systemClock,
    listener: {
      durable: (position) => bench.announced(position),
      failed: (error) => {
        throw error;
      },
    },
  });
  const opened = performance.now();
  await store.restore((key) => {
    const slot = shapes.mint(key, 0) as number as LogSlot;
    keys.push(key);
    slots.push(slot);
    return slot;
  });
  const restored = performance.now();
  const { user, system } = process.cpuUsage(cpu);
  return Object.assign(bench, {
    store,
    directory,
    keys: Float64Array.from(keys),
    slots: Uint32Array.from(slots),
    openMs: opened - start,
    restoreMs: restored - opened,
    cpuMs: (user + system) / 1000,
    mint: (key: StorageKey) => shapes.mint(key, 0) as number as LogSlot,
  });
}

/** Shapes with an empty snapshot each, in one go. */
async function createShapes(directory: string, count: number): Promise<number> {
  const bench = await open(directory);
  const { store } = bench;
  const start = performance.now();
  const bounds = { xmin: 1n, xmax: 1n, xip: [], lsn: 1n as Lsn };
  const template = '{"table":["public","items"],"where":"owner = $1","columns":["id","title"]}';
  for (let done = 0; done < count;) {
    const batch: Promise<void>[] = [];
    for (const end = Math.min(count, done + 5000); done < end; done++) {
      const key = store.issueKey();
      const constants = Buffer.from(`owner-${done}`);
      batch.push(store.createShape({ key, hash: done, template, constants }, bench.mint(key)));
      batch.push(store.writeSnapshot(key).finish(bounds));
    }
    await Promise.all(batch);
  }
  const elapsed = performance.now() - start;
  await store.close();
  return elapsed;
}

async function measureFan(
  directory: string,
  settings: Settings,
  fan: number,
): Promise<Record<string, unknown>> {
  const createMs = await createShapes(directory, settings.shapes);
  const bench = await open(directory);
  const changes = Math.ceil(settings.pairs / fan);
  // A tenth first, so that code and page cache are warm.
  await write(bench, settings, fan, Math.ceil(changes / 10), 1000n);
  const before = bytesWritten();
  const cpu = process.cpuUsage();
  const run = await write(bench, settings, fan, changes, 1n << 32n);
  const { user, system } = process.cpuUsage(cpu);
  const written = bytesWritten() - before;
  const read = await measureReads(bench, settings);
  const { runs, segments } = bench.store.statistics();
  await bench.store.close();
  const beyondBody = (written / changes - settings.bodySize) / fan;
  return {
    "changes/s": Math.round((changes / run.elapsedMs) * 1000),
    "pairs/s": Math.round(((changes * fan) / run.elapsedMs) * 1000),
    "cpu us/change": ((user + system) / changes).toFixed(1),
    "B/pair beyond body": beyondBody.toFixed(1),
    "durable p50/p99 ms": `${run.p50.toFixed(1)} / ${run.p99.toFixed(1)}`,
    "loop p99/max ms": `${run.loopP99.toFixed(1)} / ${run.loopMax.toFixed(0)}`,
    "tail/page us": read,
    "runs, segments": `${runs}, ${segments}`,
    "shapes/s created": Math.round((settings.shapes / createMs) * 1000),
  };
}

interface Run {
  readonly elapsedMs: number;
  readonly p50: number;
  readonly p99: number;
  readonly loopP99: number;
  readonly loopMax: number;
}

async function write(
  bench: Bench,
  settings: Settings,
  fan: number,
  changes: number,
  firstLsn: bigint,
): Promise<Run> {
  const { store } = bench;
  const random = new Random(settings.seed);
  const body = Buffer.alloc(settings.bodySize, 0x20);
  body.write("}}", settings.bodySize - 2);
  body.write('{"key":"k","headers":{');
  const lists = listsOf(bench, fan, random);
  const arrivals = new Map<bigint, number>();
  const delays: number[] = [];
  bench.announced = (position) => {
    const now = performance.now();
    for (const [lsn, arrival] of arrivals) {
      if (lsn > position) break;
      delays.push(now - arrival);
      arrivals.delete(lsn);
    }
  };
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const start = performance.now();
  const key = new Float64Array(1);
  const slot = new Uint32Array(1);
  let lsn = firstLsn;
  for (let change = 0; change < changes;) {
    for (let n = 0; n < settings.group && change < changes; n++, change++) {
      lsn += 8n;
      if (fan === 1) {
        const index = random.below(bench.keys.length);
        key[0] = bench.keys[index]!;
        slot[0] = bench.slots[index]!;
        store.append(lsn as Lsn, 0, body, key, slot, 1);
      } else {
        const list = lists[random.below(lists.length)]!;
        store.append(lsn as Lsn, 0, body, list.keys, list.slots, list.keys.length);
      }
      store.commit(lsn as Lsn);
      if (change % 16 === 0) arrivals.set(lsn, performance.now());
    }
    if (store.isCongested) await store.relieved();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await store.flushed();
  const elapsedMs = performance.now() - start;
  loop.disable();
  delays.sort((a, b) => a - b);
  return {
    elapsedMs,
    p50: delays[Math.floor(delays.length * 0.5)] ?? 0,
    p99: delays[Math.floor(delays.length * 0.99)] ?? 0,
    loopP99: loop.percentile(99) / 1e6,
    loopMax: loop.max / 1e6,
  };
}

function listsOf(
  bench: Bench,
  fan: number,
  random: Random,
): { keys: Float64Array; slots: Uint32Array }[] {
  return Array.from({ length: fan === 1 ? 0 : LISTS }, () => {
    const count = Math.min(fan, bench.keys.length);
    const first = random.below(bench.keys.length);
    const step = Math.max(1, Math.floor(bench.keys.length / count));
    const indexes = Uint32Array.from(
      { length: count },
      (_, index) => (first + index * step) % bench.keys.length,
    ).sort();
    return {
      keys: Float64Array.from(indexes, (index) => bench.keys[index]!),
      slots: Uint32Array.from(indexes, (index) => bench.slots[index]!),
    };
  });
}

/** A request at the end of a log, and one for the whole log of a shape, at random. */
async function measureReads(bench: Bench, settings: Settings): Promise<string> {
  const random = new Random(settings.seed + 1);
  const times = { tail: 0, page: 0 };
  let bytes = 0;
  const rounds = 300;
  for (let round = 0; round < rounds; round++) {
    const index = random.below(bench.keys.length);
    const log = bench.store.openLog(bench.keys[index] as StorageKey, bench.slots[index] as LogSlot);
    const start = performance.now();
    const latest = log.latestOffset();
    await log.readChunk(latest);
    const middle = performance.now();
    const chunk = await log.readChunk(SNAPSHOT_END);
    const first = await chunk.pages().next();
    if (first.done !== true) bytes += first.value.length;
    times.tail += middle - start;
    times.page += performance.now() - middle;
  }
  const average = (sum: number): string => ((sum * 1000) / rounds).toFixed(0);
  const kilobytes = (bytes / rounds / 1024).toFixed(0);
  return `${average(times.tail)} / ${average(times.page)} (${kilobytes} KiB)`;
}

/** Opens a copy of a directory that was not closed. */
async function measureRestart(
  directory: string,
  settings: Settings,
): Promise<Record<string, unknown>> {
  await createShapes(directory, settings.shapes);
  const bench = await open(directory);
  await write(bench, settings, 1, Math.min(settings.pairs, 250_000), 1000n);
  const copy = `${directory}-copy`;
  cpSync(directory, copy, { recursive: true });
  await bench.store.close();
  try {
    const again = await open(copy);
    const row = {
      "open ms": again.openMs.toFixed(0),
      "restore ms": again.restoreMs.toFixed(0),
      "cpu ms": again.cpuMs.toFixed(0),
      shapes: again.keys.length,
    };
    await again.store.close();
    return row;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Of this process to its disks, as Linux counts them; 0 elsewhere. */
function bytesWritten(): number {
  try {
    return Number(/write_bytes: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
