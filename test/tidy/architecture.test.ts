/** Each rule of the architecture is shown a tree that breaks it, beside code that does not. */

import { describe, test } from "vitest";
import * as rules from "./architecture.ts";
import { assertFinds } from "./plant.ts";

describe("imports follow the table", () => {
  test("a layer imports only what the table says", () => {
    assertFinds(
      rules.importsFollowTheTable,
      {
        "src/http/routes.ts": `
          import { Router } from "../router/router.ts";
          import { parse } from "../model/ids.ts";`,
        "src/model/ids.ts": `export const later = await import("../where/parse.ts");`,
        "src/cli.ts": `import { Router } from "./router/router.ts";`,
      },
      [
        "src/http/routes.ts:2: http may not import src/router/router.ts",
        "src/model/ids.ts:1: model may not import src/where/parse.ts",
      ],
    );
  });

  test("a contract is imported as a type or not at all", () => {
    assertFinds(
      rules.importsFollowTheTable,
      {
        "src/http/routes.ts": `
          import type { ShapeLog } from "../storage/storage.ts";
          import { type Page } from "../storage/storage.ts";
          import { open } from "../storage/storage.ts";
          import type { Journal } from "../storage/journal.ts";`,
        "src/router/posting-buffer.ts": `import type { Run } from "../storage/runs.ts";`,
      },
      [
        "src/http/routes.ts:4: http may not import src/storage/storage.ts",
        "src/http/routes.ts:5: http may not import types of src/storage/journal.ts",
      ],
    );
  });

  test("nothing outside of src is part of the product", () => {
    assertFinds(
      rules.importsFollowTheTable,
      { "src/lib/clock.ts": `import type { Fake } from "../../test/support/fake-clock.ts";` },
      ["src/lib/clock.ts:1: lib may not import types of test/support/fake-clock.ts"],
    );
  });

  test("a folder that is not in the table imports nothing", () => {
    assertFinds(
      rules.importsFollowTheTable,
      { "src/helpers/all.ts": `import "../lib/assert.ts";` },
      ["src/helpers/all.ts:1: helpers may not import src/lib/assert.ts"],
    );
  });
});

test("cycles are found, through types as well and in assembly too", () => {
  assertFinds(
    rules.noCycles,
    {
      "src/lib/a.ts": `import { b } from "./b.ts";`,
      "src/lib/b.ts": `import type { C } from "./c.ts";`,
      "src/lib/c.ts": `import { a } from "./a.ts"; import { d } from "./d.ts";`,
      "src/lib/d.ts": ``,
      "assembly/x.ts": `import * as y from "./y";`,
      "assembly/y.ts": `import { X } from "./x";`,
    },
    [
      "a cycle: src/lib/a.ts -> src/lib/b.ts -> src/lib/c.ts -> src/lib/a.ts",
      "a cycle: assembly/x.ts -> assembly/y.ts -> assembly/x.ts",
    ],
  );
});

test("the report is never loaded with the server", () => {
  assertFinds(
    rules.serversNeverLoadTheReport,
    {
      "src/serve.ts": `import { measure } from "./report/measure.ts";`,
      "src/server.ts": `import type { Reporting } from "./reporting.ts";`,
      "src/cli.ts": `const report = await import("./report/main.ts");`,
      "src/report/page.ts": `import { chart } from "../report/charts.ts";`,
    },
    ["src/serve.ts:1: loads the report with the server"],
  );
});

test("the parser is found on the way from the server, unless it is loaded later or for types", () => {
  assertFinds(
    rules.idleServersHaveNoParser,
    {
      "src/serve.ts": `import "./a.ts"; import type { B } from "./b.ts"; await import("./c.ts");`,
      "src/a.ts": `import { parse } from "./where/pg-query.ts";`,
      "src/b.ts": `import { parse } from "./where/pg-query.ts";`,
      "src/c.ts": `import { parse } from "./where/pg-query.ts";`,
      "src/where/pg-query.ts": ``,
    },
    ["src/a.ts:1: loads the parser with the server"],
  );
});

