/** Each rule of documents and manifests is shown one that breaks it. */

import { test } from "vitest";
import * as rules from "./documents.ts";
import { assertFinds } from "./plant.ts";

const manifest = JSON.stringify({
  dependencies: { pg: "8.23.1", fastify: "^5.0.0" },
  devDependencies: { vitest: "latest", embedded: "18.4.0-beta.17" },
});

test("a document has one title, code in it has none", () => {
  assertFinds(
    rules.oneTitlePerDocument,
    {
      "README.md": "# litz\n\n```sh\n# a comment\n```\n\n## Use\n",
      "TWO.md": "# one\n\n# two\n",
      "NONE.md": "## section\n",
    },
    ["TWO.md: 2 titles", "NONE.md: 0 titles"],
  );
});

test("a version that is a range is found", () => {
  assertFinds(rules.versionsAreExact, { "package.json": manifest }, [
    "package.json: fastify is ^5.0.0",
    "package.json: vitest is latest",
  ]);
});

test("a dependency without a reason is found", () => {
  assertFinds(
    rules.dependenciesHaveReasons,
    {
      "package.json": manifest,
      "ARCHITECTURE.md": [
        "| `pg` | replication and pooled queries |",
        "| `fastify` | |",
        "| `embedded` | a Postgres for the tests |",
      ].join("\n"),
    },
    ["ARCHITECTURE.md: no reason for fastify", "ARCHITECTURE.md: no reason for vitest"],
  );
});
