/**
 * Subsets of shapes whose rows move (protocol 12 and 14.6).
 *
 * Goal: whoever asks for a subset and goes on in the log from where he was holds what Postgres
 * answers, however the subset's snapshot lies to the moves, and however fast rows move.
 * Method: the official stream, of changes only, asks for subsets while random transactions happen;
 * then the interleavings one by one in which it once lost rows, made by stopping the stream from
 * Postgres, or by a client that is behind.
 */

import { afterEach, beforeEach, expect, test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import { isVisibleInSnapshot } from "../../src/model/snapshot-bounds.ts";
import { expectSameRows } from "../clients/fixture.ts";
import { StreamFollower } from "../clients/subquery-clients.ts";
import { BEGINNING, CLAUSES, randomChange, SCHEMA } from "../clients/subquery-history.ts";
import { eventually } from "../support/eventually.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";
import { RestartableServer } from "../support/restartable-server.ts";

const ROUNDS = 2;
/** Of one round; before every fourth another shape is asked for a subset. */
const TRANSACTIONS = 48;
const OF_ANN = CLAUSES.in;
const WHOLE = { where: "id > 0", orderBy: "id", limit: 100 };

let server: RestartableServer;
const followers: StreamFollower[] = [];

beforeEach(async () => {
  server = await RestartableServer.start(SCHEMA);
  await happens(BEGINNING);
});

afterEach(async () => {
  for (const follower of followers.splice(0)) follower.close();
  await server.dispose();
});

/** One transaction. */
async function happens(...statements: readonly string[]): Promise<void> {
  await server.database.query(`BEGIN; ${statements.join("; ")}; COMMIT`);
}

/** From now on, or from where another follower got to. */
function follow(where: string, from: object = { offset: "now" }): StreamFollower {
  const follower = new StreamFollower(server, { where }, { log: "changes_only", ...from });
  followers.push(follower);
  return follower;
}

/** Once it has got to the end of the log: what it holds before may be right by chance. */
async function expectHeld(follower: StreamFollower, where: string): Promise<void> {
  const query = shapeQuery(where, { offset: "now" });
  const end = (await fetch(`${server.url}/v1/shape?${query}`)).headers.get("electric-offset");
  await eventually(() => expect(follower.stream.lastOffset).toBe(end));
  // Its headers come before a body.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const sql = `SELECT * FROM issues WHERE ${where}`;
  await expectSameRows(server.database, sql, () => follower.rows());
}

function shapeQuery(where: string, parameters: Record<string, string>): string {
  const shape = { table: "issues", where, log: "changes_only", ...parameters };
  return new URLSearchParams(shape).toString();
}

type Page = Awaited<ReturnType<StreamFollower["stream"]["requestSnapshot"]>>;

interface MoveOut {
  readonly txids: readonly number[];
  readonly patterns: readonly { readonly pos: number; readonly value: string }[];
}

interface Asked {
  readonly where: string;
  readonly follower: StreamFollower;
  readonly page: Promise<Page>;
  /** Of its log. */
  readonly outs: readonly MoveOut[];
}

function ask(where: string): Asked {
  const follower = follow(where);
  const outs: MoveOut[] = [];
  follower.stream.subscribe((messages) => {
    for (const { headers } of messages) {
      if (headers["event"] === "move-out") outs.push(headers as unknown as MoveOut);
    }
  });
  return { where, follower, outs, page: follower.stream.requestSnapshot(WHOLE) };
}

/**
 * Whether what the page shows came after the move, which the client is told of afterwards all the
 * same: it drops such rows, and may not be given them again (README, Subqueries).
 */
function isUndone({ txids, patterns }: MoveOut, { metadata, data }: Page): boolean {
  const { xmin, xmax, xip_list: xip } = metadata;
  const bounds = { xmin: BigInt(xmin), xmax: BigInt(xmax), xip: xip.map(BigInt), lsn: 0n as Lsn };
  if (!txids.every((xid) => isVisibleInSnapshot(xid, bounds))) return false;
  return data.some(({ headers: { tags = [], active_conditions: active } }) => {
    return patterns.some(({ pos, value }) => {
      return (active as boolean[])[pos] && tags.some((tag) => tag.split("/")[pos] === value);
    });
  });
}

/** Keeps the stream from Postgres where it is. */
async function stopStream(): Promise<() => void> {
  const [{ pid }] = (await server.database.query(
    "SELECT active_pid AS pid FROM pg_replication_slots WHERE database = current_database()",
  )) as [{ pid: number }];
  process.kill(pid, "SIGSTOP");
  return () => void process.kill(pid, "SIGCONT");
}

test("pages that are asked for while rows move all the time", async () => {
  const random = seededRandom("pages while rows move");
  const rounds = runsOf(ROUNDS);
  for (let round = 0; round < rounds; round++) {
    const clauses = Object.values(CLAUSES);
    const asked: Asked[] = [];
    for (let number = 0; number < TRANSACTIONS; number++) {
      const changes = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
        randomChange(random),
      );
      await happens(...changes);
      if (number % 4 !== 3 || clauses.length === 0) continue;
      const where = clauses.shift()!;
      asked.push(ask(where));
    }
    const pages = await Promise.all(asked.map(({ page }) => page));
    await server.settled();
    for (const [index, { where, follower, outs }] of asked.entries()) {
      await expectHeld(follower, where).catch((cause: unknown) => {
        if (outs.some((out) => isUndone(out, pages[index]!))) return;
        throw new Error(`round ${round}, of ${where}`, { cause });
      });
      follower.close();
    }
  }
});