test("a barrel is found, and the library's face is none", () => {
  assertFinds(
    rules.noBarrels,
    {
      "src/index.ts": `export { createSyncService } from "./server.ts";`,
      "src/model/index.ts": `export * from "./ids.ts";`,
      "src/http/routes.ts": `export type { Lsn } from "../model/lsn.ts"; export const a = 1;`,
    },
    [
      "src/model/index.ts:1: exports what it imports",
      "src/model/index.ts: is a barrel",
      "src/http/routes.ts:1: exports what it imports",
    ],
  );
});

test("ids stay inside and handles at the edge", () => {
  assertFinds(
    rules.idsInsideHandlesAtTheEdge,
    {
      "src/shapes/registry.ts": `import type { ShapeId, ShapeHandle } from "../model/ids.ts";`,
      "src/shapes/lifecycle.ts": `import type { ShapeId, ShapeHandle } from "../model/ids.ts";`,
      "src/collector/slots.ts": `type Slot = ShapeHandle;`,
      "src/http/routes.ts": `let id: ShapeId;`,
      "src/http/caching.ts": `// A ShapeId never gets here, a ShapeHandle does.`,
    },
    [
      "src/shapes/lifecycle.ts: names both ShapeId and ShapeHandle",
      "src/collector/slots.ts: a handle inside",
      "src/http/routes.ts: an id at the edge",
    ],
  );
});

test("only the registry and the doors make ids", () => {
  assertFinds(
    rules.onlyDoorsMakeIds,
    {
      "src/shapes/registry.ts": `const id = 1 as ShapeId;`,
      "src/router/waiters.ts": `const id = 1 as ShapeId;`,
      "src/shapes/lifecycle.ts": `const a = 1 as ShapeId;\nconst b = words as ShapeId[];`,
    },
    ["src/shapes/lifecycle.ts:1: makes a ShapeId", "src/shapes/lifecycle.ts:2: makes a ShapeId"],
  );
});

test("only the router touches WebAssembly", () => {
  assertFinds(
    rules.onlyRouterTouchesWasm,
    {
      "src/router/core.ts": `new WebAssembly.Instance(module, {});`,
      "src/storage/runs.ts": `new WebAssembly.Memory({ initial: 1 });`,
      "src/lib/bytes.ts": `// Not WebAssembly.`,
    },
    ["src/storage/runs.ts:1: touches WebAssembly"],
  );
});

test("only the page pool grows memory", () => {
  assertFinds(
    rules.onlyPagePoolGrowsMemory,
    {
      "assembly/page-pool.ts": `memory.grow(1);`,
      "assembly/id-set.ts": `memory.grow(1);\nmemory.size();`,
      "src/router/core.ts": `instance.exports.memory.grow(1);`,
    },
    ["assembly/id-set.ts:1: grows linear memory", "src/router/core.ts:1: grows linear memory"],
  );
});

test("sockets, files and big packages are confined", () => {
  assertFinds(
    rules.modulesAreConfined,
    {
      "src/postgres/pool.ts": `import pg from "pg"; import net from "node:net";`,
      "src/shapes/snapshotter.ts": `import pg from "pg";\nimport { Socket } from "node:net";`,
      "src/collector/log.ts": `import { readFile } from "node:fs/promises";`,
      "src/server.ts": `import type { Fastify } from "fastify";\nimport http from "node:http";`,
      "src/http/routes.ts": `import fastify from "fastify"; const db = import("better-sqlite3");`,
    },
    [
      "src/shapes/snapshotter.ts:1: may not import pg",
      "src/shapes/snapshotter.ts:2: may not import node:net",
      "src/collector/log.ts:1: may not import node:fs/promises",
      "src/server.ts:2: may not import node:http",
      "src/http/routes.ts:1: may not import better-sqlite3",
    ],
  );
});

test("only the clock reads the time", () => {
  assertFinds(
    rules.onlyTheClockReadsTime,
    {
      "src/lib/clock.ts": `Date.now();`,
      "src/http/caching.ts": [
        "Date.now();",
        "performance.now();",
        "process.hrtime.bigint();",
        "new Date();",
        "new Date(0);",
        "clock.now();",
      ].join("\n"),
    },
    [1, 2, 3, 4].map((line) => `src/http/caching.ts:${line}: reads the time`),
  );
});
