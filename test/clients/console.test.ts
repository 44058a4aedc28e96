/**
 * The console in a real browser.
 *
 * Goals: it shows the numbers that the server has, and says when it cannot; it explains; it asks
 * for the secret; nobody looking, it asks nothing; nothing on it is refused by its own policy for
 * content; it fits a phone and a desk, in light and in dark.
 */

import { setTimeout as sleep } from "node:timers/promises";
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

    await page.fill("[name=where]", "title = $1");
    await page.fill("[name=params]", "a blank \n");
    await page.fill("[name=row]", '{"id": 1, "title": "a blank "}');
    await page.click("#explain-form button");
    await eventually(async () => {
      expect((await texts("#explanation"))[0]).toContain("The row belongs to the shape.");
    });

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

  test.each([
    ["tenant = 7", "true", "The row belongs to the shape."],
    ["tenant = 8", "false", "The row does not belong to the shape."],
    ["tenant IN (SELECT tenant FROM items)", "null", "That is for a subquery to say"],
  ])("%s is %s for a row", async (where, result, verdict) => {
    await open();
    const { page } = opened;
    await page.fill("[name=table]", "items");
    await page.fill("[name=where]", where);
    await page.fill("[name=row]", '{"id": 1, "tenant": 7, "title": "x"}');
    await page.click("#explain-form button");
    await page.waitForSelector(".verdict");
    expect(await page.getAttribute(".verdict", "data-result")).toBe(result);
    expect((await texts(".verdict"))[0]).toContain(verdict);
    expect(await page.isEnabled("#explain-form button")).toBe(true);
  });

  test("an explanation that does not come is no answer, and can be asked for again", async () => {
    await open();
    const { page } = opened;
    await page.route("**/admin/explain?*", (route) => route.abort());
    await page.fill("[name=table]", "items");
    await page.click("#explain-form button");
    await page.waitForSelector(".failure");
    expect(await texts(".failure")).toEqual(["The server cannot be reached."]);
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await page.click("#explain-form button");
    await eventually(async () => expect(await texts(".failure")).toEqual([]));
    expect((await texts("#explanation"))[0]).toContain("every row of the table");
    opened.complaints.splice(0);
  });

  test("a server that is gone is told, as are one that refuses and one that is back", async () => {
    await open();
    const { page } = opened;
    const notice = async () =>
      (await page.isVisible("#notice")) ? (await texts("#notice"))[0] : "";
    const status = async () => (await texts("#status"))[0];
    expect(await notice()).toBe("");
    await page.route("**/admin/status?*", (route) => route.abort());
    await eventually(async () => {
      expect(await notice()).toBe("The server cannot be reached. Trying again.");
      expect(await status()).toBe("unreachable");
    });
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await eventually(async () => {
      expect([await notice(), await status()]).toEqual(["", "active"]);
    });
    const refusal = { status: 503, json: { message: "too busy to say" } };
    await page.route("**/admin/status?*", (route) => route.fulfill(refusal));
    await eventually(async () => expect(await notice()).toBe("too busy to say"));
    // It answers: that is something else than being gone.
    expect(await status()).toBe("active");
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await eventually(async () => expect(await notice()).toBe(""));
    opened.complaints.splice(0);
  });

  test("while nobody looks nothing is asked", async () => {
    await open();
    const { page } = opened;
    let asked = 0;
    page.on("request", (request) => (asked += request.url().includes("/admin/status") ? 1 : 0));
    await eventually(() => expect(asked).toBeGreaterThan(0));
    const hide = (isHidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, "hidden", { configurable: true, value: ${isHidden} })`,
      );
    await hide(true);
    // One that was on its way, and none after it: at two seconds each it would be three.
    await sleep(1000);
    asked = 0;
    await sleep(6000);
    expect(asked).toBe(0);
    await hide(false);
    await eventually(() => expect(asked).toBeGreaterThan(0));
  });

  test("templates are listed anew when there are more", async () => {
    await open();
    const before = (await texts("#templates tr")).length;
    await create("title = 'a template of its own'");
    await eventually(async () => {
      const rows = await texts("#templates tr");
      expect(rows).toHaveLength(before + 1);
      expect(rows.some((text) => text.includes('"title" = $1'))).toBe(true);
    });
  });

  test("a wrong secret is asked for again, the right one is remembered", async () => {
    opened = await browser.visit(`${server.url}/admin`);
    const { page } = opened;
    const hint = async () => (await texts("#secret-hint"))[0];
    await page.waitForSelector("#secret-dialog[open]");
    // Nothing was wrong yet; and without a secret there is nothing to go back to.
    expect(await hint()).toMatch(/ELECTRIC_SECRET/);
    await page.keyboard.press("Escape");
    expect(await page.isVisible("#secret-dialog")).toBe(true);
    expect(await page.locator(".tile").count()).toBe(0);

    await page.fill("[name=secret]", "wrong");
    await page.click("#secret-form button");
    await eventually(async () => expect(await hint()).toMatch(/not the secret/));
    await page.waitForSelector("#secret-dialog[open]");
    expect(await page.inputValue("[name=secret]")).toBe("");
    await page.fill("[name=secret]", SECRET);
    await page.click("#secret-form button");
    await page.waitForSelector(".tile");
    await page.reload();
    await page.waitForSelector(".tile");
    expect(await page.isVisible("#secret-dialog")).toBe(false);
    // For this tab only.
    expect(await page.evaluate("Object.keys(localStorage).length")).toBe(0);
  });

  test("answers that were on their way before the secret was given ask for none", async () => {
    await open("wrong");
    const { page } = opened;
    await eventually(async () => expect((await texts("#secret-hint"))[0]).toMatch(/not the/));
    // Asked without the right one, and refused after it was given.
    let release = (): void => undefined;
    const given = new Promise<void>((resolve) => (release = resolve));
    await page.route("**/admin/explain?*", async (route) => {
      const response = await route.fetch();
      await given;
      await route.fulfill({ response });
    });
    await page.evaluate(`document.querySelector("[name=table]").value = "items"`);
    const asked = page.waitForRequest("**/admin/explain?*");
    await page.evaluate(`document.querySelector("#explain-form").requestSubmit()`);
    await asked;
    await page.fill("[name=secret]", SECRET);
    await page.click("#secret-form button");
    await page.waitForSelector(".tile");
    release();
    await eventually(async () => {
      expect((await texts("#explanation"))[0]).toContain("every row of the table");
    });
    expect(await page.isVisible("#secret-dialog")).toBe(false);
    await page.unrouteAll({ behavior: "ignoreErrors" });
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
