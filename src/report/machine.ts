/** Where and from what a result comes: numbers without it mean nothing. */

import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { cpus, loadavg, totalmem } from "node:os";

export interface Environment {
  readonly processor: string;
  readonly processorCount: number;
  readonly memoryGib: number;
  /** Of the last minute, before anything was measured. Above 1 the machine had other work. */
  readonly loadBefore: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  readonly litz: string;
  /** Short hash; that something was changed since is said behind it. */
  readonly commit: string;
}

export function readEnvironment(): Environment {
  const cores = cpus();
  const manifest = createRequire(import.meta.url)("../../package.json") as { version: string };
  return {
    processor: cores[0]?.model ?? "unknown processor",
    processorCount: cores.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    litz: manifest.version,
    commit: commit(),
  };
}

/** Of the repository in which this file lies: an installed package is of none. */
function commit(): string {
  try {
    const git = (...parameters: string[]): string =>
      execFileSync("git", parameters, {
        cwd: import.meta.dirname,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim();
    // A package in somebody's node_modules is not a part of their repository.
    if (git("ls-files", "--error-unmatch", "../../package.json") === "") return "none";
    const isChanged = git("status", "--porcelain") !== "";
    return `${git("rev-parse", "--short", "HEAD")}${isChanged ? " with uncommitted changes" : ""}`;
  } catch {
    return "none: an installed package";
  }
}
