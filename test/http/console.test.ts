/**
 * The files of the console: open to everybody, since they say nothing; within the strictest policy
 * for content; under names that hold wherever they are mounted.
 */

import { readdirSync } from "node:fs";
import { fastify } from "fastify";
import { expect, test } from "vitest";
import { shapeRoutes } from "../../src/http/routes.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import { MemoryShapeService } from "../support/memory-shape-service.ts";
import { makeFixture, testConfigWith } from "./edge-fixture.ts";

/** Everything that the page and its scripts load, by relative names. */
function namesIn(text: string): string[] {
  const names = text.matchAll(/(?:src|href)="([a-z]+\.[a-z]+)"|from "\.\/([a-z]+\.js)"/g);
  return [...new Set([...names].map(([, own, imported]) => (own ?? imported)!))];
}

test("the page and all that it loads are served, without the secret", async () => {
  const { app } = makeFixture({ config: { secret: "s" } });
  const page = await app.inject("/admin/");
  expect(page.statusCode).toBe(200);
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  const loaded = new Set<string>();
  const load = async (text: string): Promise<void> => {
    for (const name of namesIn(text)) {
      if (loaded.has(name)) continue;
      loaded.add(name);
      const file = await app.inject(`/admin/${name}`);
      expect(file.statusCode, name).toBe(200);
      expect(file.headers["content-security-policy"]).toMatch(
        /^default-src 'none'; script-src 'self'/,
      );
      if (name.endsWith(".js")) expect(file.headers["content-type"]).toMatch(/^text\/javascript/);
      if (name !== "uplot.js") await load(file.body);
    }
  };
  await load(page.body);
  // What lies in the folder is used, and what is used lies there or comes from uPlot.
  const folder = readdirSync(new URL("../../src/console/", import.meta.url));
  const used = [...loaded, "index.html", "tsconfig.json"].filter((name) => !/^uplot/.test(name));
  expect(folder.sort()).toEqual(used.sort());
});

test("the page has no inline script, no inline style and no handler, which its policy forbids", async () => {
  const { app } = makeFixture();
  const { body, headers } = await app.inject("/admin/");
  expect(headers["content-security-policy"]).not.toMatch(/unsafe|\*|https?:/);
  expect(body).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|https?:/);
});

test("without its slash the page is elsewhere, so that its names hold", async () => {
  const { app } = makeFixture();
  const redirect = await app.inject("/admin?x=1");
  expect([redirect.statusCode, redirect.headers["location"]]).toEqual([308, "admin/"]);
});

test("a file that has not changed is not sent again", async () => {
  const { app } = makeFixture();
  const { headers } = await app.inject("/admin/main.js");
  expect(headers["cache-control"]).toBe("no-cache");
  const again = await app.inject({
    url: "/admin/main.js",
    headers: { "if-none-match": headers["etag"] },
  });
  expect([again.statusCode, again.body]).toEqual([304, ""]);
});

test("what the page asks for needs the secret, and what is not there is not found", async () => {
  const { app } = makeFixture({ config: { secret: "s" } });
  for (const name of ["status", "templates", "shapes", "memory"]) {
    expect((await app.inject(`/admin/${name}`)).statusCode, name).toBe(401);
  }
  expect((await app.inject("/admin/status?secret=s")).json()).toHaveProperty("http.answers");
  for (const name of ["tsconfig.json", "../package.json", "%2e%2e/package.json", "index.html"]) {
    expect((await app.inject(`/admin/${name}`)).statusCode, name).toBe(404);
  }
});

test("a host application has it under its own prefix", async () => {
  const host = fastify();
  await host.register(shapeRoutes, {
    prefix: "/sync",
    service: new MemoryShapeService(),
    config: testConfigWith({}),
    memoryReport: () => ({}),
    logger: silentLogger,
    clock: systemClock,
  });
  expect((await host.inject("/sync/admin")).headers["location"]).toBe("admin/");
  expect((await host.inject("/sync/admin/")).body).toContain("<title>litz console</title>");
  expect((await host.inject("/sync/admin/main.js")).statusCode).toBe(200);
  expect((await host.inject("/sync/admin/status")).json()).toHaveProperty("http");
  await host.close();
});
