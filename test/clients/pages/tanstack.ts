/**
 * A page with a TanStack DB collection: it shows a live query, and its one button adds an issue, at
 * once here and then through the application's server, which answers with the transaction's id.
 */

import { createCollection, createLiveQueryCollection, eq, type SyncMode } from "@tanstack/db";
import { electricCollectionOptions } from "@tanstack/electric-db-collection";
import { setting, show } from "./show.ts";

interface Item {
  [column: string]: string | number | boolean | null;
  id: number;
  project: number;
  title: string;
}

const issues = createCollection(
  electricCollectionOptions<Item>({
    syncMode: setting("mode") as SyncMode,
    getKey: ({ id }) => id,
    shapeOptions: { url: setting("shape"), params: { table: "issues" } },
    onInsert: async ({ transaction }) => {
      const body = JSON.stringify(transaction.mutations[0].modified);
      const response = await fetch("/issues", { method: "POST", body });
      return (await response.json()) as { txid: number };
    },
  }),
);

const query = createLiveQueryCollection((q) =>
  q
    .from({ issue: issues })
    .where(({ issue }) => eq(issue.project, 1))
    .select(({ issue }) => ({ id: issue.id, title: issue.title })),
);
const showQuery = () => show(query.toArray.map(({ id, title }) => ({ id, title })));
query.subscribeChanges(showQuery, { includeInitialState: true });

document.querySelector("button")!.addEventListener("click", () => {
  const { isPersisted } = issues.insert({ id: 777, project: 1, title: "from the page" });
  void isPersisted.promise.then(() => (document.querySelector("output")!.textContent = "saved"));
});
