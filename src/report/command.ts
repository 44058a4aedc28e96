/**
 * `litz report`: measures, and writes a page, a summary and the raw data. Progress goes to stderr,
 * so that stdout is the result.
 */

import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { LitzError } from "../lib/errors.ts";
import { readArguments, REPORT_HELP, type MemoryRequest, type ServerRequest } from "./arguments.ts";
import { compare, loudLines } from "./comparison.ts";
import { makeDocument, parseDocument, type ReportDocument } from "./document.ts";
import { Failures } from "./failures.ts";
import { formatCount } from "./format.ts";
import { readEnvironment } from "./machine.ts";
import { renderMarkdown } from "./markdown.ts";
import { measureHeaps, measureRuns, type Progress } from "./measure-all.ts";
import { renderPage } from "./page.ts";
import { measureServer } from "./server/measure-server.ts";

const progress: Progress = (line) => void process.stderr.write(`${line}\n`);
const tellLoudly: Progress = (line) => progress(`!!! ${line}`);

/** @throws {LitzError} with a message for whoever typed the command. */
export async function runReport(arguments_: readonly string[]): Promise<void> {
  const request = readArguments(arguments_, process.env);
  // Before a quarter of an hour of measuring, which a wrong path is not to cost.
  if (request.kind !== "help") prepareDirectory(request.out);
  switch (request.kind) {
    case "help":
      process.stdout.write(REPORT_HELP);
      return;
    case "again":
      await write(readDocument(request.from), request);
      return;
    case "memory":
      await writeMeasured(await measureMemory(request, arguments_), request);
      return;
    case "server":
      await writeMeasured(await measureOverHttp(request, arguments_), request);
  }
}

/** @throws {LitzError} REPORT_INCOMPLETE when something could not be measured: the rest is kept. */
async function writeMeasured(document: ReportDocument, request: Outlet): Promise<void> {
  const { runs, heaps, servers, failures } = document;
  const [first] = failures;
  const isEmpty = runs.length + heaps.length + servers.length === 0;
  if (!isEmpty) await write(document, request);
  if (first === undefined) return;
  const message = isEmpty
    ? `nothing could be measured: ${first.what}: ${first.why}`
    : `${failures.length} of what was asked for could not be measured, as said above; ` +
      `the rest is in ${request.out}`;
  throw new LitzError(message, { code: "REPORT_INCOMPLETE" });
}

function prepareDirectory(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    accessSync(out, constants.W_OK);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code;
    const message = `--out ${out}: no file can be written there (${why}); name a directory`;
    throw new LitzError(message, { code: "REPORT_UNWRITABLE", cause });
  }
}

function readDocument(path: string): ReportDocument {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const advice = "expected the path of a report.json that `litz report` has written";
    const message = `--from ${path}: cannot be read; ${advice}`;
    throw new LitzError(message, { code: "REPORT_UNREADABLE", cause });
  }
  return parseDocument(text, path);
}

async function measureMemory(
  { workloads, shapeCounts, repetitions, seed }: MemoryRequest,
  arguments_: readonly string[],
): Promise<ReportDocument> {
  const parameters = { workloads, shapeCounts, repetitions, seed };
  const origin = describeOrigin(arguments_);
  const failures = new Failures(tellLoudly);
  const runs = await measureRuns(parameters, failures, progress);
  const heaps = await measureHeaps(parameters, failures, progress);
  return makeDocument({ ...origin, parameters, runs, heaps, servers: [], failures: failures.all });
}

async function measureOverHttp(
  request: ServerRequest,
  arguments_: readonly string[],
): Promise<ReportDocument> {
  const { shapeCounts, seed } = request;
  const parameters = { workloads: [], shapeCounts, repetitions: 1, seed };
  const origin = describeOrigin(arguments_);
  const failures = new Failures(tellLoudly);
  const servers = [];
  for (const shapeCount of shapeCounts) {
    const server = await failures.attempt(`a server with ${formatCount(shapeCount)} shapes`, () =>
      measureServer({ ...request, shapeCount }, progress),
    );
    if (server !== undefined) servers.push(server);
  }
  const measured = { runs: [], heaps: [], servers, failures: failures.all };
  return makeDocument({ ...origin, parameters, ...measured });
}

/** Before anything is measured: afterwards the load is our own. */
function describeOrigin(
  arguments_: readonly string[],
): Pick<ReportDocument, "date" | "command" | "environment"> {
  const date = new Date(systemClock.nowMilliseconds()).toISOString();
  return { date, command: commandText(arguments_), environment: readEnvironment() };
}

/** Without what must not be shown to others: of URLs what says where, and not the secret. */
export function commandText(arguments_: readonly string[]): string {
  const shown = arguments_.map((argument, index) => {
    if (arguments_[index - 1] === "--secret") return "...";
    if (argument.startsWith("--secret=")) return "--secret=...";
    // A password may have any character; what is behind the last @ is none of it.
    const [, flag = "", scheme, rest] = /^(--\w+=)?(\w+:\/\/)(.*)$/s.exec(argument) ?? [];
    if (scheme === undefined) return argument;
    const place = rest!.replace(/^.*@/s, "...@").replace(/[?#].*$/s, "?...");
    return `${flag}${scheme}${place}`;
  });
  return ["litz", "report", ...shown].join(" ");
}

/** Where a report goes. */
interface Outlet {
  readonly out: string;
  readonly isJson: boolean;
}

async function write(document: ReportDocument, { out, isJson }: Outlet): Promise<void> {
  const markdown = renderMarkdown(document);
  const json = `${JSON.stringify(document, undefined, 1)}\n`;
  const page = await renderPage(document);
  writeFileSync(join(out, "report.json"), json);
  writeFileSync(join(out, "summary.md"), markdown);
  writeFileSync(join(out, "index.html"), page);
  process.stdout.write(isJson ? json : markdown);
  for (const line of loudLines(compare(document))) tellLoudly(`less than twice as good: ${line}`);
  progress(`the page is ${join(out, "index.html")}`);
}
