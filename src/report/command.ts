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
import { readEnvironment } from "./machine.ts";
import { renderMarkdown } from "./markdown.ts";
import { measureHeaps, measureRuns, type Progress } from "./measure-all.ts";
import { renderPage } from "./page.ts";
import { measureServer } from "./server/measure-server.ts";

const progress: Progress = (line) => void process.stderr.write(`${line}\n`);

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
      await write(await measureMemory(request, arguments_), request);
      return;
    case "server":
      await write(await measureOverHttp(request, arguments_), request);
  }
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
  const runs = await measureRuns(parameters, progress);
  const heaps = await measureHeaps(parameters, progress);
  return makeDocument({ ...origin, parameters, runs, heaps, servers: [] });
}

async function measureOverHttp(
  request: ServerRequest,
  arguments_: readonly string[],
): Promise<ReportDocument> {
  const { shapeCounts, seed } = request;
  const parameters = { workloads: [], shapeCounts, repetitions: 1, seed };
  const origin = describeOrigin(arguments_);
  const servers = [];
  for (const shapeCount of shapeCounts) {
    servers.push(await measureServer({ ...request, shapeCount }, progress));
  }
  return makeDocument({ ...origin, parameters, runs: [], heaps: [], servers });
}

/** Before anything is measured: afterwards the load is our own. */
function describeOrigin(
  arguments_: readonly string[],
): Pick<ReportDocument, "date" | "command" | "environment"> {
  const date = new Date(systemClock.nowMilliseconds()).toISOString();
  return { date, command: commandText(arguments_), environment: readEnvironment() };
}

/** Without what must not be shown to others: passwords in a URL, and the secret. */
export function commandText(arguments_: readonly string[]): string {
  const shown = arguments_.map((argument, index) => {
    if (arguments_[index - 1] === "--secret") return "...";
    return argument.replace(/^--secret=.*/, "--secret=...").replace(/\/\/[^@/]*@/, "//...@");
  });
  return ["litz", "report", ...shown].join(" ");
}

async function write(
  document: ReportDocument,
  { out, isJson }: { readonly out: string; readonly isJson: boolean },
): Promise<void> {
  const markdown = renderMarkdown(document);
  const json = `${JSON.stringify(document, undefined, 1)}\n`;
  const page = await renderPage(document);
  writeFileSync(join(out, "report.json"), json);
  writeFileSync(join(out, "summary.md"), markdown);
  writeFileSync(join(out, "index.html"), page);
  process.stdout.write(isJson ? json : markdown);
  for (const line of loudLines(compare(document))) progress(`!!! less than twice as good: ${line}`);
  progress(`the page is ${join(out, "index.html")}`);
}
