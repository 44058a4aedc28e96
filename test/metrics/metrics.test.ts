/**
 * `/metrics` of a live server.
 *
 * Goals: it is of the format; its figures are those of `/admin/memory` and `/admin/status`; the
 * number of series does not depend on what clients do; a port that is taken is told plainly.
 */

import { createServer } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/child-server.ts";
import { parseExposition, samplesOf, type Family } from "../support/exposition.ts";
import { startServer, type LiveServer } from "../support/live-server.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

let database: TestDatabase;
let server: LiveServer;
let port: number;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query("CREATE TABLE items (id int PRIMARY KEY, tenant int, title text)");
  port = await freePort();
  server = await startServer(database, { ELECTRIC_PROMETHEUS_PORT: String(port) });
});
afterAll(async () => {
  await server.stop();
  await database.dispose();
});

async function scrape(): Promise<Map<string, Family>> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return parseExposition(await response.text());
}

async function sample(name: string): Promise<number | undefined> {
  return samplesOf(await scrape()).get(name);
}

async function ask(query: string): Promise<Response> {
  const response = await fetch(`${server.shapeUrl}?${query}`);
  await response.text();
  return response;
}

/** What there is nothing of before the first request and the first transaction. */
const NOT_YET = new Set(["litz_http_answers_total", "litz_last_commit_timestamp_seconds"]);

