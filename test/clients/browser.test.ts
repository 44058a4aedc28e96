/**
 * Goal: pages in a real browser hold what Postgres answers: CORS and its preflight, the exposed
 * headers, the browser's own cache, streams over its own fetch.
 * Method: Chromium on pages of another origin; what a page shows is compared with a SELECT.
 */

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startBrowser, type Browser, type OpenPage } from "./browser.ts";
import { expectSameRows, startFixture, transact, type ClientFixture } from "./fixture.ts";
import { chromium, findProgram } from "./programs.ts";

const program = findProgram(chromium);
let fixture: ClientFixture;
let browser: Browser;
let opened: OpenPage | undefined;

describe.skipIf(program === undefined)("in Chromium", () => {
  beforeAll(async () => {
    fixture = await startFixture({ ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "3000" });
    browser = await startBrowser(program!);
  });

  afterEach(async () => {
    await opened?.close();
    await fixture.database.query("DELETE FROM issues");
  });

  afterAll(async () => {
    await browser.close();
    await fixture.dispose();
  });

  test.each(["poll", "sse"])("a page with the client follows the table (%s)", async (mode) => {
    await fixture.insertIssues(0, 100);
    const page = await open("client", mode);
    await expectShown("SELECT * FROM issues");
    await changeThings();
    await expectShown("SELECT * FROM issues");
    // The beginning now comes from the browser's cache, the rest from us.
    await page.reload();
    await expectShown("SELECT * FROM issues");
    await fixture.database.query("TRUNCATE issues");
    await fixture.insertIssues(7, 9);
    await expectShown("SELECT * FROM issues");
  });

  test("a page with the client asks for a part by POST", async () => {
    await fixture.insertIssues(0, 30);
    await open("client", "subset");
    await expectShown("SELECT * FROM issues WHERE project = 1");
    await fixture.database.query("UPDATE issues SET title = 'new' WHERE id IN (1, 2)");
    await expectShown("SELECT * FROM issues WHERE project = 1");
    expect(opened!.complaints).toEqual([]);
  });

  test.each(["eager", "on-demand", "progressive"])(
    "a page with TanStack DB shows its query and saves (%s)",
    async (mode) => {
      const shown = "SELECT id, title FROM issues WHERE project = 1";
      await fixture.insertIssues(0, 100);
      const page = await open("tanstack", mode);
      await expectShown(shown);
      await changeThings();
      await expectShown(shown);
      await page.click("button");
      await eventually(async () => expect(await page.textContent("output")).toBe("saved"));
      await expectShown(shown);
      expect(opened!.complaints).toEqual([]);
    },
  );
});

async function open(name: string, mode: string) {
  const settings = { mode, shape: fixture.server.shapeUrl };
  opened = await browser.open(name, settings, async (body) => {
    const { id, project, title } = JSON.parse(body) as Record<string, string>;
    const values = `${id}, ${project}, '${title}'`;
    const insert = `INSERT INTO issues (id, project, title) VALUES (${values})`;
    return { txid: await transact(fixture.database, insert) };
  });
  return opened.page;
}

function expectShown(sql: string): Promise<void> {
  return expectSameRows(fixture.database, sql, () => opened!.rows());
}

async function changeThings(): Promise<void> {
  for (const change of [
    "INSERT INTO issues SELECT n, n % 3, 'more' FROM generate_series(200, 260) n",
    "UPDATE issues SET title = 'changed 日本' WHERE id % 5 = 0",
    // Away from what is shown, never into it: a page that loads on demand is told what changed in
    // a row, and knows nothing of one that it never asked for.
    "UPDATE issues SET project = 2 WHERE id % 7 = 0",
    "DELETE FROM issues WHERE id % 11 = 0",
  ]) {
    await fixture.database.query(change);
  }
}
