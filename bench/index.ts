/**
 * The benchmark: the core against the same contract in ordinary JavaScript.
 *
 *     npm run bench -- --shapes 100000,1000000 --workload equality-distinct --rounds 3
 *
 * Every run is a fresh process. Engines take turns, so that a busy minute of the machine falls on
 * all of them, and a figure is the median of the rounds.
 */

import { fork } from "node:child_process";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ENGINE_NAMES } from "./engines.ts";
import { describeEnvironment } from "./environment.ts";
import { makeReport, type Run } from "./report.ts";
import { runsOn, WORKLOAD_NAMES, type Measurements, type WorkloadOptions } from "./workloads.ts";

const USAGE = `Options, each with its default:
  --workload ${WORKLOAD_NAMES.join(",")}
  --engine   ${ENGINE_NAMES.join(",")}
  --shapes   100000,1000000
  --rows     200000     rows of each recorded stream
  --rounds   3          runs of each engine; the median counts
  --seed     1
  --out      (none)     file for the report, beside the terminal
  --raw      (none)     file for the measurements of each run, a line of JSON each
  --quick               20,000 shapes, 20,000 rows, one round
  --help
`;

interface Plan {
  readonly workloads: readonly WorkloadOptions["workload"][];
  readonly engines: readonly WorkloadOptions["engine"][];
  readonly shapeCounts: readonly number[];
  readonly rowCount: number;
  readonly roundCount: number;
  readonly seed: number;
  readonly out: string | undefined;
  readonly raw: string | undefined;
}

function readPlan(): Plan | undefined {
  const { values } = parseArgs({
    options: {
      workload: { type: "string", default: WORKLOAD_NAMES.join(",") },
      engine: { type: "string", default: ENGINE_NAMES.join(",") },
      shapes: { type: "string" },
      rows: { type: "string" },
      rounds: { type: "string" },
      seed: { type: "string", default: "1" },
      out: { type: "string" },
      raw: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const [shapes, rows, rounds] = values.quick
    ? ["20000", "20000", "1"]
    : ["100000,1000000", "200000", "3"];
  return {
    workloads: readNames("workload", values.workload, WORKLOAD_NAMES),
    engines: readNames("engine", values.engine, ENGINE_NAMES),
    shapeCounts: (values.shapes ?? shapes).split(",").map((text) => readCount("shapes", text)),
    rowCount: readCount("rows", values.rows ?? rows),
    roundCount: readCount("rounds", values.rounds ?? rounds),
    seed: readCount("seed", values.seed),
    out: values.out,
    raw: values.raw,
  };
}

function readNames<Name extends string>(
  flag: string,
  text: string,
  allowed: readonly Name[],
): readonly Name[] {
  return text.split(",").map((name) => {
    const known = allowed.find((candidate) => candidate === name);
    if (known === undefined) {
      throw new RangeError(`--${flag} ${name}: expected one of ${allowed.join(", ")}`);
    }
    return known;
  });
}

function readCount(flag: string, text: string): number {
  const count = Number(text.replaceAll("_", ""));
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`--${flag} ${text}: expected a positive whole number`);
  }
  return count;
}

async function runAll(plan: Plan): Promise<Run[]> {
  const runs: Run[] = [];
  for (const workload of plan.workloads) {
    for (const shapeCount of plan.shapeCounts) {
      for (let round = 1; round <= plan.roundCount; round += 1) {
        for (const engine of plan.engines.filter((name) => runsOn(workload, name))) {
          process.stderr.write(`${workload}, ${shapeCount} shapes, round ${round}: ${engine}\n`);
          const { rowCount, seed } = plan;
          const measurements = await runChild({ workload, engine, shapeCount, rowCount, seed });
          const run = { workload, shapeCount, engine, measurements };
          runs.push(run);
          if (plan.raw !== undefined) appendFileSync(plan.raw, `${JSON.stringify(run)}\n`);
        }
      }
    }
  }
  return runs;
}

function runChild(options: WorkloadOptions): Promise<Measurements> {
  return new Promise((resolve, reject) => {
    const execArgv = ["--expose-gc", "--max-old-space-size=8192", "--import", "tsx"];
    const child = fork(join(import.meta.dirname, "child.ts"), { execArgv });
    child.once("message", (measurements) => resolve(measurements as Measurements));
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      reject(new Error(`${options.engine} ended with ${code ?? signal ?? "nothing"}`));
    });
    child.send(options);
  });
}

async function main(): Promise<void> {
  const plan = readPlan();
  if (plan === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  const { rowCount, roundCount, seed } = plan;
  const parameters = `rows ${rowCount}, rounds ${roundCount}, seed ${seed}`;
  const command = `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim();
  const { markdown, warnings } = makeReport(await runAll(plan));
  const short = warnings.map((warning) => `- ${warning}`).join("\n");
  const report = [
    describeEnvironment(command, new Date()),
    `- parameters: ${parameters}; rates are per second of processor time, pauses are wall time`,
    "",
    markdown,
    `## Where the core is less than twice as good\n`,
    short === "" ? "Nowhere.\n" : `${short}\n`,
  ].join("\n");
  process.stdout.write(report);
  if (plan.out !== undefined) writeFileSync(plan.out, report);
  for (const warning of warnings) process.stderr.write(`!!! ${warning}\n`);
}

await main();
