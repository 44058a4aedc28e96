/**
 * A report as it is kept: everything that was measured, and nothing that follows from it. Pages and
 * summaries are made of it, also of one that was written long ago.
 */

import { LitzError } from "../lib/errors.ts";
import type { Environment } from "./machine.ts";
import type { HeapShare, Measurement } from "./measurement.ts";
import type { ServerRun } from "./server/server-run.ts";
import type { EngineName } from "./workload.ts";

const FORMAT = "litz report";
const VERSION = 1;

export interface Parameters {
  readonly workloads: readonly string[];
  readonly shapeCounts: readonly number[];
  readonly repetitions: number;
  readonly seed: number;
}

export interface Run {
  readonly workload: string;
  readonly engine: EngineName;
  readonly shapeCount: number;
  /** From 1. */
  readonly repetition: number;
  readonly measurement: Measurement;
}

export interface HeapBreakdown {
  readonly workload: string;
  readonly engine: EngineName;
  readonly shapeCount: number;
  readonly shares: readonly HeapShare[];
}

/** What was to be measured and could not be. */
export interface Failure {
  readonly what: string;
  readonly why: string;
}

export interface ReportDocument {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  /** ISO 8601, when it was begun. */
  readonly date: string;
  readonly command: string;
  readonly environment: Environment;
  readonly parameters: Parameters;
  readonly runs: readonly Run[];
  readonly heaps: readonly HeapBreakdown[];
  /** What was measured over HTTP. */
  readonly servers: readonly ServerRun[];
  readonly failures: readonly Failure[];
}

export function makeDocument(parts: Omit<ReportDocument, "format" | "version">): ReportDocument {
  return { format: FORMAT, version: VERSION, ...parts };
}

/** @throws {LitzError} REPORT_UNREADABLE when the text is not such a document. */
export function parseDocument(text: string, path: string): ReportDocument {
  const unreadable = (why: string): LitzError =>
    new LitzError(`${path} ${why}; expected a report.json that \`litz report\` has written`, {
      code: "REPORT_UNREADABLE",
    });
  let parsed: Partial<ReportDocument> | null;
  try {
    parsed = JSON.parse(text) as Partial<ReportDocument> | null;
  } catch {
    throw unreadable("is not JSON");
  }
  if (parsed?.format !== FORMAT) throw unreadable("is no report");
  if (parsed.version !== VERSION) throw unreadable(`is a report of version ${parsed.version}`);
  // Earlier ones were written only where nothing had failed.
  return { ...(parsed as ReportDocument), failures: parsed.failures ?? [] };
}
