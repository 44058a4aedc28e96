/**
 * Goal: shapes with subqueries are exact, whatever happens (protocol 14): random tables and
 * clauses, random transactions on several connections over inner and outer tables, clients that
 * rest and go on, shapes made in the middle of it, restarts, lost connections.
 * Method: `OracleRun` compares every client with its query in Postgres after each round, and a
 * client notes whatever the protocol does not allow. SEED replays a run, RUNS multiplies them.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import type { Logger } from "../../src/lib/logger.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { freePort, startChildServer, type ChildServer } from "../support/child-server.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer, type Settings } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { seedOfRun } from "../support/seed.ts";
import { runsOf } from "../support/runs.ts";
import {
  OracleRun,
  type Disturbance,
  type OracleOptions,
  type OracleServer,
} from "./oracle-run.ts";
import type { Random } from "./oracle-schema.ts";

/** Of subqueries within one another, in the runs with restarts. */
const LEVELS = Number(process.env["LEVELS"] ?? "3");

/** Longer is a fault: then it is said what everybody waits for, and the test's time runs out. */
const SETTLING_MS = 30_000;

/**
 * Rows are moved one by one, with a turn of the event loop after each, or in slices as always: by
 * turns, from one start of a server to the next.
 */
const SLICES: readonly Settings[] = [{ LITZ_MOVE_SLICE_US: "0" }, {}];

let database: TestDatabase;
let directory: TemporaryDirectory;

beforeEach(async () => {
  database = await createTestDatabase();
  directory = makeTemporaryDirectory();
});

afterEach(async () => {
  await database.dispose();
  directory.remove();
});

/** A server in this process. */
class NearServer implements OracleServer {
  readonly isKilled = false;
  readonly removals = new Map<string, string>();
  readonly log: string[] = [];
  readonly #logger: Logger = {
    ...silentLogger,
    warn: (fields, message) => {
      this.log.push(`${message} ${JSON.stringify(fields)}`);
      const { handle, why } = fields as { handle?: string; why?: string };
      if (handle !== undefined && why !== undefined) this.removals.set(handle, why);
    },
  };
  #server: LiveServer | undefined;
  #startCount = 0;
  #url = "";

  async start(): Promise<void> {
    const settings = SLICES[this.#startCount++ % SLICES.length];
    this.#server = await startServer(database, settings, directory.path, this.#logger);
    this.#url = this.#server.url;
  }

  url(): string {
    return this.#url;
  }

  async disturb(random: Random): Promise<Disturbance> {
    if (random() < 0.5) {
      await this.#loseConnection();
      return "lost connection";
    }
    await this.stop();
    await this.start();
    return "restart";
  }

  async #loseConnection(): Promise<void> {
    await database.query(
      "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1",
      [`electric_slot_${database.streamId}`],
    );
  }

  async settled(): Promise<void> {
    const { shapes, moves } = this.#server!.service.pipeline!;
    await eventually(() => expect(shapes.status).toBe("active"));
    const limit = setTimeout(() => console.error("not settled", moves.describe()), SETTLING_MS);
    await moves.settled().finally(() => clearTimeout(limit));
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }
}

/** A server of its own process, which is killed. */
class FarServer implements OracleServer {
  readonly isKilled = true;
  readonly #port: number;
  /** Of those that have been killed. */
  readonly #outputs: string[] = [];
  #child: ChildServer | undefined;
  #startCount = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async start(): Promise<void> {
    const settings = SLICES[this.#startCount++ % SLICES.length];
    this.#child = await startChildServer(database, directory.path, this.#port, settings);
  }

  url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get log(): readonly string[] {
    return [...this.#outputs, this.#child?.output() ?? ""].flatMap((text) => text.split("\n"));
  }

  get removals(): ReadonlyMap<string, string> {
    const removals = new Map<string, string>();
    for (const line of this.log) {
      if (!line.startsWith("{")) continue;
      const { handle, why } = JSON.parse(line) as { handle?: string; why?: string };
      if (handle !== undefined && why !== undefined) removals.set(handle, why);
    }
    return removals;
  }

  async disturb(random: Random): Promise<Disturbance> {
    await new Promise((resolve) => setTimeout(resolve, random() * 200));
    await this.stop();
    await this.start();
    return "restart";
  }

  /** Nobody says so: clients are compared until they are right. */
  settled(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    if (this.#child === undefined) return;
    await this.#child.kill("SIGKILL");
    this.#outputs.push(this.#child.output());
    this.#child = undefined;
  }
}

interface StoppableServer extends OracleServer {
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function runOracle(
  options: Omit<OracleOptions, "seed" | "database">,
  server: StoppableServer = new NearServer(),
): Promise<void> {
  const seed = seedOfRun();
  console.log(`oracle: SEED=${seed}`);
  const run = new OracleRun({ ...options, seed, database });
  await run.prepare();
  await server.start();
  try {
    await run.run(server);
    console.log("oracle:", JSON.stringify(run.totals()));
  } finally {
    await server.stop();
  }
}

test("one level", async () => {
  await runOracle({
    ...{ tableCount: 3, levels: 1, shapeCount: 24, rounds: runsOf(10), stepsPerRound: 25 },
    disturbances: 0,
  });
}, 600_000);

test("three levels", async () => {
  await runOracle({
    ...{ tableCount: 4, levels: 3, shapeCount: 40, rounds: runsOf(12), stepsPerRound: 30 },
    disturbances: 0,
  });
}, 600_000);

test("restarts and lost connections", async () => {
  await runOracle({
    ...{ tableCount: 4, levels: LEVELS, shapeCount: 30, rounds: runsOf(10), stepsPerRound: 30 },
    disturbances: 0.5,
  });
}, 600_000);

test("killed in the middle of it", async () => {
  const options = {
    ...{ tableCount: 4, levels: LEVELS, shapeCount: 30, rounds: runsOf(8), stepsPerRound: 30 },
    disturbances: 0.7,
  };
  await runOracle(options, new FarServer(await freePort()));
}, 600_000);