test.each([
  ["a value that comes and goes", "owner = 'ann' WHERE id = 4", "owner = 'cyd' WHERE id = 4"],
  ["a value that goes and comes", "owner = 'cyd' WHERE id = 1", "owner = 'ann' WHERE id = 1"],
])("a page that shows %s while others move", async (_, first, second) => {
  await expectPage(OF_ANN);
  const resume = await stopStream();
  // The shape is behind because of this one; what follows is made up for together, net.
  await happens("UPDATE projects SET owner = 'ann' WHERE id = 2");
  await happens(`UPDATE projects SET ${first}`);
  const follower = follow(OF_ANN);
  const page = follower.stream.requestSnapshot(WHOLE);
  // The snapshot is taken by then, whether the page waits for the stream or not.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await happens(`UPDATE projects SET ${second}`);
  resume();
  await page;
  await server.settled();
  await expectHeld(follower, OF_ANN);
});

test("rows that moved in do not replace newer ones of a page that a late client takes", async () => {
  const { stream } = await expectPage(OF_ANN);
  const place = { offset: stream.lastOffset, handle: stream.shapeHandle };
  stream.unsubscribeAll();
  await happens("UPDATE projects SET owner = 'ann' WHERE id = 2");
  await server.settled();
  await happens("UPDATE issues SET title = 'newer' WHERE project = 2");
  await server.settled();
  const follower = follow(OF_ANN, place);
  await follower.stream.requestSnapshot(WHOLE);
  await expectHeld(follower, OF_ANN);
});

test("a page that has no place in the log for seconds is refused, to be asked for again", async () => {
  await expectPage(OF_ANN);
  const resume = await stopStream();
  try {
    await happens("UPDATE projects SET owner = 'ann' WHERE id = 2");
    const query = shapeQuery(OF_ANN, { offset: "-1", subset__where: "id > 0" });
    const response = await fetch(`${server.url}/v1/shape?${query}`);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.text()).toContain("please retry");
  } finally {
    resume();
  }
  await expectPage(OF_ANN);
});

/** A new client takes a page and holds what Postgres answers. */
async function expectPage(where: string): Promise<StreamFollower> {
  await server.settled();
  const follower = follow(where);
  await follower.stream.requestSnapshot(WHOLE);
  await expectHeld(follower, where);
  return follower;
}
