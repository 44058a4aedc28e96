/** Puts the console beside the compiled server. Its files are as browsers take them already. */

import { cpSync, rmSync } from "node:fs";

const from = new URL("../src/console/", import.meta.url);
const to = new URL("../dist/console/", import.meta.url);

rmSync(to, { recursive: true, force: true });
cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith("tsconfig.json") });
