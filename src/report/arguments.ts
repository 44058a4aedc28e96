/** What `litz report` is asked for. A wrong argument is one line that says what is allowed. */

import { parseArgs } from "node:util";
import { LitzError } from "../lib/errors.ts";
import { formatCount } from "./format.ts";
import { sizesOf, workloadNamed, WORKLOADS } from "./workloads.ts";

const WORKLOAD_NAMES = WORKLOADS.map(({ name }) => name);

export const REPORT_HELP = `litz report: what shapes cost, beside the same in ordinary JavaScript

  litz report                 all workloads, each run in a fresh process; about 15 minutes
    --workload ${WORKLOAD_NAMES.join(",")}
    --shapes 1000,10000,100000,1000000
    --repetitions 3           the median counts; engines take turns
    --seed 1                  what a run does follows from it
    --quick                   --shapes 1000,10000 --repetitions 1
    --full                    --shapes 1000,10000,100000,1000000,3000000 --repetitions 5
    --out litz-report         a directory: index.html, summary.md and report.json go there
    --json                    prints the raw measurements instead of the summary
    --from report.json        measures nothing: makes page and summary of an earlier report

  litz report --url http://localhost:3000 --database postgresql://...
                              a server over HTTP, litz or any other that speaks the protocol
    --shapes 1000,10000       each number on a table of its own, which is dropped afterwards
    --pid N                   the server's process on this machine, whose RSS is read
    --database URL            where the table is made; default DATABASE_URL
    --secret TEXT             default ELECTRIC_SECRET
    --clients 100             that wait for changes, each on a shape of its own
    --writes 1000             single rows, each timed until its client has it
    --rows 20000              rows written at once, for throughput
`;

interface Output {
  /** A directory. */
  readonly out: string;
  readonly isJson: boolean;
}

export interface MemoryRequest extends Output {
  readonly kind: "memory";
  readonly workloads: readonly string[];
  readonly shapeCounts: readonly number[];
  readonly repetitions: number;
  readonly seed: number;
}

export interface ServerRequest extends Output {
  readonly kind: "server";
  /** Of the shapes: with `/v1/shape` at its end. */
  readonly url: string;
  readonly pid: number | undefined;
  readonly databaseUrl: string;
  readonly secret: string | undefined;
  readonly shapeCounts: readonly number[];
  readonly clientCount: number;
  readonly writeCount: number;
  readonly rowCount: number;
  readonly seed: number;
}

export type ReportRequest =
  | MemoryRequest
  | ServerRequest
  | (Output & { readonly kind: "again"; readonly from: string })
  | { readonly kind: "help" };

const OPTIONS = {
  workload: { type: "string" },
  shapes: { type: "string" },
  repetitions: { type: "string" },
  seed: { type: "string", default: "1" },
  quick: { type: "boolean", default: false },
  full: { type: "boolean", default: false },
  out: { type: "string", default: "litz-report" },
  json: { type: "boolean", default: false },
  from: { type: "string" },
  url: { type: "string" },
  pid: { type: "string" },
  database: { type: "string" },
  secret: { type: "string" },
  clients: { type: "string" },
  writes: { type: "string" },
  rows: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];
type Environment = Readonly<Record<string, string | undefined>>;

const FOR_SERVERS = ["pid", "database", "secret", "clients", "writes", "rows"] as const;
const FOR_MEMORY = ["workload", "repetitions", "quick", "full"] as const;
const FOR_MEASURING = ["shapes", "url", ...FOR_MEMORY, ...FOR_SERVERS] as const;

/** @throws {LitzError} REPORT_ARGUMENT */
export function readArguments(
  arguments_: readonly string[],
  environment: Environment,
): ReportRequest {
  const values = parse(arguments_);
  if (values.help) return { kind: "help" };
  if (values.out === "") throw wrong("--out is empty: expected a directory to write to");
  const output = { out: values.out, isJson: values.json };
  if (values.from !== undefined) {
    refuse(values, FOR_MEASURING, "says what to measure, and --from measures nothing");
    return { kind: "again", from: values.from, ...output };
  }
  return values.url === undefined
    ? memoryRequest(values, output)
    : serverRequest(values, values.url, output, environment);
}

