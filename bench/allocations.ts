/**
 * How many bytes of JavaScript heap a row costs that no shape wants.
 *
 *     npx tsx bench/allocations.ts --rows 1000000
 *
 * Method: a process whose young generation is larger than all that will be allocated, so that
 * nothing is collected (which is checked: a collection makes the result void). Then the difference
 * of V8's used heap, before and after a replay, is every string and object that was made. The
 * median over the replays is taken, because now and then V8 puts what it compiles on the same heap.
 * The canary makes one object of two fields for each row, and proves that such a thing is seen.
 */

import { fork } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { getHeapStatistics } from "node:v8";
import type { RoutingEngine } from "../src/report/baseline/routing-engine.ts";
import { createEngine, EQUALITY_ENGINES, type EqualityEngineName } from "./engines.ts";
import { collectGarbage, GcWatch, median } from "../src/report/measure.ts";
import {
  ALL_COLUMNS,
  cutStream,
  makeWalStream,
  ORDERS,
  TENANT_COLUMN,
} from "../src/report/wal-stream.ts";

export interface AllocationOptions {
  readonly subject: EqualityEngineName | "canary";
  readonly rowCount: number;
  readonly rowsPerTransaction: number;
}

export interface Allocation extends AllocationOptions {
  readonly bytesPerRow: number;
}

const SHAPES = 10_000;
/** The stream is this long and replayed as often as needed. */
const STREAM_ROWS = 50_000;
const WARM_UP_REPLAYS = 4;
/** A million rows of 100 bytes fit. */
const YOUNG_GENERATION_MIB = 128;

/** Measures in a process of its own. */
export function measureAllocation(options: AllocationOptions): Promise<Allocation> {
  return new Promise((resolve, reject) => {
    const execArgv = [
      "--expose-gc",
      `--min-semi-space-size=${YOUNG_GENERATION_MIB}`,
      `--max-semi-space-size=${YOUNG_GENERATION_MIB}`,
      "--import",
      "tsx",
    ];
    const child = fork(join(import.meta.dirname, "allocations.ts"), ["--child"], { execArgv });
    child.once("message", (allocation) => resolve(allocation as Allocation));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${options.subject} ended with ${code}`)));
    child.send(options);
  });
}

async function measureHere(options: AllocationOptions): Promise<Allocation> {
  const { subject, rowsPerTransaction } = options;
  const chunks = cutStream(
    makeWalStream({
      seed: 1,
      rowCount: STREAM_ROWS,
      rowsPerTransaction,
      tenantCount: SHAPES,
      matchedShare: 0,
      operations: "insert",
    }),
  );
  const replay = subject === "canary" ? makeCanary() : makeReplay(createEngine(subject), chunks);
  for (let count = 0; count < WARM_UP_REPLAYS; count += 1) replay();
  const replayCount = Math.ceil(options.rowCount / STREAM_ROWS);
  collectGarbage();
  const gc = new GcWatch();
  gc.start();
  const bytesPerReplay: number[] = [];
  for (let count = 0; count < replayCount; count += 1) {
    const before = getHeapStatistics().used_heap_size;
    replay();
    bytesPerReplay.push(getHeapStatistics().used_heap_size - before);
  }
  await gc.stop();
  if (gc.count > 0) throw new Error(`${gc.count} collections fell into the measurement: void`);
  const rowCount = replayCount * STREAM_ROWS;
  const bytesPerRow = median(bytesPerReplay) / STREAM_ROWS;
  return { subject, rowCount, rowsPerTransaction, bytesPerRow };
}

function makeReplay(engine: RoutingEngine, chunks: readonly Uint8Array[]): () => void {
  const terms = [{ column: TENANT_COLUMN, kind: "int" as const }];
  const relation = engine.addRelation(ORDERS);
  const template = engine.addTemplate(relation, {
    terms,
    columns: ALL_COLUMNS,
    replica: "default",
  });
  for (let tenant = 1; tenant <= SHAPES; tenant += 1) engine.add(template, [String(tenant)]);
  const sink = (): void => {
    throw new Error("a row was wanted");
  };
  return () => {
    for (const chunk of chunks) engine.route(chunk, sink);
  };
}

function makeCanary(): () => void {
  const kept = { row: { id: 0, tenant: 0 } };
  return () => {
    for (let id = 0; id < STREAM_ROWS; id += 1) kept.row = { id, tenant: id };
  };
}

/** The child's side of `measureAllocation`. */
function answerParent(): void {
  process.once("disconnect", () => process.exit(1));
  process.once("message", (options: AllocationOptions) => {
    void measureHere(options).then((allocation) => {
      process.send!(allocation, () => process.exit(0));
    });
  });
}

async function printTable(rowCount: number): Promise<void> {
  process.stdout.write("| engine | rows | rows per tx | bytes of heap per unwanted row |\n");
  process.stdout.write("| --- | ---: | ---: | ---: |\n");
  for (const subject of ["canary", ...EQUALITY_ENGINES] as const) {
    for (const rowsPerTransaction of [1000, 1]) {
      const { bytesPerRow } = await measureAllocation({ subject, rowCount, rowsPerTransaction });
      const cells = [subject, rowCount, rowsPerTransaction, bytesPerRow.toFixed(3)];
      process.stdout.write(`| ${cells.join(" | ")} |\n`);
    }
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "1000000" },
      child: { type: "boolean", default: false },
    },
  });
  if (values.child) answerParent();
  else await printTable(Number(values.rows));
}
