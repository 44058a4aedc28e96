/** Where and from what a result comes: numbers without it mean nothing. */

import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";

export function describeEnvironment(command: string, date: Date): string {
  const cores = cpus();
  return [
    `- machine: ${cores[0]?.model ?? "unknown processor"}, ${cores.length} cores, ` +
      `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `- Node ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
    `- commit: ${commit()}`,
    `- date: ${date.toISOString().slice(0, 10)}`,
    `- command: \`${command}\``,
  ].join("\n");
}

function commit(): string {
  try {
    const git = (...parameters: string[]): string =>
      execFileSync("git", parameters, {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
    const isChanged = git("status", "--porcelain") !== "";
    return `${git("rev-parse", "--short", "HEAD")}${isChanged ? " with uncommitted changes" : ""}`;
  } catch {
    return "none yet";
  }
}
