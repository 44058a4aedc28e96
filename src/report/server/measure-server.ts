/**
 * A server as its clients meet it: litz, or any other that speaks the protocol. Creates shapes
 * `tenant_id = n` on a table of its own, lets the server come to rest and reads its RSS; then some
 * clients wait, each on a shape of its own among all the others, and rows are written.
 *
 * The server is somebody else's process, so nothing of it is known but what it answers and how much
 * memory it has. What is measured includes this client, which is the same for every server.
 */

import { randomBytes } from "node:crypto";
import { formatCount } from "../format.ts";
import type { Progress } from "../measure-all.ts";
import { percentile } from "../measure.ts";
import { Random } from "../random.ts";
import { LoadTable } from "./load-table.ts";
import { residentMemory, settledResidentMemory } from "./process-memory.ts";
import type { ServerRun } from "./server-run.ts";
import { nowMs, ShapeClient, type ShapeSource } from "./shape-client.ts";

export interface ServerOptions {
  /** With `/v1/shape` at its end. */
  readonly url: string;
  readonly pid: number | undefined;
  readonly databaseUrl: string;
  readonly secret: string | undefined;
  readonly shapeCount: number;
  readonly clientCount: number;
  readonly writeCount: number;
  readonly rowCount: number;
  readonly seed: number;
}

/** Requests under way while shapes are created: fewer than servers admit at once. */
const CREATORS = 32;

/** @throws {LitzError} saying what to do when server, process or database do not play along. */
export async function measureServer(
  options: ServerOptions,
  progress: Progress,
): Promise<ServerRun> {
  const { url, secret, pid, databaseUrl, shapeCount } = options;
  // Before anything is made: a wrong process must not leave a table behind.
  if (pid !== undefined) residentMemory(pid);
  const table = await LoadTable.create(
    databaseUrl,
    `litz_report_${randomBytes(6).toString("hex")}`,
  );
  try {
    const source = { url, secret, table: table.name };
    // Whatever the first shape of a table costs is no matter of the number of shapes.
    await clientOf(source, 0).open();
    const before = pid === undefined ? undefined : await settledResidentMemory(pid);
    const creation = await createShapes(source, shapeCount);
    progress(`${formatCount(shapeCount)} shapes created`);
    const memory = pid === undefined ? undefined : await settledResidentMemory(pid);
    const clientCount = Math.min(options.clientCount, shapeCount);
    const traffic = await measureTraffic({ ...options, clientCount }, source, table);
    progress(`${formatCount(options.writeCount + 2 * options.rowCount)} rows written`);
    return {
      url: new URL(url).origin,
      shapeCount,
      clientCount,
      creation,
      memory: memory && { pid: pid!, rssBeforeBytes: before!.rssBytes, ...memory },
      ...traffic,
    };
  } finally {
    await table.drop();
  }
}

function clientOf(source: ShapeSource, tenant: number): ShapeClient {
  return new ShapeClient(source, `tenant_id=${tenant}`);
}

async function createShapes(source: ShapeSource, count: number): Promise<ServerRun["creation"]> {
  const durations = new Float64Array(count);
  let next = 0;
  const beganMs = nowMs();
  const create = async (): Promise<void> => {
    while (next < count) {
      const tenant = next;
      next += 1;
      const startedMs = nowMs();
      await clientOf(source, tenant + 1).open();
      durations[tenant] = nowMs() - startedMs;
    }
  };
  await Promise.all(Array.from({ length: CREATORS }, create));
  const perSecond = (1000 * count) / (nowMs() - beganMs);
  durations.sort();
  return { perSecond, p50Ms: percentile(durations, 0.5), p99Ms: percentile(durations, 0.99) };
}

/** Clients wait on the shapes of tenants 1 to `clientCount`. */
async function measureTraffic(
  { clientCount, writeCount, rowCount, shapeCount, seed }: ServerOptions,
  source: ShapeSource,
  table: LoadTable,
): Promise<Pick<ServerRun, "latency" | "throughput">> {
  const clients = Array.from({ length: clientCount }, (_, index) => {
    return clientOf(source, index + 1);
  });
  try {
    await Promise.all(clients.map((client) => client.open()));
    const broken = new Promise<never>((_, reject) => {
      for (const client of clients) client.follow(reject);
    });
    const measure = async (): Promise<Pick<ServerRun, "latency" | "throughput">> => {
      const latency = await measureLatency(clients, table, writeCount, seed);
      const wantedPerSecond = await measureWanted(clients, table, rowCount);
      const unwantedPerSecond = await measureUnwanted(clients[0]!, table, rowCount, shapeCount);
      return { latency, throughput: { rowCount, wantedPerSecond, unwantedPerSecond } };
    };
    return await Promise.race([measure(), broken]);
  } finally {
    await Promise.all(clients.map((client) => client.stop()));
  }
}

async function measureLatency(
  clients: readonly ShapeClient[],
  table: LoadTable,
  writeCount: number,
  seed: number,
): Promise<ServerRun["latency"]> {
  const random = new Random(seed);
  const durations = new Float64Array(writeCount);
  for (let write = 0; write < writeCount; write += 1) {
    const index = random.below(clients.length);
    const client = clients[index]!;
    const arrival = client.arrived(client.arrivedCount + 1);
    const startedMs = nowMs();
    await table.insert(index + 1);
    durations[write] = (await arrival) - startedMs;
  }
  durations.sort();
  return {
    writeCount,
    p50Ms: percentile(durations, 0.5),
    p99Ms: percentile(durations, 0.99),
    longestMs: percentile(durations, 1),
  };
}

/** Rows per second until every client has all of its rows. */
async function measureWanted(
  clients: readonly ShapeClient[],
  table: LoadTable,
  rowCount: number,
): Promise<number> {
  const arrivals = clients.map((client, index) => {
    const rows = Math.ceil((rowCount - index) / clients.length);
    return client.arrived(client.arrivedCount + Math.max(0, rows));
  });
  const startedMs = nowMs();
  await table.insertMany(rowCount, 1, clients.length);
  await Promise.all(arrivals);
  return (1000 * rowCount) / (nowMs() - startedMs);
}

/** Rows per second until a row behind them, which somebody wants, has arrived. */
async function measureUnwanted(
  client: ShapeClient,
  table: LoadTable,
  rowCount: number,
  shapeCount: number,
): Promise<number> {
  const arrival = client.arrived(client.arrivedCount + 1);
  const startedMs = nowMs();
  await table.insertMany(rowCount, shapeCount + 1, shapeCount);
  await table.insert(1);
  return (1000 * rowCount) / ((await arrival) - startedMs);
}
