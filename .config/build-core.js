/**
 * Builds the targets of asconfig.json that are named, those whose sources are newer than they are:
 *
 *     node .config/build-core.js release checked
 *
 * Two at a time: a build keeps one processor busy for half a minute.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
const { targets } = JSON.parse(readFileSync(join(root, "asconfig.json"), "utf8"));

const sources = readdirSync(join(root, "assembly")).map((name) => join(root, "assembly", name));
const inputs = [...sources, join(root, "asconfig.json"), join(root, "package-lock.json")];
const newest = Math.max(...inputs.map((path) => statSync(path).mtimeMs));

const stale = process.argv.slice(2).filter((target) => {
  const built = statSync(join(root, targets[target].outFile), { throwIfNoEntry: false });
  return (built?.mtimeMs ?? 0) <= newest;
});

async function build(target) {
  console.log(`building ${targets[target].outFile}`);
  const isTesting = target.startsWith("testing");
  const entry = isTesting ? ["assembly/testing.ts", "assembly/testing-indexes.ts"] : [];
  const compiler = spawn(process.execPath, [asc, ...entry, "--target", target], {
    cwd: root,
    stdio: "inherit",
  });
  const [status] = await once(compiler, "exit");
  if (status !== 0) process.exit(status ?? 1);
}

async function buildAll() {
  for (let target = stale.shift(); target !== undefined; target = stale.shift()) {
    await build(target);
  }
}

await Promise.all([buildAll(), buildAll()]);
