/** Storage that goes with the process, for `ELECTRIC_STORAGE=MEMORY` and for tests. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TemporaryDirectory {
  readonly path: string;
  remove(): void;
}

export function makeTemporaryDirectory(): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), "litz-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
