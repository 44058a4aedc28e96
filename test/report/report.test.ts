/**
 * Goal: `litz report` as its user meets it: real runs in real processes, at sizes that are small; a
 * page that a browser can read, raw data that says everything, and wrong arguments in one line.
 */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JSDOM } from "jsdom";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readArguments } from "../../src/report/arguments.ts";
import { commandText } from "../../src/report/command.ts";
import {
  makeDocument,
  parseDocument,
  type Parameters,
  type ReportDocument,
} from "../../src/report/document.ts";
import { readEnvironment } from "../../src/report/machine.ts";
import { renderMarkdown } from "../../src/report/markdown.ts";
import { renderPage } from "../../src/report/page.ts";
import { describeOrigin } from "../../src/report/report-parts.ts";
import { ENGINE_NAMES } from "../../src/report/workload.ts";
import { WORKLOADS } from "../../src/report/workloads.ts";

const CLI = new URL("../../dist/command/cli.js", import.meta.url).pathname;
const SIZES = [40, 300];
/** One that looks shapes up and one with turns; the others are run in `workloads.test.ts`. */
const NAMES = ["equality", "churn"];

let directory: string;

function run(...args: string[]) {
  const environment = { PATH: process.env["PATH"] };
  return spawnSync(process.execPath, [CLI, "report", ...args], {
    cwd: directory,
    env: environment,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "litz-report-"));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

const read = (name: string): string => readFileSync(join(directory, "out", name), "utf8");

test("every engine in processes of its own, from runs to page", { timeout: 300_000 }, () => {
  const flags = ["--shapes", SIZES.join(","), "--workload", NAMES.join(","), "--repetitions", "1"];
  const { status, stdout, stderr } = run(...flags, "--seed", "7", "--out", "out", "--json");
  assert.equal(status, 0, stderr);

  const document = parseDocument(read("report.json"), "report.json");
  assert.deepEqual(JSON.parse(stdout), document);
  const named = document.runs.map(({ workload, engine, shapeCount }) => {
    return `${workload} ${shapeCount} ${engine}`;
  });
  const expected = NAMES.flatMap((name) =>
    SIZES.flatMap((size) => ENGINE_NAMES.map((engine) => `${name} ${size} ${engine}`)),
  );
  assert.deepEqual(named, expected);
  for (const each of document.runs) checkRun(each);
  checkOrigin(document);

  // Progress says what is done, and what falls short is said aloud: 40 shapes cannot pay off.
  assert.match(stderr, /^\[1\/\d+\] equality, 40 shapes, string-keyed, repetition 1 of 1: /m);
  assert.match(
    stderr,
    /^!!! less than twice as good: equality, 40 shapes: .*bytes per shape (under )?[01]\.\d\d?x/m,
  );
  checkPage(document);
  assert.match(read("summary.md"), /^\| bytes per shape, committed \|/m);

  // The same page again, of what was kept.
  const again = run("--from", "out/report.json", "--out", "again");
  assert.equal(again.status, 0, again.stderr);
  assert.equal(again.stdout, read("summary.md"));
});

test("a run that fails takes none along, and is named", { timeout: 300_000 }, async () => {
  const flags = ["--shapes", "40", "--workload", "equality", "--repetitions", "2"];
  const child = spawn(process.execPath, [CLI, "report", ...flags, "--out", "failed"], {
    cwd: directory,
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  // All that it said has been read by then, as it has not when it exits.
  const closed = once(child, "close") as Promise<[number]>;
  // Once something has been measured, whatever runs is killed until that shows.
  while (child.exitCode === null && !stderr.includes("!!! could not be measured")) {
    if (stderr.includes("[1/6]")) childrenOf(child.pid!).forEach((pid) => killIfThere(pid));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual(await closed, [1, null]);
  const failed = /^!!! could not be measured: (equality, 40 shapes, .*): its .* SIGKILL; (is .*)$/m;
  assert.match(stderr, failed);
  const [, what, why] = failed.exec(stderr)!;
  assert.match(
    stderr,
    /^litz: [1-9] of what was asked for could not be .*; the rest is in failed$/m,
  );

  const outFile = (name: string): string => readFileSync(join(directory, "failed", name), "utf8");
  const document = parseDocument(outFile("report.json"), "report.json");
  assert.equal(document.failures[0]!.what, what);
  // The others are measured as often as was asked for, and what failed is not tried again.
  assert.ok(document.runs.length >= 3);
  assert.ok(document.runs.some(({ repetition }) => repetition === 2));
  for (const shown of [outFile("summary.md"), outFile("index.html")]) {
    assert.ok(shown.includes("What could not be measured") && shown.includes(why!));
  }
});

/** Processes that a process has started. */
function childrenOf(pid: number): number[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return pids.filter((each) => each !== "").map(Number);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile, with its answer given.
  }
}

function checkRun({ workload, engine, measurement }: ReportDocument["runs"][number]): void {
  const { building, memory, lookups, churn, idle } = measurement;
  const { activity } = WORKLOADS.find(({ name }) => name === workload)!;
  assert.ok(building.perSecond > 0);
  assert.ok(memory.after.rssBytes > 10 * 2 ** 20 && memory.peakRssBytes >= memory.before.rssBytes);
  assert.equal(lookups !== undefined, activity === "lookups");
  assert.equal(churn !== undefined, activity === "churn");
  assert.equal(idle, undefined);
  if (churn !== undefined) {
    assert.equal(churn.longestMsByStretch.length, 100);
    assert.equal(Math.max(...churn.longestMsByStretch), churn.longestMs);
    assert.ok(churn.collections.longestMs <= churn.collections.totalMs);
  }
  assert.equal(memory.structures.length > 0, engine === "core");
  if (engine !== "core") return;
  // Pages of 64 KiB: the committed bytes of all owners are linear memory.
  const committed = memory.structures.reduce((sum, { committedBytes }) => sum + committedBytes, 0);
  assert.equal(committed % 65_536, 0);
  assert.ok(memory.liveBytes <= memory.committedBytes && memory.liveBytes > 0);
}

function checkOrigin({ environment, parameters, command, heaps }: ReportDocument): void {
  assert.equal(environment.node, process.version);
  assert.equal(parameters.seed, 7);
  assert.match(command, /^litz report --shapes 40,300 /);
  assert.equal(heaps.length, NAMES.length * ENGINE_NAMES.length);
  const equality = heaps.find(({ engine }) => engine === "string-keyed")!;
  assert.ok(equality.shares.some(({ constructorName }) => constructorName === "(string)"));
}

function checkPage(document: ReportDocument): void {
  const page = read("index.html");
  const { window } = new JSDOM(page);
  const all = (selector: string) => [...window.document.querySelectorAll(selector)];
  for (const name of NAMES) {
    const section = window.document.getElementById(name);
    assert.ok(
      section !== null && section.querySelectorAll("svg").length >= 2,
      `${name} has charts`,
    );
  }
  assert.equal(all("section.loud li").length > 0, true);
  const raw = window.document.getElementById("report")!.textContent;
  assert.deepEqual(JSON.parse(raw), document);
  // Nothing is loaded from anywhere.
  assert.deepEqual(all("[src], link[href], script:not([type='application/json'])"), []);
  assert.ok(!/NaN|undefined|Infinity/.test(window.document.querySelector("main")!.innerHTML));
}

test("a wrong argument is one line that says what is allowed", { timeout: 60_000 }, () => {
  for (const [args, line] of [
    [["--shapes", "1e6"], /^--shapes 1e6: expected a whole number of 1 or more/],
    [["--shapes", "0"], /^--shapes 0: expected a whole number of 1 or more, such as 10000/],
    [["--shapes", "10,,20"], /^--shapes : expected a whole number/],
    [["--shapes", "9007199254740993"], /^--shapes 9007199254740993: expected a whole number/],
    [["--repetitions", "0"], /^--repetitions 0: expected a whole number of 1 or more/],
    [["--repetitions", "-1"], /^Option '--repetitions' argument is ambiguous; .*--help/],
    [["--seed", "x"], /^--seed x: expected a whole number/],
    [["--shapes"], /^Option '--shapes <value>' argument missing; .*--help/],
    [["equality"], /^Unexpected argument 'equality'; .*--help/],
    [["--out", ""], /^--out is empty: expected a directory to write to/],
    [
      ["--workload", "subqueries-uuid", "--shapes", "1000000"],
      /^--shapes 1000000: subqueries-uuid is run with 100,000 shapes at most/,
    ],
    [["--from", "x", "--shapes", "5"], /^--shapes says what to measure, and --from measures/],
    [["--from", "x", "--quick"], /^--quick says what to measure, and --from measures nothing/],
    [["--url", "http://h", "--workload", "churn"], /^--workload says .*, and --url names a server/],
    [["--url", "http://h", "--database", "x", "--pid", "me"], /^--pid me: expected a whole/],
    [["--url", "http://h", "--database", "x", "--rows", "0"], /^--rows 0: expected a whole/],
    [["--workload", "equality,none"], /^--workload none: expected some of equality,/],
    [["--nonsense"], /^Unknown option '--nonsense'; .*--help/],
    [["--quick", "--full"], /^--quick and --full exclude each other/],
    [["--pid", "1"], /^--pid is for measuring a server: name it with --url/],
    [["--url", "http://localhost:1"], /^--url needs the database .* DATABASE_URL/],
    [["--url", "localhost", "--database", "x"], /^--url localhost: expected a URL such as/],
    [["--url", "ftp://h", "--database", "x"], /^--url ftp:\/\/h: expected http or https/],
  ] as const) {
    assert.throws(() => readArguments(args, {}), { code: "REPORT_ARGUMENT", message: line });
  }
  const { status, stderr } = run("--from", "nowhere.json");
  assert.equal(status, 1);
  assert.match(stderr, /^litz: --from nowhere\.json: cannot be read; expected the path of .*\n$/);
});

test("every option is in the help, and the help is an answer", { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = run("--help", "--shapes", "100");
  assert.deepEqual([status, stderr], [0, ""]);
  const source = readFileSync(new URL("../../src/report/arguments.ts", import.meta.url), "utf8");
  const [, options] = /^const OPTIONS = \{(.*?)^\}/ms.exec(source)!;
  const names = [...options!.matchAll(/^ {2}([a-z]+): /gm)].map(([, name]) => name!);
  assert.ok(names.length > 12);
  for (const name of names.filter((each) => each !== "help")) {
    assert.match(stdout, new RegExp(`--${name}\\b`));
  }
  for (const { name } of WORKLOADS) assert.ok(stdout.includes(name), `${name} is named`);
});

test("where nothing can be written nothing is measured", { timeout: 60_000 }, () => {
  writeFileSync(join(directory, "file"), "mine");
  const { status, stderr } = run("--workload", "equality", "--shapes", "10", "--out", "file");
  assert.equal(status, 1);
  assert.match(stderr, /^litz: --out file: no file can be written .*EEXIST.*; name a directory\n$/);
  assert.equal(readFileSync(join(directory, "file"), "utf8"), "mine");
  // Nor is anything made for a command that was wrong.
  assert.equal(run("--shapes", "0", "--out", "not-made").status, 1);
  assert.ok(!existsSync(join(directory, "not-made")));
});

test("what a workload is too large for is said to be left out", () => {
  const parameters = { workloads: ["equality", "subqueries-uuid"], repetitions: 3, seed: 1 };
  const shown = (shapeCounts: number[]) =>
    new Map(describeOrigin(emptyDocument({ ...parameters, shapeCounts })));
  assert.equal(shown([1000, 1_000_000]).get("left out"), "subqueries-uuid above 100,000 shapes");
  assert.equal(shown([1000, 100_000]).has("left out"), false);
  assert.equal(shown([1000]).get("repetitions"), "3, medians");
});

test("a server's report is named so, and says of which process nothing was read", async () => {
  const parameters = { workloads: [], shapeCounts: [10], repetitions: 1, seed: 1 };
  const latency = { writeCount: 5, p50Ms: 1, p99Ms: 2, longestMs: 3 };
  const throughput = { rowCount: 9, wantedPerSecond: 10, unwantedPerSecond: 11 };
  const creation = { perSecond: 4, p50Ms: 5, p99Ms: 6 };
  const own = { url: "http://h", shapeCount: 10, clientCount: 2, memory: undefined };
  const document = {
    ...emptyDocument(parameters),
    servers: [{ ...own, creation, latency, throughput }],
  };
  const page = await renderPage(document);
  assert.match(page, /<title>litz: report of a server<\/title>/);
  assert.ok(!/workloads|repetitions|less than twice/.test(page.replace(/<script.*/s, "")));
  const markdown = renderMarkdown(document);
  assert.match(markdown, /^# litz: report of a server$/m);
  assert.match(markdown, /^\| RSS \| not read: no --pid \|$/m);
});

function emptyDocument(parameters: Parameters): ReportDocument {
  const origin = { date: "2026-01-01T00:00:00Z", command: "litz report" };
  const environment = readEnvironment();
  return makeDocument({
    ...origin,
    environment,
    parameters,
    runs: [],
    heaps: [],
    servers: [],
    failures: [],
  });
}

test("what must not be shown to others is not in the command", { timeout: 60_000 }, () => {
  // Port 1: nobody is there, and the message says of what.
  const database = "postgresql://me:hidden@127.0.0.1:1/x";
  const flags = ["--url", "http://127.0.0.1:1", "--database", database, "--secret", "hidden"];
  const { status, stderr } = run(...flags);
  assert.equal(status, 1);
  assert.match(stderr, /^litz: nothing could be measured: .* connecting to Postgres: .*ECONNREF/m);
  assert.ok(!stderr.includes("hidden"));
  const shown = commandText([...flags, "--secret=hidden"]);
  assert.equal(
    shown,
    "litz report --url http://127.0.0.1:1 --database postgresql://...@127.0.0.1:1/x " +
      "--secret ... --secret=...",
  );
  const awkward = [
    "--database=postgresql://me:hi@dd#en@host:5432/x",
    "--url",
    "http://h/?secret=hidden",
  ];
  assert.equal(
    commandText(awkward),
    "litz report --database=postgresql://...@host:5432/x --url http://h/?...",
  );
});

test("sizes are sorted, a server's URL is that of its shapes", () => {
  const request = readArguments(["--shapes", "100_000,20,20", "--workload", "churn"], {});
  assert.ok(request.kind === "memory");
  assert.deepEqual(request.shapeCounts, [20, 100_000]);
  assert.deepEqual(request.workloads, ["churn"]);

  const environment = { DATABASE_URL: "postgresql://h/d", ELECTRIC_SECRET: "s" };
  const urls = ["http://h:3000", "http://h:3000/", "http://h/sync/", "http://h/v1/shape"];
  const server = urls.map((url) => readArguments(["--url", url, "--pid", "12"], environment));
  assert.deepEqual(
    server.map((each) => each.kind === "server" && each.url),
    ["http://h:3000/v1/shape", "http://h:3000/v1/shape", "http://h/sync/v1/shape", urls[3]],
  );
  expect(server[0]).toMatchObject({ secret: "s", databaseUrl: "postgresql://h/d", pid: 12 });
});

test("what is no report is not taken for one", () => {
  assert.throws(() => parseDocument("{", "x.json"), /x\.json is not JSON; expected a report\.json/);
  assert.throws(() => parseDocument("null", "x.json"), /x\.json is no report/);
  const later = '{"format":"litz report","version":2}';
  assert.throws(() => parseDocument(later, "x.json"), /is a report of version 2/);
});
