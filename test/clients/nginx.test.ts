/**
 * Goal: a cache in front of the server takes its load: answers are stored, served stale, checked
 * for change with a 304, and a thousand clients of one live URL are one request to us
 * (protocol 4.2, 4.3, 4.5).
 * Method: a real nginx; what it did is in its `X-Proxy-Cache` header, and the requests that reached
 * us are counted as Node's http server starts and finishes them.
 */

import { Shape, ShapeStream, type Row, type ShapeStreamInterface } from "@electric-sql/client";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { expectSameRows, startFixture, type ClientFixture } from "./fixture.ts";
import { startNginx, type NginxProxy } from "./nginx-proxy.ts";
import { findProgram, nginx } from "./programs.ts";

const CLIENTS = 1_000;
const MAX_AGE_SECONDS = 1;
const STALE_AGE_SECONDS = 3;

const program = findProgram(nginx);
let fixture: ClientFixture;
let proxy: NginxProxy;
let arrived: string[] = [];
let answered: number[] = [];

const onStart = (message: unknown) =>
  void arrived.push((message as { request: IncomingMessage }).request.url!);
const onFinish = (message: unknown) =>
  void answered.push((message as { response: ServerResponse }).response.statusCode);

describe.skipIf(program === undefined)("behind nginx", () => {
  beforeAll(async () => {
    fixture = await startFixture({
      ELECTRIC_CACHE_MAX_AGE: String(MAX_AGE_SECONDS),
      ELECTRIC_CACHE_STALE_AGE: String(STALE_AGE_SECONDS),
      // Long enough for a busy machine to bring all the clients to the proxy.
      ELECTRIC_LONG_POLL_TIMEOUT: "50000",
    });
    await fixture.insertIssues(0, 500);
    proxy = await startNginx(program!, fixture.server.url);
    subscribe("http.server.request.start", onStart);
    subscribe("http.server.response.finish", onFinish);
  });

  beforeEach(() => {
    arrived = [];
    answered = [];
  });

  afterAll(async () => {
    unsubscribe("http.server.request.start", onStart);
    unsubscribe("http.server.response.finish", onFinish);
    await proxy.stop();
    await fixture.dispose();
  });

  test("the beginning of a shape is fetched once", async () => {
    const first = await get("where=project=0&offset=-1");
    const second = await get("where=project=0&offset=-1");
    expect([cacheStatus(first), cacheStatus(second)]).toEqual(["MISS", "HIT"]);
    expect(await second.text()).toBe(await first.text());
    expect(second.headers.get("electric-handle")).toBe(first.headers.get("electric-handle"));
    expect(arrived).toHaveLength(1);
  });

  test("an old answer is served while it is renewed, an older one is checked", async () => {
    const { handle } = await beginning("where=project=1");
    const url = `where=project=1&handle=${handle}&offset=0_0`;
    expect(cacheStatus(await get(url))).toBe("MISS");
    await eventually(async () => expect(cacheStatus(await get(url))).toBe("STALE"));
    await eventually(async () => expect(cacheStatus(await get(url))).toBe("HIT"));

    // It counts in whole seconds.
    await sleep((MAX_AGE_SECONDS + STALE_AGE_SECONDS + 1.5) * 1000);
    answered = [];
    expect(cacheStatus(await get(url))).toBe("REVALIDATED");
    expect(answered).toEqual([304]);
  });

  test("an ETag that gzip has made weak is still known", async () => {
    const { response } = await beginning("where=project=2");
    expect(response.headers.get("content-encoding")).toBe("gzip");
    const etag = response.headers.get("etag")!;
    expect(etag).toMatch(/^W\//);
    const direct = `${fixture.server.shapeUrl}?table=issues&where=project=2&offset=-1`;
    const answers = await Promise.all([
      get("where=project=2&offset=-1", { "if-none-match": etag }),
      fetch(direct, { headers: { "if-none-match": etag } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([304, 304]);
  });

  test(`${CLIENTS} clients on one live URL are one request`, async () => {
    const live = await liveUrl("where=project=11");
    arrived = [];
    const waiting = Array.from({ length: CLIENTS }, () => get(live));
    await eventually(async () => {
      expect(await proxy.openRequestCount()).toBeGreaterThan(CLIENTS);
      expect(arrived).toHaveLength(1);
    });
    await fixture.database.query(
      "INSERT INTO issues (id, project, title) VALUES (5000, 11, 'news')",
    );
    const answers = await Promise.all(waiting);
    const bodies = new Set(await Promise.all(answers.map((answer) => answer.text())));
    expect(arrived).toHaveLength(1);
    expect(bodies.size).toBe(1);
    expect([...bodies][0]).toContain("news");
    expect(answers.map(cacheStatus).filter((status) => status === "MISS")).toHaveLength(1);
    // Who asks late gets the stored answer, and with it the cursor that all the others have.
    const late = await get(live);
    expect(cacheStatus(late)).toBe("HIT");
    expect(late.headers.get("electric-cursor")).toBe(answers[0]!.headers.get("electric-cursor"));
  });

  test("a removed shape sends its clients to the new one", async () => {
    const { handle } = await beginning("where=project=12");
    await fetch(`${fixture.server.shapeUrl}?handle=${handle}`, { method: "DELETE" });
    const gone = await get(`where=project=12&handle=${handle}&offset=0_0`);
    expect(gone.status).toBe(409);
    const successor = gone.headers.get("electric-handle")!;
    expect(successor).not.toBe(handle);
    const again = `where=project=12&handle=${successor}&offset=-1`;
    expect(cacheStatus(await get(again))).toBe("MISS");
    expect(cacheStatus(await get(again))).toBe("HIT");
  });

  test("many clients hold what Postgres answers", async () => {
    const aborts: AbortController[] = [];
    const shapes = Array.from({ length: 20 }, () => {
      const abort = new AbortController();
      aborts.push(abort);
      const stream = new ShapeStream<Row>({
        url: `${proxy.url}/v1/shape`,
        params: { table: "issues", where: "project = 13" },
        signal: abort.signal,
      });
      // The client's own types are not made for exactOptionalPropertyTypes.
      return new Shape<Row>(stream as unknown as ShapeStreamInterface<Row>);
    });
    await Promise.all(shapes.map((shape) => shape.rows));
    for (const change of [
      "INSERT INTO issues SELECT n, 13, 'thirteen' FROM generate_series(6000, 6050) n",
      "UPDATE issues SET title = 'changed' WHERE id % 2 = 0 AND project = 13",
      "DELETE FROM issues WHERE id > 6040",
    ]) {
      await fixture.database.query(change);
      for (const shape of shapes) {
        const sql = "SELECT * FROM issues WHERE project = 13";
        await expectSameRows(fixture.database, sql, () => shape.currentRows);
      }
    }
    for (const abort of aborts) abort.abort();
  });
});

function get(query: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${proxy.url}/v1/shape?table=issues&${query}`, { headers });
}

function cacheStatus(response: Response): string | null {
  return response.headers.get("x-proxy-cache");
}

async function beginning(query: string) {
  const response = await get(`${query}&offset=-1`);
  await response.clone().text();
  return { response, handle: response.headers.get("electric-handle")! };
}

/** The URL that every caught-up client of the shape polls. */
async function liveUrl(query: string): Promise<string> {
  const { handle } = await beginning(query);
  const response = await get(`${query}&handle=${handle}&offset=0_0`);
  const offset = response.headers.get("electric-offset")!;
  expect(response.headers.has("electric-up-to-date")).toBe(true);
  return `${query}&handle=${handle}&offset=${offset}&live=true&cursor=`;
}
