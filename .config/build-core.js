/**
 * Builds the targets of asconfig.json that are named, those whose sources are newer than they are:
 *
 *     node .config/build-core.js release checked
 */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const asc = createRequire(import.meta.url).resolve("assemblyscript/bin/asc.js");
const { targets } = JSON.parse(readFileSync(join(root, "asconfig.json"), "utf8"));

const sources = readdirSync(join(root, "assembly")).map((name) => join(root, "assembly", name));
const inputs = [...sources, join(root, "asconfig.json"), join(root, "package-lock.json")];
const newest = Math.max(...inputs.map((path) => statSync(path).mtimeMs));

for (const target of process.argv.slice(2)) {
  const { outFile } = targets[target];
  const built = statSync(join(root, outFile), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built > newest) continue;
  console.log(`building ${outFile}`);
  const isTesting = target.startsWith("testing");
  const entry = isTesting ? ["assembly/testing.ts", "assembly/testing-indexes.ts"] : [];
  const { status } = spawnSync(process.execPath, [asc, ...entry, "--target", target], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
