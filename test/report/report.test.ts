/**
 * Goal: `litz report` as its user meets it: real runs in real processes, at sizes that are small; a
 * page that a browser can read, raw data that says everything, and wrong arguments in one line.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JSDOM } from "jsdom";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readArguments } from "../../src/report/arguments.ts";
import { parseDocument, type ReportDocument } from "../../src/report/document.ts";
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
    /^!!! less than twice as good: equality, 40 shapes: .*bytes per shape 0\.\d\d?x/m,
  );
  checkPage(document);
  assert.match(read("summary.md"), /^\| bytes per shape, committed \|/m);

  // The same page again, of what was kept.
  const again = run("--from", "out/report.json", "--out", "again");
  assert.equal(again.status, 0, again.stderr);
  assert.equal(again.stdout, read("summary.md"));
});

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
  assert.match(run("--help").stdout, /--repetitions/);
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
