/** Where and from what a result comes, as a list for RESULTS.md. */

import { readEnvironment } from "../src/report/machine.ts";

export function describeEnvironment(command: string, date: Date): string {
  const { processor, processorCount, memoryGib, node, v8, platform, commit } = readEnvironment();
  return [
    `- machine: ${processor}, ${processorCount} cores, ${memoryGib} GiB`,
    `- Node ${node}, V8 ${v8}, ${platform}`,
    `- commit: ${commit}`,
    `- date: ${date.toISOString().slice(0, 10)}`,
    `- command: \`${command}\``,
  ].join("\n");
}
