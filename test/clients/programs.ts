/**
 * Programs that npm does not bring: a browser, a proxy. A test that needs one is skipped where it
 * is missing, and says so; a variable makes that a failure, so that CI cannot skip by accident.
 */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface Program {
  readonly title: string;
  /** What it may be called, the first found is taken. */
  readonly names: readonly string[];
  /** Of the environment: with "1" in it, the program has to be there. */
  readonly required: string;
  /** How to install it. */
  readonly hint: string;
}

export const chromium: Program = {
  title: "Chromium",
  names: ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"],
  required: "LITZ_REQUIRE_BROWSER",
  hint: "apt-get install --no-install-recommends chromium",
};

export const nginx: Program = {
  title: "nginx",
  names: ["nginx"],
  required: "LITZ_REQUIRE_NGINX",
  hint: "apt-get install --no-install-recommends nginx-light",
};

/**
 * The path of a program; undefined where it is missing, with a warning.
 *
 * @throws {Error} when it is missing and required.
 */
export function findProgram({ title, names, required, hint }: Program): string | undefined {
  // Daemons live in directories that only an administrator has in the path.
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const paths = names.flatMap((name) => directories.map((directory) => join(directory, name)));
  const found = paths.find(isExecutable);
  if (found !== undefined) return found;
  const message = `${title} is not installed (${hint})`;
  if (process.env[required] === "1") throw new Error(`${message}, and ${required}=1 asks for it`);
  console.warn(`SKIPPED: ${message}. ${required}=1 makes this a failure.`);
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