function parse(arguments_: readonly string[]): Values {
  try {
    return parseArgs({ args: [...arguments_], options: OPTIONS }).values;
  } catch (error) {
    // The first sentence names the argument; what follows is advice that does not fit here.
    const [first] = (error as Error).message.split(/\.(?: |\n)|\n/);
    throw wrong(`${first}; \`litz report --help\` lists what there is`);
  }
}

function memoryRequest(values: Values, output: Output): MemoryRequest {
  refuse(values, FOR_SERVERS, "is for measuring a server: name it with --url");
  if (values.quick && values.full) throw wrong("--quick and --full exclude each other");
  const [shapes, repetitions] = values.quick
    ? ["1000,10000", "1"]
    : values.full
      ? ["1000,10000,100000,1000000,3000000", "5"]
      : ["1000,10000,100000,1000000", "3"];
  const workloads = readWorkloads(values.workload);
  const shapeCounts = readCounts("shapes", values.shapes ?? shapes);
  refuseNothing(workloads, shapeCounts);
  return {
    kind: "memory",
    workloads,
    shapeCounts,
    repetitions: readCount("repetitions", values.repetitions ?? repetitions),
    seed: readCount("seed", values.seed),
    ...output,
  };
}

function serverRequest(
  values: Values,
  url: string,
  output: Output,
  environment: Environment,
): ServerRequest {
  refuse(values, FOR_MEMORY, "says what is measured in this process, and --url names a server");
  const databaseUrl = values.database ?? environment["DATABASE_URL"] ?? "";
  if (databaseUrl === "") {
    throw wrong("--url needs the database that the server follows: --database or DATABASE_URL");
  }
  return {
    kind: "server",
    url: readUrl(url),
    pid: values.pid === undefined ? undefined : readCount("pid", values.pid),
    databaseUrl,
    secret: values.secret ?? environment["ELECTRIC_SECRET"],
    shapeCounts: readCounts("shapes", values.shapes ?? "1000,10000"),
    clientCount: readCount("clients", values.clients ?? "100"),
    writeCount: readCount("writes", values.writes ?? "1000"),
    rowCount: readCount("rows", values.rows ?? "20000"),
    seed: readCount("seed", values.seed),
    ...output,
  };
}

function refuse(values: Values, names: readonly (keyof Values)[], why: string): void {
  const name = names.find((each) => values[each] !== undefined && values[each] !== false);
  if (name !== undefined) throw wrong(`--${name} ${why}`);
}

/** One workload that is too small for the sizes is left out, but not all of them. */
function refuseNothing(workloads: readonly string[], shapeCounts: readonly number[]): void {
  if (workloads.some((name) => sizesOf(name, shapeCounts).length > 0)) return;
  const most = Math.max(...workloads.map((name) => workloadNamed(name).shapesMax ?? Infinity));
  const asked = `--shapes ${shapeCounts.join(",")}`;
  throw wrong(`${asked}: ${workloads.join(",")} is run with ${formatCount(most)} shapes at most`);
}

function readWorkloads(text: string | undefined): readonly string[] {
  if (text === undefined) return WORKLOAD_NAMES;
  const names = [...new Set(text.split(","))];
  const unknown = names.find((name) => !WORKLOAD_NAMES.includes(name));
  if (unknown === undefined) return names;
  throw wrong(`--workload ${unknown}: expected some of ${WORKLOAD_NAMES.join(",")}`);
}

/** Ascending, each once. */
function readCounts(flag: string, text: string): readonly number[] {
  const counts = text.split(",").map((part) => readCount(flag, part));
  return [...new Set(counts)].sort((a, b) => a - b);
}

function readCount(flag: string, text: string): number {
  const count = /^\d[\d_]*$/.test(text) ? Number(text.replaceAll("_", "")) : NaN;
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw wrong(`--${flag} ${text}: expected a whole number of 1 or more, such as 10000 or 10_000`);
}

function readUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong(`--url ${text}: expected a URL such as http://localhost:3000`);
  }
  if (!/^https?:$/.test(url.protocol)) throw wrong(`--url ${text}: expected http or https`);
  if (!url.pathname.endsWith("/v1/shape")) {
    url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/shape`;
  }
  return url.href;
}

function wrong(message: string): LitzError {
  return new LitzError(message, { code: "REPORT_ARGUMENT" });
}
