/** Each rule of style is shown a file that breaks it, beside one that does not. */

import assert from "node:assert/strict";
import { homedir } from "node:os";
import { test } from "vitest";
import { assertFinds } from "./plant.ts";
import { isIgnored, root } from "./source.ts";
import * as rules from "./style.ts";

const lines = (count: number): string => "a();\n".repeat(count);

test("a long file is found", () => {
  assertFinds(
    rules.filesAreShort,
    {
      "src/lib/short.ts": lines(rules.FILE_LINES_MAX),
      "assembly/long.ts": lines(rules.FILE_LINES_MAX + 1),
      "README.md": lines(2 * rules.FILE_LINES_MAX),
    },
    ["assembly/long.ts: 501 lines"],
  );
});

test("a long function is found, a suite of tests is none", () => {
  const ofLines = (count: number): string => `() => {\n${lines(count - 2)}}`;
  assertFinds(
    rules.functionsAreShort,
    {
      "src/lib/short.ts": `const short = ${ofLines(rules.FUNCTION_LINES_MAX)};`,
      "src/lib/long.ts": `/**\n * Comments do not count.\n */\nconst long = ${ofLines(71)};`,
      "src/lib/method.ts": `class A {\n  m() {\n${lines(69)}}\n}`,
      "test/lib/long.test.ts": `describe("a", ${ofLines(200)});\ntest("b", ${ofLines(71)});`,
    },
    [
      "src/lib/long.ts:4: 71 lines",
      "src/lib/method.ts:2: 71 lines",
      "test/lib/long.test.ts:201: 71 lines",
    ],
  );
});

test("a wide line is found, counted in characters", () => {
  const wide = `// ${"─".repeat(rules.LINE_WIDTH_MAX - 3)}`;
  assertFinds(rules.linesAreNarrow, { "src/lib/a.ts": `${wide}\n${wide}.\n` }, [
    "src/lib/a.ts:2: 101 columns",
  ]);
});

test("any is found as a type, not as a word", () => {
  assertFinds(
    rules.noAny,
    { "src/lib/a.ts": `// any\nlet a: any;\nlet any: unknown;\nf(x as any[]);` },
    ["src/lib/a.ts:2: any", "src/lib/a.ts:4: any"],
  );
});

test("a default export is found, a default case is none", () => {
  assertFinds(
    rules.noDefaultExports,
    {
      "src/lib/a.ts": `export default 1;`,
      "src/lib/b.ts": `export default function f() {}`,
      "src/lib/c.ts": `switch (1) { default: }`,
      "src/lib/d.ts": `import pg from "pg";`,
    },
    ["src/lib/a.ts:1: a default export", "src/lib/b.ts:1: a default export"],
  );
});

test("unfinished work without a number is found, and what is known to be broken", () => {
  const { UNFINISHED, BROKEN } = rules;
  assertFinds(
    rules.nothingIsLeftUndone,
    { "src/lib/a.ts": `// ${UNFINISHED}(#12): later\n// ${UNFINISHED}: later\n// ${BROKEN}(#12)` },
    [`src/lib/a.ts:2: ${UNFINISHED}`, `src/lib/a.ts:3: ${BROKEN}`],
  );
});

test("a test that is left out is found", () => {
  assertFinds(
    rules.everyTestRuns,
    {
      "test/a.test.ts": `test.only("a", f);\ndescribe.skip("b", f);\ntest.each([1]).skip("c", f);`,
      "test/b.test.ts": `test.skipIf(noDatabase)("d", f); reader.skip(4);`,
    },
    [
      "test/a.test.ts:1: test.only",
      "test/a.test.ts:2: describe.skip",
      "test/a.test.ts:3: test.each([1]).skip",
    ],
  );
});

test("a file name in another case is found", () => {
  assertFinds(
    rules.fileNamesAreKebabCase,
    { "src/lib/logOffset.ts": "", "src/lib/log-offset.test.ts": "", "src/lib/x_y.ts": "" },
    ["src/lib/logOffset.ts: not kebab-case", "src/lib/x_y.ts: not kebab-case"],
  );
});

test("a path of this or any machine is found", () => {
  const users = ["", "Users", "ada", "litz"].join("/");
  assertFinds(
    rules.noMachinePaths,
    {
      "README.md": `see ${root}/src\n${users}\nsrc/home/page.ts`,
      "a.json": `{ "cache": "${homedir()}/.cache" }`,
    },
    [
      `README.md:1: names ${root}`,
      `README.md:2: names ${users.slice(0, -5)}`,
      `a.json:1: names ${homedir()}`,
    ],
  );
});

test("a place to get packages from is found", () => {
  const host = ["https://regis", "try.npmjs.org"].join("");
  assertFinds(
    rules.noRegistryHosts,
    {
      "package-lock.json": `"resolved": "${host}/pg/-/pg-8.0.0.tgz"`,
      "README.md": "https://github.com/npm/registry",
    },
    [`package-lock.json:1: names ${host}`],
  );
});

test("what version control ignores is not read", () => {
  assert.ok(isIgnored("node_modules", "node_modules", "node_modules/"));
  assert.ok(isIgnored("run.log", "bench/run.log", "*.log"));
  assert.ok(isIgnored("out", "bench/out", "/bench/out/"));
  assert.ok(!isIgnored("builder", "builder", "build/"));
});
