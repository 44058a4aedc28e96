/** Documents and manifests, as rules. */

import type { Rule, SourceText } from "./source.ts";

export const oneTitlePerDocument: Rule = (files) => {
  return files
    .filter(({ path }) => path.endsWith(".md"))
    .flatMap(({ path, text }) => {
      const prose = text.replace(/^(```|~~~)[^]*?^\1/gm, "");
      const count = prose.split("\n").filter((line) => /^# \S/.test(line)).length;
      return count === 1 ? [] : [`${path}: ${count} titles`];
    });
};

/** What is installed is what was tested. */
export const versionsAreExact: Rule = (files) => {
  return dependenciesOf(files)
    .filter(([, version]) => !/^[0-9]+\.[0-9]+\.[0-9]+(?:-[\w.]+)?$/.test(version))
    .map(([name, version]) => `package.json: ${name} is ${version}`);
};

/** Each package is named in ARCHITECTURE.md, in backticks, in a line that says what it is for. */
export const dependenciesHaveReasons: Rule = (files) => {
  const document = files.find(({ path }) => path === "ARCHITECTURE.md");
  if (document === undefined) return [];
  return dependenciesOf(files)
    .filter(([name]) => !hasReason(document, name))
    .map(([name]) => `ARCHITECTURE.md: no reason for ${name}`);
};

/** A reason has at least three words. */
function hasReason({ text }: SourceText, name: string): boolean {
  return text.split("\n").some((line) => {
    if (!line.includes(`\`${name}\``)) return false;
    const reason = line.replaceAll(/`[^`]*`/g, "").match(/[a-z]{2,}/gi) ?? [];
    return reason.length >= 3;
  });
}

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

function dependenciesOf(files: readonly SourceText[]): [name: string, version: string][] {
  const file = files.find(({ path }) => path === "package.json");
  if (file === undefined) return [];
  const manifest = JSON.parse(file.text) as Manifest;
  return Object.entries({
    ...manifest.dependencies,
    ...manifest.devDependencies,
    ...manifest.optionalDependencies,
  });
}
