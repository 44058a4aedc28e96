/**
 * Rows that move into many shapes at once: one value enters a subquery that all of them use.
 *
 *     npx tsx bench/moves.ts [--shapes 10000] [--rows 10] [--rounds 5]
 *
 * The shapes are of one template and differ in a constant; each gets the same rows. The service
 * runs in this process, without HTTP, on an embedded Postgres: what is timed is from the commit
 * until every shape's log has the rows, synced, and whoever waits for it is woken.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import type pg from "pg";
import { readConfig } from "../src/config.ts";
import type { ServedShape } from "../src/shapes/shape-service.ts";
import { PipelineService } from "../src/sync-service.ts";
import { describeEnvironment } from "./environment.ts";
import { withPostgres } from "./real-server.ts";

const { values } = parseArgs({
  options: {
    shapes: { type: "string", default: "10000" },
    rows: { type: "string", default: "10" },
    rounds: { type: "string", default: "5" },
  },
});
const shapeCount = Number(values.shapes);
const rowCount = Number(values.rows);
const roundCount = Number(values.rounds);

const AT_A_TIME = 500;
const WAIT_MS = 120_000;

async function main(): Promise<void> {
  await withPostgres(async ({ url, database, directory }) => {
    const config = readConfig({
      DATABASE_URL: url,
      ELECTRIC_INSECURE: "true",
      ELECTRIC_STORAGE_DIR: join(directory, "storage"),
    });
    const service = new PipelineService({ config });
    await database.query(`
      CREATE TABLE projects (id int PRIMARY KEY, is_active bool);
      CREATE TABLE issues (id int PRIMARY KEY, project int, title text);
      CREATE INDEX ON issues (project);
      INSERT INTO projects SELECT n, false FROM generate_series(0, ${roundCount}) n;
      INSERT INTO issues SELECT n, n / ${rowCount}, repeat('title', 10)
      FROM generate_series(0, ${(roundCount + 1) * rowCount - 1}) n`);
    await service.start();
    try {
      await measure(service, database);
    } finally {
      await service.stop();
    }
  });
}

async function measure(service: PipelineService, database: pg.Client): Promise<void> {
  const { shapes: api, moves } = service.pipeline!;
  const shapes: ServedShape[] = [];
  const begun = performance.now();
  for (let first = 0; first < shapeCount; first += AT_A_TIME) {
    const some = Array.from({ length: Math.min(AT_A_TIME, shapeCount - first) }, async (_, n) => {
      const definition = await api.define(requestOf(first + n));
      return api.findOrCreate(definition);
    });
    shapes.push(...(await Promise.all(some)));
  }
  await moves.settled();
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${shapeCount} shapes made in ${seconds.toFixed(1)} s`);
  const before = moves.figures.queries;
  const times: number[] = [];
  for (let round = 1; round <= roundCount; round++) {
    const offsets = shapes.map(({ log }) => log.latestOffset());
    const waiting = shapes.map((shape, index) => shape.waitForChange(offsets[index]!, WAIT_MS));
    const start = performance.now();
    await database.query(`UPDATE projects SET is_active = true WHERE id = ${round}`);
    const outcomes = await Promise.all(waiting);
    times.push(performance.now() - start);
    if (!outcomes.every((outcome) => outcome === "changed"))
      throw new Error("a shape was not told");
    await moves.settled();
  }
  times.sort((a, b) => a - b);
  report(times, (moves.figures.queries - before) / roundCount);
}

function requestOf(n: number) {
  return {
    table: "issues",
    where: `id >= $1 AND project IN (SELECT id FROM projects WHERE is_active)`,
    params: { "1": `${-n}` },
    columns: undefined,
    queryableColumns: undefined,
    replica: "default" as const,
    log: "full" as const,
  };
}

function report(times: readonly number[], queries: number): void {
  const milliseconds = (time: number | undefined): string => `${time!.toFixed(1)} ms`;
  const rows = [
    ["queries per move", `${queries}`],
    ["all shapes have it, median", milliseconds(times[Math.floor(times.length / 2)])],
    ["all shapes have it, best", milliseconds(times[0])],
    ["all shapes have it, worst", milliseconds(times.at(-1))],
  ];
  console.log(describeEnvironment("npx tsx bench/moves.ts", new Date()));
  console.log(`- ${shapeCount} shapes, ${rowCount} rows each, ${roundCount} rounds\n`);
  console.log("| | |\n| --- | ---: |");
  for (const [name, value] of rows) console.log(`| ${name} | ${value} |`);
}

await main();
process.exit();
