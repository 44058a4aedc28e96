/** The rows of a table about a server. */

import { formatBytes, formatCount, formatMib, formatMs, formatRate } from "../format.ts";
import type { ServerMemory, ServerRun } from "./server-run.ts";

export function serverRows(run: ServerRun): readonly (readonly [label: string, value: string])[] {
  const { creation, latency, throughput, memory, shapeCount } = run;
  const rowCount = formatCount(throughput.rowCount);
  return [
    ["shapes created per second", formatRate(creation.perSecond)],
    ["creation, p50 and p99, ms", `${formatMs(creation.p50Ms)} / ${formatMs(creation.p99Ms)}`],
    ...(memory === undefined
      ? [["RSS", "not read: no --pid"] as const]
      : memoryRows(memory, shapeCount)),
    ["clients that wait, each on a shape of its own", formatCount(run.clientCount)],
    [`INSERT to client, ${formatCount(latency.writeCount)} rows: p50, ms`, formatMs(latency.p50Ms)],
    ["p99, ms", formatMs(latency.p99Ms)],
    ["longest, ms", formatMs(latency.longestMs)],
    [`${rowCount} wanted rows: arrived per second`, formatRate(throughput.wantedPerSecond)],
    [`${rowCount} unwanted rows: passed per second`, formatRate(throughput.unwantedPerSecond)],
  ];
}

function memoryRows(memory: ServerMemory, shapeCount: number): [string, string][] {
  const { rssBeforeBytes, rssBytes, peakRssBytes } = memory;
  return [
    ["RSS before, MiB", formatMib(rssBeforeBytes)],
    ["RSS with all shapes, settled, MiB", formatMib(rssBytes)],
    ["RSS per shape, bytes", formatBytes((rssBytes - rssBeforeBytes) / shapeCount)],
    ["peak RSS, MiB", formatMib(peakRssBytes)],
  ];
}