test("it is of the format, and every name and unit is as Prometheus wants them", async () => {
  const families = await scrape();
  for (const [name, { help, samples, type }] of families) {
    if (!name.startsWith("litz_")) continue;
    expect(help, name).toMatch(/^[A-Z0-9].*\.$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
    if (!NOT_YET.has(name)) expect(samples.size, name).toBeGreaterThan(0);
    for (const value of samples.values()) expect(Number.isNaN(value), name).toBe(false);
  }
  // Of the very first scrape, in which an empty histogram would tell 2^63 ns.
  expect(samplesOf(families).get("nodejs_eventloop_lag_min_seconds")).toBeLessThan(3600);
  expect(families.get("nodejs_gc_duration_seconds")?.type).toBe("histogram");
  expect(families.has("nodejs_eventloop_lag_seconds")).toBe(true);
  expect(families.has("nodejs_active_handles")).toBe(false);
});

test("its figures are those of the memory report", async () => {
  for (let tenant = 0; tenant < 20; tenant += 1)
    await ask(`table=items&offset=-1&where=tenant=${tenant}`);
  await eventually(async () => {
    const response = await fetch(`${server.url}/admin/memory`);
    const report = (await response.json()) as {
      shapes: number;
      templates: number;
      snapshotsUnderWay: number;
      coreBytes: number;
      core: { owner: string; entries: number; liveBytes: number; committedBytes: number }[];
    };
    expect(report).toMatchObject({ shapes: 20, snapshotsUnderWay: 0 });
    const samples = samplesOf(await scrape());
    expect(samples.get('litz_shapes{state="ready"}')).toBe(report.shapes);
    expect(samples.get("litz_templates")).toBe(report.templates);
    expect(samples.get("litz_core_memory_bytes")).toBe(report.coreBytes);
    let committed = 0;
    for (const { committedBytes, entries, liveBytes, owner } of report.core) {
      const label = `{structure="${owner.replaceAll(" ", "_")}"}`;
      expect(samples.get(`litz_structure_live_bytes${label}`), owner).toBe(liveBytes);
      expect(samples.get(`litz_structure_committed_bytes${label}`)).toBe(committedBytes);
      expect(samples.get(`litz_structure_wasted_bytes${label}`)).toBe(committedBytes - liveBytes);
      expect(samples.get(`litz_structure_entries${label}`)).toBe(entries);
      committed += committedBytes;
    }
    expect(committed).toBe(report.coreBytes);
    expect(samples.get('litz_class_shapes{class="equality",indexed="true"}')).toBe(20);
    expect(samples.get("litz_snapshot_duration_seconds_count")).toBe(20);
    expect(samples.get("litz_journal_sync_duration_seconds_count")).toBeGreaterThan(0);
    expect(samples.get("litz_storage_bytes")).toBeGreaterThan(0);
  });
});

test("changes are counted: those that are wanted, and by how many, and all", async () => {
  await ask("table=items&offset=-1");
  const before = samplesOf(await scrape());
  await database.query("INSERT INTO items SELECT n, n, 'x' FROM generate_series(15, 24) n");
  await database.query("UPDATE items SET title = 'y' WHERE id = 15");
  await eventually(async () => {
    const after = samplesOf(await scrape());
    const grown = (name: string) => after.get(name)! - before.get(name)!;
    expect(grown("litz_transactions_total")).toBeGreaterThanOrEqual(2);
    expect(grown("litz_changes_routed_total")).toBe(11);
    expect(grown("litz_changes_matched_total")).toBe(11);
    // Everybody's shape, and the shapes of tenants 15 to 19, one of them twice.
    expect(grown("litz_matches_total")).toBe(11 + 6);
    expect(after.get("litz_replication_lag_bytes")).toBe(0);
    expect(after.get("litz_replication_lag_seconds")).toBe(0);
    expect(after.get("litz_replication_confirmed_lsn")).toBe(
      after.get("litz_replication_received_lsn"),
    );
  });
  const committed = (await sample("litz_last_commit_timestamp_seconds"))!;
  expect(Math.abs(Date.now() / 1000 - committed)).toBeLessThan(60);
});

test("requests that wait are told while they wait, and counted when they are answered", async () => {
  const first = await ask("table=items&offset=-1&where=tenant=77");
  const handle = first.headers.get("electric-handle")!;
  const answers = 'litz_http_answers_total{route="shape",status="200"}';
  const before = (await sample(answers))!;
  const live = `table=items&where=tenant=77&live=true&handle=${handle}&offset=0_inf`;
  const polls = [1, 2, 3].map(() => ask(live));
  const abort = new AbortController();
  const stream = await fetch(`${server.shapeUrl}?${live}&live_sse=true`, { signal: abort.signal });
  await eventually(async () => {
    const samples = samplesOf(await scrape());
    expect(samples.get('litz_waiting_requests{kind="long_poll"}')).toBe(3);
    expect(samples.get('litz_waiting_requests{kind="event_stream"}')).toBe(1);
    expect(samples.get('litz_requests{kind="existing"}')).toBe(4);
    expect(samples.get("litz_http_connections")).toBeGreaterThanOrEqual(4);
  });
  expect(stream.status).toBe(200);
  await database.query("INSERT INTO items VALUES (77, 77, 'x')");
  for (const poll of polls) expect((await poll).status).toBe(200);
  await eventually(async () => expect(await sample(answers)).toBe(before + 4));
  abort.abort();
});

test("the number of series does not depend on what clients do", async () => {
  const one = async (n: number) => {
    await ask(`table=items&offset=-1&where=id=${n}`);
    await ask(`table=nothing_${n}&offset=-1`);
    await ask(`table=items&offset=-1&where=title LIKE '${"x".repeat(n % 7)}%'`);
    await fetch(`${server.url}/path/${n}`);
    await fetch(`${server.url}/admin/shapes?after=${n}`, { headers: { "x-request-id": `${n}` } });
    await fetch(`http://127.0.0.1:${port}/other/${n}`);
  };
  await one(0);
  const series = [...samplesOf(await scrape()).keys()];
  await Promise.all(
    Array.from({ length: 10 }, async (_, worker) => {
      for (let n = 1; n <= 17; n += 1) await one(100 * worker + n);
    }),
  );
  const after = samplesOf(await scrape());
  expect(after.get('litz_http_answers_total{route="other",status="404"}')).toBe(171);
  // Some come with time and not with requests: kinds of collections that had not happened yet.
  const own = (key: string) => key.startsWith("litz_");
  expect([...after.keys()].filter(own).sort()).toEqual(series.filter(own).sort());
  expect(after.size).toBeLessThan(400);
});

test("nothing else is on that port, and nothing of it on the other", async () => {
  for (const path of ["/", "/metricsx", "/v1/shape?table=items&offset=-1", "/admin/memory"]) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    expect(response.status).toBe(404);
    expect(await response.text()).toBe("Not found");
  }
  const posted = await fetch(`http://127.0.0.1:${port}/metrics`, { method: "POST" });
  expect(posted.status).toBe(404);
  expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
});

test("who asks at the same time gets the same", async () => {
  const both = await Promise.all([server.service.metrics(), server.service.metrics()]);
  expect(both[0]).toBe(both[1]);
});

test("a port that is taken is told plainly, before anything else is begun", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address() as { port: number };
  const settings = { ELECTRIC_PROMETHEUS_PORT: String(address.port) };
  await expect(startServer(database, settings)).rejects.toThrow(
    `ELECTRIC_PROMETHEUS_PORT is ${address.port}: somebody else listens on ` +
      `127.0.0.1:${address.port}; choose another port`,
  );
  taken.close();
});
