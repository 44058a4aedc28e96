/**
 * `/admin/`: the console, a page for operators. Its files are static and carry no data, so they are
 * open; what the page shows it asks of the routes beside it, with the secret that it is given.
 *
 *     src/console/    page, styles, scripts: ES modules as browsers take them
 *     uplot           the charts, from its package
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { OTHER_METHODS } from "./cors.ts";
import type { Edge } from "./edge.ts";

const require = createRequire(import.meta.url);
const own = (name: string) => new URL(`../console/${name}`, import.meta.url);

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

interface ConsoleFile {
  readonly type: string;
  /** Looked for when it is asked for: a server without a reader needs none of it. */
  readonly path: () => URL | string;
}

/** All there is. The names are the page's; `""` is the page. */
const FILES: Readonly<Record<string, ConsoleFile>> = {
  "": { type: "text/html; charset=utf-8", path: () => own("index.html") },
  "console.css": { type: STYLE, path: () => own("console.css") },
  "icon.svg": { type: "image/svg+xml", path: () => own("icon.svg") },
  "uplot.css": { type: STYLE, path: () => require.resolve("uplot/dist/uPlot.min.css") },
  "uplot.js": { type: SCRIPT, path: () => require.resolve("uplot/dist/uPlot.iife.min.js") },
  ...Object.fromEntries(
    ["main", "api", "charts", "dom", "explain", "format", "overview", "shapes"].map((name) => [
      `${name}.js`,
      { type: SCRIPT, path: () => own(`${name}.js`) },
    ]),
  ),
};

/** Nothing but our own files and our own data; no script, style or frame from anywhere else. */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

interface LoadedFile {
  readonly bytes: Buffer;
  readonly etag: string;
}

export function addConsoleRoutes(app: FastifyInstance, edge: Edge): void {
  const loaded = new Map<string, Promise<LoadedFile>>();
  const answer = async (name: string, request: FastifyRequest, reply: FastifyReply) => {
    edge.begin(request, reply, OTHER_METHODS);
    const file = FILES[name]!;
    let loading = loaded.get(name);
    if (loading === undefined) {
      loading = load(file);
      loaded.set(name, loading);
    }
    const { bytes, etag } = await loading;
    reply.headers({ ...SECURITY_HEADERS, "cache-control": "no-cache", etag });
    if (request.headers["if-none-match"] === etag) await reply.code(304).send();
    else await reply.type(file.type).send(bytes);
  };
  const method = ["GET", "HEAD"];
  const schema = { hide: true };
  for (const url of ["/admin", "/admin/"]) {
    app.route({
      method,
      url,
      schema,
      handler: async (request, reply) => {
        if (pathOf(request.originalUrl).endsWith("/")) return answer("", request, reply);
        // The names in the page are relative, so that it may lie anywhere.
        edge.begin(request, reply, OTHER_METHODS);
        return reply.code(308).header("location", "admin/").send();
      },
    });
  }
  for (const name of Object.keys(FILES).filter((name) => name !== "")) {
    app.route({
      method,
      url: `/admin/${name}`,
      schema,
      handler: (request, reply) => answer(name, request, reply),
    });
  }
}

async function load({ path }: ConsoleFile): Promise<LoadedFile> {
  const bytes = await readFile(path());
  const digest = createHash("sha256").update(bytes).digest("base64url");
  return { bytes, etag: `"${digest.slice(0, 22)}"` };
}

function pathOf(target: string): string {
  return target.split("?", 1)[0]!;
}
