/**
 * Goal: `useShape` of `@electric-sql/react` shows what Postgres answers, from mount to unmount, and
 * the shape of the options it is given now.
 * Method: a component renders the hook's rows into the document of jsdom; the document is compared
 * with a SELECT.
 */

import { useShape } from "@electric-sql/react";
import { JSDOM } from "jsdom";
import { createElement } from "react";
import type { Root } from "react-dom/client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startFixture, type ClientFixture } from "./fixture.ts";

let fixture: ClientFixture;
let createRoot: (container: Element) => Root;
let root: Root;
let container: Element;

beforeAll(async () => {
  // React asks for these when it is loaded, and the client whether the page is visible.
  const { window } = new JSDOM("<main></main>", { pretendToBeVisual: true });
  const { document, navigator } = window;
  Object.assign(globalThis, { window, document, navigator });
  ({ createRoot } = await import("react-dom/client"));
  container = window.document.querySelector("main")!;
  fixture = await startFixture();
});

beforeEach(() => {
  root = createRoot(container);
});

afterEach(() => {
  root.unmount();
});

afterAll(async () => {
  await fixture.dispose();
});

interface IssueListProps {
  readonly where: string;
  readonly onLoading?: () => void;
}

/** Titles, one after the other, in the order of their ids. */
function IssueList({ where, onLoading }: IssueListProps) {
  const { data, isLoading } = useShape({
    url: fixture.server.shapeUrl,
    params: { table: "issues", where },
  });
  if (isLoading) onLoading?.();
  const rows = [...data].sort((a, b) => Number(a["id"]) - Number(b["id"]));
  return createElement(
    "ul",
    null,
    rows.map((row) => createElement("li", { key: Number(row["id"]) }, row["title"] as string)),
  );
}

function IssueCount() {
  const count = useShape({
    url: fixture.server.shapeUrl,
    params: { table: "issues" },
    selector: ({ data }) => data.length,
  });
  return createElement("output", null, count);
}

async function showsTitles(where: string): Promise<void> {
  const rows = await fixture.database.query(`SELECT title FROM issues WHERE ${where} ORDER BY id`);
  const titles = rows.map(({ title }) => title);
  const items = () => [...container.querySelectorAll("li")].map(({ textContent }) => textContent);
  await eventually(() => expect(items()).toEqual(titles));
}

test("a list loads, follows every change, and follows its options", async () => {
  await fixture.insertIssues(1, 20);
  let loadingCount = 0;
  const onLoading = () => void (loadingCount += 1);
  root.render(createElement(IssueList, { where: "project = 1", onLoading }));
  await showsTitles("project = 1");
  expect(loadingCount).toBeGreaterThan(0);

  await fixture.insertIssues(21, 30);
  await fixture.database.query("UPDATE issues SET title = 'renamed' WHERE id = 4");
  await fixture.database.query("UPDATE issues SET project = 2 WHERE id = 7");
  await fixture.database.query("DELETE FROM issues WHERE id = 10");
  await showsTitles("project = 1");

  root.render(createElement(IssueList, { where: "project = 2" }));
  await showsTitles("project = 2");
});

test("a selector renders its selection", async () => {
  root.render(createElement(IssueCount));
  const countOf = async () => {
    const [row] = await fixture.database.query("SELECT count(*)::text FROM issues");
    return row!["count"];
  };
  const before = await countOf();
  await eventually(() => expect(container.textContent).toBe(before));
  await fixture.insertIssues(100, 150);
  const after = await countOf();
  await eventually(() => expect(container.textContent).toBe(after));
});
