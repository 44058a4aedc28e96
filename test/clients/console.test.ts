/**
 * The console in a real browser.
 *
 * Goals: it shows the numbers that the server has; it explains; it asks for the secret; nothing on
 * it is refused by its own policy for content; it fits a phone and a desk, in light and in dark.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { startBrowser, type Browser, type OpenPage, type View } from "./browser.ts";
import { chromium, findProgram } from "./programs.ts";

const SECRET = "a secret & more";
const VIEWS: View[] = [
  { width: 390, height: 844, colorScheme: "light" },
  { width: 390, height: 844, colorScheme: "dark" },
  { width: 1280, height: 900, colorScheme: "dark" },
];

const program = findProgram(chromium);
let database: TestDatabase;
let server: LiveServer;
let browser: Browser;
let opened: Omit<OpenPage, "rows">;

describe.skipIf(program === undefined)("in Chromium", () => {
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.query("CREATE TABLE items (id int PRIMARY KEY, tenant int, title text)");
    server = await startServer(database, { ELECTRIC_SECRET: SECRET, ELECTRIC_INSECURE: "false" });
    for (let tenant = 1; tenant <= 7; tenant += 1) await create(`tenant = ${tenant}`);
    for (let n = 1; n <= 12; n += 1) await create(`id % 13 = ${n}`);
    browser = await startBrowser(program!);
  });

  afterEach(async () => {
    // That the first request is refused is how the page learns that there is a secret.
    const isAboutSecret = (text: string) => text.includes("401 (Unauthorized)");
    expect(opened.complaints.filter((text) => !isAboutSecret(text))).toEqual([]);
    await opened.close();
  });

  afterAll(async () => {
    await browser.close();
    await server.stop();
    await database.dispose();
  });

  test("it shows the numbers that the server has, and those to come", async () => {
    await open();
    expect(await tile("Shapes")).toEqual(["19", "2 templates"]);
    expect((await tile("Without an index"))[0]).toBe("12");
    // The bytes are of the whole of Postgres, where other tests write meanwhile.
    expect(await tile("Replication lag")).toEqual([
      expect.stringMatching(/ (B|[KM]iB)$/),
      "caught up",
    ]);
    expect((await tile("Waiting requests"))[0]).toBe("0");
    expect(await texts("#classes li")).toEqual(["scan12", "equality7"]);
    expect((await texts("#templates tr")).map((text) => text.slice(0, 7))).toEqual([
      ...["12items", "7items("],
    ]);
    const structures = await texts("#structures tr th");
    expect(structures).toContain("shape table");
    expect((await texts("#structures-total td"))[2]).toBe((await tile("Linear memory"))[0]);

    const statuses = async () => (await texts("#status"))[0];
    expect(await statuses()).toBe("active");
    await create("tenant = 8");
    await eventually(async () => expect((await tile("Shapes"))[0]).toBe("20"));
    await database.query("INSERT INTO items SELECT n, n, 'x' FROM generate_series(1, 40) n");
    await eventually(async () => {
      // Once more at each look: it is a rate, and soon 0 again.
      await database.query("UPDATE items SET title = title || 'x'");
      const label = await opened.page.getAttribute("#changes-chart", "aria-label");
      expect(label).toMatch(/^Now: routed [1-9]\S*, bodies stored [1-9]\S*$/);
      expect(await opened.page.locator("#memory-chart canvas").count()).toBe(1);
    });
  });

  test("what is not confirmed yet is told, in a tile and in a chart", async () => {
    await open();
    await opened.page.route("**/admin/status?*", async (route) => {
      const response = await route.fetch();
      const figures = (await response.json()) as { engine: { replication: object } };
      Object.assign(figures.engine.replication, { lagBytes: 5 * 2 ** 20, lagSeconds: 90 });
      await route.fulfill({ response, json: figures });
    });
    await eventually(async () => {
      expect((await tile("Replication lag"))[0]).toBe("5.00 MiB");
      const label = await opened.page.getAttribute("#lag-chart", "aria-label");
      expect(label).toBe("Now: behind 5.00 MiB");
    });
    await opened.page.unrouteAll({ behavior: "ignoreErrors" });
  });

  test("shapes without an index are listed a page at a time", async () => {
    await open();
    await eventually(async () => expect(await texts(".offenders li")).toHaveLength(10));
    expect((await texts(".offenders li"))[0]).toMatch(/^items · .*"id" % .*\$1 = 13/);
    await opened.page.click("#offenders button");
    await eventually(async () => expect(await texts(".offenders li")).toHaveLength(12));
    expect(await opened.page.isVisible("#offenders button")).toBe(false);
  });

  test("it explains a clause and a row, and says what is wrong with one", async () => {
    await open();
    const { page } = opened;
    await page.fill("[name=table]", "items");
    await page.fill("[name=where]", "tenant = $1 AND title ILIKE $2");
    await page.fill("[name=params]", "7\n%new%");
    await page.fill("[name=row]", '{"id": 1, "tenant": 7, "title": "<b>old</b>"}');
    await page.click("#explain-form button");
    await page.waitForSelector(".verdict");
    const explanation = (await texts("#explanation"))[0]!;
    expect(explanation).toContain("The row does not belong to the shape.");
    expect(explanation).toContain('equality of "tenant", 1 entry');
    expect(explanation).toContain("each candidate is tried against the whole clause");
    expect(await texts("#explanation strong")).toEqual(["true", "false"]);

    await page.fill("[name=where]", "nope = 1");
    await page.fill("[name=params]", "");
    await page.click("#explain-form button");
    await page.waitForSelector(".failure");
    expect(await texts(".failure")).toEqual(["where: At location 0: unknown reference nope"]);
    // Which the browser notes, as it does of any answer that is an error.
    opened.complaints.splice(0);

    await page.fill("[name=row]", "{");
    await page.click("#explain-form button");
    await eventually(async () => expect((await texts(".failure"))[0]).toMatch(/no JSON object/));
  });

  test("a wrong secret is asked for again, the right one is remembered", async () => {
    await open("wrong");
    const { page } = opened;
    await eventually(async () => {
      expect((await texts("#secret-hint"))[0]).toMatch(/not the secret/);
    });
    await page.fill("[name=secret]", SECRET);
    await page.click("#secret-form button");
    await page.waitForSelector(".tile");
    await page.reload();
    await page.waitForSelector(".tile");
    expect(await page.isVisible("#secret-dialog")).toBe(false);
  });

  test.each(VIEWS)("it fits $width pixels, $colorScheme", async (view) => {
    await open(SECRET, view);
    await eventually(async () => expect(await texts(".offenders li")).toHaveLength(10));
    const width = await opened.page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBe(view.width);
    for (const box of await opened.page.locator(".card, .tile, input, textarea, nav a").all()) {
      const { x, width } = (await box.boundingBox()) ?? { x: 0, width: 0 };
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x + width).toBeLessThanOrEqual(view.width);
    }
  });
});

async function create(where: string): Promise<void> {
  const query = new URLSearchParams({ table: "items", offset: "-1", where, secret: SECRET });
  const response = await fetch(`${server.shapeUrl}?${query}`);
  expect(response.status, await response.text()).toBe(200);
}

async function open(secret = SECRET, view?: View): Promise<void> {
  opened = await browser.visit(`${server.url}/admin`, view);
  const { page } = opened;
  await page.waitForSelector("#secret-dialog[open]");
  await page.fill("[name=secret]", secret);
  await page.click("#secret-form button");
  if (secret === SECRET) await page.waitForSelector("#templates tr");
}

async function texts(selector: string): Promise<string[]> {
  return opened.page.locator(selector).allTextContents();
}

/** What a tile says: its number and its detail. */
async function tile(title: string): Promise<string[]> {
  const found = opened.page.locator(".tile").filter({ hasText: title });
  return found.locator("dd").allTextContents();
}
