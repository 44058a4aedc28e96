/** Protocol 14.3 to 14.6: tags of rows, and how moves of rows are told. */

import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import {
  MUST_REFETCH,
  serveLitz,
  SNAPSHOT_END,
  told,
  type Message,
  type Parameters,
  type ShapeReader,
} from "./subject.ts";

const BUFFER_MAX_TRANSACTIONS = 8;
/** What has to be escaped, and what separates the slots of a tag. */
const LABEL = 'a/"b\\';
/** Longer than what a row holds itself. */
const LONG = "long ".repeat(1000);

const subject = serveLitz({
  schema: `
    CREATE TABLE groups (id int PRIMARY KEY, kind int, other int, label text, amount numeric,
                         open bool);
    CREATE TABLE kinds (id int PRIMARY KEY, is_open bool NOT NULL);
    CREATE TABLE items (id int PRIMARY KEY, p int, q int, v int NOT NULL DEFAULT 1, name text,
                        amount numeric, inc bool NOT NULL DEFAULT false, note text, long text);
    ALTER TABLE items ALTER long SET STORAGE EXTERNAL;
    CREATE TABLE parts (id int, half int, p int, PRIMARY KEY (id, half)) PARTITION BY LIST (half);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);`,
  settings: { ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS: String(BUFFER_MAX_TRANSACTIONS) },
});

const OF_KIND_1 = "SELECT id FROM groups WHERE kind = 1";
const IN_KIND_1 = `p IN (${OF_KIND_1})`;
const NOT_IN_KIND_1 = `p NOT IN (${OF_KIND_1})`;

beforeEach(async () => {
  await subject.sql(`
    DELETE FROM items; DELETE FROM parts; DELETE FROM groups; DELETE FROM kinds;
    INSERT INTO kinds VALUES (0, false), (1, true);
    INSERT INTO groups VALUES (1, 1, 7, 'a/"b\\', 2.50, true), (2, 1, 8, '', 3, true),
                              (3, 0, 9, '', 4, true), (4, 0, 9, '', 4, true)`);
});

/** Protocol 14.4. */
function hash({ handle }: ShapeReader, namespace: string): string {
  return createHash("md5").update(`single_stack${handle}${namespace}`).digest("hex");
}

/** With hashes in place of `<...>`. */
function tagsOf(reader: ShapeReader, tags: readonly string[]): readonly string[] {
  return tags.map((tag) => {
    return tag.replace(/<(.*?)>/g, (_, namespace: string) => hash(reader, namespace));
  });
}

type Row = Readonly<Record<string, unknown>>;

async function insertRow(row: Row, id = 1): Promise<void> {
  const names = Object.keys(row);
  const places = names.map((_, index) => `$${index + 1}`);
  const sql = `INSERT INTO items (id, ${names.join()}) VALUES (${id}, ${places.join()})`;
  await subject.database.query(sql, Object.values(row));
}

/** A shape without a log of what was before. */
async function readFresh(definition: Parameters): Promise<ShapeReader> {
  await subject.delete(definition);
  return subject.read(definition);
}

describe("§14.3 tags and active conditions, of first rows as of later changes", () => {
  test.each([
    { where: IN_KIND_1, row: { p: 1 }, tags: ["<v:1>"], active: [true] },
    { where: `${IN_KIND_1} AND v >= 1`, row: { p: 1 }, tags: ["<v:1>/1"], active: [true, true] },
    {
      ...{ where: `${IN_KIND_1} OR inc = true`, row: { p: 9, inc: true } },
      ...{ tags: ["<v:9>/", "/1"], active: [false, true] },
    },
    {
      ...{ where: `${IN_KIND_1} OR inc = true`, row: { inc: true } },
      ...{ tags: ["<NULL>/", "/1"], active: [false, true] },
    },
    { where: NOT_IN_KIND_1, row: { p: 9 }, tags: ["<v:9>"], active: [true] },
    {
      ...{ where: `${IN_KIND_1} AND q IN (SELECT other FROM groups)`, row: { p: 1, q: 8 } },
      ...{ tags: ["<v:1>/<v:8>"], active: [true, true] },
    },
    {
      ...{ where: "(q, p) IN (SELECT other, id FROM groups)", row: { p: 1, q: 7 } },
      ...{ tags: ["<q:v:7p:v:1>"], active: [true] },
    },
    {
      ...{ where: `NOT (${NOT_IN_KIND_1} OR v < 1)`, row: { p: 2 } },
      ...{ tags: ["<v:2>/1"], active: [true, true] },
    },
    {
      ...{ where: `(${IN_KIND_1} OR inc = true) AND v IN (1, 2)`, row: { p: 1, v: 2 } },
      tags: ["<v:1>/1//////", "//<v:1>/1////", "////1/1//", "//////1/1"],
      active: [true, false, true, true, false, false, false, true],
    },
    {
      ...{ where: "amount IN (SELECT amount FROM groups)", row: { amount: "2.500" } },
      ...{ tags: ["<v:2.5>"], active: [true] },
    },
    {
      ...{ where: "inc IN (SELECT open FROM groups)", row: { inc: true } },
      ...{ tags: ["<v:true>"], active: [true] },
    },
    {
      ...{ where: "name IN (SELECT label FROM groups)", row: { name: LABEL } },
      ...{ tags: [`<v:${LABEL}>`], active: [true] },
    },
  ])("§14.3 $where: $row", async ({ where, row, tags, active }) => {
    await insertRow(row);
    const reader = await readFresh({ table: "items", where });
    const expected = { tags: tagsOf(reader, tags), active_conditions: active };
    expect(told(reader.messages)).toEqual(["insert 1"]);
    expect(reader.rows[0]!.headers).toMatchObject(expected);
    await subject.sql("UPDATE items SET note = 'new'");
    const [update] = await reader.changes(1);
    expect(update!.headers).toMatchObject({ ...expected, operation: "update", removed_tags: [] });
  });

  test("§14.3 an update names the tags that the row had", async () => {
    await insertRow({ p: 1 });
    const reader = await readFresh({ table: "items", where: `${IN_KIND_1} OR v = 1` });
    await subject.sql("UPDATE items SET p = 2");
    const [update] = await reader.changes(1);
    expect(update!.headers).toMatchObject({
      tags: tagsOf(reader, ["<v:2>/", "/1"]),
      removed_tags: tagsOf(reader, ["<v:1>/"]),
      active_conditions: [true, true],
    });
  });

  test("§14.3, §7.6 under another key: the old one goes with all tags, old and new", async () => {
    await insertRow({ p: 1 });
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    await subject.sql("UPDATE items SET id = 5, p = 2");
    const [gone, come] = await reader.changes(2);
    expect(told([gone!, come!])).toEqual(["delete 1", "insert 5"]);
    expect(new Set(gone!.headers["tags"] as string[])).toEqual(
      new Set(tagsOf(reader, ["<v:1>", "<v:2>"])),
    );
    expect(gone!.headers).not.toHaveProperty("removed_tags");
    expect(come!.headers).toMatchObject({ tags: tagsOf(reader, ["<v:2>"]) });
  });

  test.each([
    { replica: "default", value: { id: "1" } },
    { replica: "full", value: { id: "1", name: null }, old_value: {} },
  ])(
    "§7.4, §14.3 tags come though none of the columns does that they are of: $replica",
    async ({ replica, ...bodies }) => {
      await insertRow({ p: 1 });
      const where = IN_KIND_1;
      const reader = await readFresh({ table: "items", where, columns: "id,name", replica });
      await subject.sql("UPDATE items SET p = 2");
      const [update] = await reader.changes(1);
      expect(update).toMatchObject({
        ...bodies,
        headers: {
          tags: tagsOf(reader, ["<v:2>"]),
          removed_tags: tagsOf(reader, ["<v:1>"]),
        },
      });
    },
  );
});

/** Waits for so many messages that are not `up-to-date`: changes, events, ends of snapshots. */
async function heard(reader: ShapeReader, count: number): Promise<readonly Message[]> {
  const start = newsOf(reader).length;
  return eventually(async () => {
    if (newsOf(reader).length < start + count) await reader.step({ live: "true" });
    const messages = newsOf(reader).slice(start);
    expect(messages).toHaveLength(count);
    return messages;
  });
}

function newsOf({ messages }: ShapeReader): readonly Message[] {
  return messages.filter(({ headers }) => headers["control"] !== "up-to-date");
}

/** @param patterns position and what is hashed. */
function event(
  reader: ShapeReader,
  is: "move-in" | "move-out",
  patterns: readonly (readonly [pos: number, namespace: string])[],
  txids: readonly number[],
): object {
  const hashed = patterns.map(([pos, namespace]) => ({ pos, value: hash(reader, namespace) }));
  return { headers: { event: is, patterns: hashed, txids } };
}

/** One transaction; its id. */
async function transact(sql: string): Promise<number> {
  const client = await subject.database.connect();
  try {
    await client.query(`BEGIN; ${sql}`);
    const { rows } = await client.query<{ xid: number }>(
      "SELECT pg_current_xact_id()::text::bigint::int AS xid",
    );
    await client.query("COMMIT");
    return rows[0]!.xid;
  } finally {
    await client.end();
  }
}

const enter = (group: number) => transact(`UPDATE groups SET kind = 1 WHERE id = ${group}`);
const leave = (group: number) => transact(`UPDATE groups SET kind = 0 WHERE id = ${group}`);

/** Holds a table, so that no rows of it are read, while `act` goes on. */
async function withTableLocked(
  table: string,
  act: (run: (sql: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const client = await subject.database.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    await act((sql) => client.query(sql));
    await client.query("COMMIT");
  } finally {
    await client.end();
  }
}

describe("§14.5 events", () => {
  test("§14.5 a value enters: an event, the rows, the end of their snapshot", async () => {
    await insertRow({ p: 3 }, 1);
    await insertRow({ p: 3 }, 2);
    const reader = await readFresh({ table: "items", where: IN_KIND_1, columns: "id,p" });
    const xid = await enter(3);
    const [first, ...rest] = await heard(reader, 4);
    expect(first).toEqual(event(reader, "move-in", [[0, "v:3"]], [xid]));
    expect(rest.pop()).toEqual(SNAPSHOT_END);
    const headers = {
      ...{ operation: "insert", relation: ["public", "items"], is_move_in: true },
      ...{ tags: [hash(reader, "v:3")], active_conditions: [true] },
    };
    const rows = [1, 2].map((id) => {
      return { key: `"public"."items"/"${id}"`, value: { id: String(id), p: "3" }, headers };
    });
    expect(rest).toHaveLength(2);
    expect(rest).toEqual(expect.arrayContaining(rows));
  });

  test.each([
    ["amount", "amount", "v:2.5"],
    ["inc", "open", "v:true"],
    ["name", "label", `v:${LABEL}`],
    ["(q, p)", "other, id", "q:v:7p:v:1"],
  ])("§14.4 events have the hashes of tags: %s IN (SELECT %s)", async (side, given, namespace) => {
    const where = `${side} IN (SELECT ${given} FROM groups WHERE id = 1 AND kind = 1)`;
    const reader = await readFresh({ table: "items", where });
    const left = await leave(1);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, namespace]], [left])]);
  });

  test("§14.5 a value leaves: an event and no deletes; one that has no rows: an event", async () => {
    await insertRow({ p: 1 });
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    const left = await leave(1);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, "v:1"]], [left])]);
    const entered = await enter(3);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-in", [[0, "v:3"]], [entered])]);
  });

  test("§14.5 rows that are there by another disjunct are not sent again", async () => {
    await insertRow({ p: 3, inc: true });
    const reader = await readFresh({ table: "items", where: `${IN_KIND_1} OR inc = true` });
    const entered = await enter(3);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-in", [[0, "v:3"]], [entered])]);
    const left = await leave(3);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, "v:3"]], [left])]);
    await subject.sql("UPDATE items SET note = 'still there'");
    expect(told(await heard(reader, 1))).toEqual(["update 1"]);
  });

  test("§14.5 under NOT IN what enters moves rows out, and what leaves moves them in", async () => {
    await insertRow({ p: 3 });
    const reader = await readFresh({ table: "items", where: NOT_IN_KIND_1 });
    const entered = await enter(3);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, "v:3"]], [entered])]);
    const left = await leave(3);
    const messages = await heard(reader, 3);
    expect(messages[0]).toEqual(event(reader, "move-in", [[0, "v:3"]], [left]));
    expect(told(messages)).toEqual(["insert 1"]);
  });

  test("§14.5 under NOT IN a NULL that enters, or leaves, ends the shape", async () => {
    const where = "p NOT IN (SELECT other FROM groups WHERE kind = 1)";
    for (const other of ["NULL", "6"]) {
      const reader = await readFresh({ table: "items", where });
      await subject.sql(`UPDATE groups SET other = ${other} WHERE id = 1`);
      await eventually(async () => {
        const answer = await subject.get({ table: "items", where, ...reader.position });
        expect([answer.status, answer.json]).toEqual([409, MUST_REFETCH]);
      });
    }
  });

  test("§14.5 a value is there as long as one row gives it", async () => {
    await insertRow({ q: 9 });
    const where = "q IN (SELECT other FROM groups WHERE kind < 2)";
    const reader = await readFresh({ table: "items", where });
    await transact("DELETE FROM groups WHERE id = 3");
    await transact("UPDATE groups SET id = 40 WHERE id = 4");
    const left = await transact("UPDATE groups SET other = NULL WHERE id = 40");
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, "v:9"]], [left])]);
  });

  test("§14.5 what enters and leaves in one transaction is not spoken of", async () => {
    await insertRow({ p: 3 });
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    await transact(`
      UPDATE groups SET kind = 1 - kind WHERE id IN (1, 3);
      UPDATE groups SET kind = 1 - kind WHERE id IN (1, 3)`);
    const entered = await enter(4);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-in", [[0, "v:4"]], [entered])]);
  });

  test("§14.5 of a subquery in a subquery: what the inner one did, with its transaction", async () => {
    await insertRow({ p: 3 });
    await subject.sql("UPDATE groups SET kind = 9 WHERE id = 4");
    const openKinds = "SELECT id FROM kinds WHERE is_open";
    const where = `p IN (SELECT id FROM groups WHERE kind IN (${openKinds}))`;
    const reader = await readFresh({ table: "items", where });
    const setOpen = (isOpen: boolean) => {
      return transact(`UPDATE kinds SET is_open = ${isOpen} WHERE id = 0`);
    };
    const opened = await setOpen(true);
    expect(await heard(reader, 3)).toMatchObject([
      event(reader, "move-in", [[0, "v:3"]], [opened]),
      { headers: { is_move_in: true } },
      SNAPSHOT_END,
    ]);
    // Neither changes what the outer one gives.
    await transact("INSERT INTO kinds VALUES (7, true)");
    await transact("UPDATE groups SET kind = 7 WHERE id = 3");
    await transact("UPDATE groups SET kind = 0 WHERE id = 3");
    const closed = await setOpen(false);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, "v:3"]], [closed])]);
  });

  test("§14.1 subqueries of one table that give other columns are different", async () => {
    await insertRow({ p: 1, q: 7 });
    const other = "SELECT other FROM groups WHERE kind = 1";
    const both = await readFresh({ table: "items", where: `${IN_KIND_1} AND q IN (${other})` });
    const either = await readFresh({ table: "items", where: `${IN_KIND_1} OR q IN (${other})` });
    const byId = await readFresh({ table: "items", where: IN_KIND_1 });
    const byOther = await readFresh({ table: "items", where: `p IN (${other})` });
    const readers = [both, either, byId, byOther];
    expect(readers.map(({ rows }) => rows.length)).toEqual([1, 1, 1, 0]);
    const xid = await transact("UPDATE groups SET other = 1 WHERE id = 1");
    for (const reader of [both, either]) {
      expect(await heard(reader, 2)).toEqual([
        event(reader, "move-out", [[1, "v:7"]], [xid]),
        event(reader, "move-in", [[1, "v:1"]], [xid]),
      ]);
    }
    expect(await heard(byOther, 4)).toMatchObject([
      event(byOther, "move-out", [[0, "v:7"]], [xid]),
      event(byOther, "move-in", [[0, "v:1"]], [xid]),
      { headers: { is_move_in: true } },
      SNAPSHOT_END,
    ]);
    await byId.catchUp();
    expect(newsOf(byId)).toHaveLength(2);
  });
});

describe("§14.6 consistency", () => {
  test("§14.6 rows of a transaction that changes both tables are told of once", async () => {
    await insertRow({ p: 3 }, 1);
    await insertRow({ p: 1 }, 2);
    await insertRow({ p: 1 }, 3);
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    await transact(`
      UPDATE items SET note = 'stays' WHERE id = 3; UPDATE groups SET kind = 1 - kind WHERE id < 4;
      INSERT INTO items (id, p) VALUES (4, 3), (5, 1); UPDATE items SET p = 3 WHERE id = 3;
      UPDATE items SET note = 'came' WHERE p = 3; UPDATE groups SET kind = 0 WHERE id = 2`);
    await eventually(async () => {
      await reader.step({ live: "true" });
      const moved = reader.rows.filter(({ headers }) => headers["is_move_in"] === true);
      expect(told(moved).sort()).toEqual(["insert 1", "insert 3", "insert 4"]);
      expect(moved.map(({ value }) => value!["note"])).toEqual(["came", "came", "came"]);
    });
  });

  test("§14.6 what enters and leaves while rows are read is not spoken of", async () => {
    await insertRow({ p: 3 });
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    let entered = 0;
    await withTableLocked("items", async () => {
      entered = await enter(3);
      await enter(4);
      await leave(4);
    });
    expect(await heard(reader, 3)).toMatchObject([
      event(reader, "move-in", [[0, "v:3"]], [entered]),
      { headers: { is_move_in: true } },
      SNAPSHOT_END,
    ]);
    const left = await leave(1);
    expect(await heard(reader, 1)).toEqual([event(reader, "move-out", [[0, "v:1"]], [left])]);
  });

  test("§14.6 of what happened meanwhile, move-outs come first, with all transactions", async () => {
    await insertRow({ p: 4 });
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    const xids: number[] = [];
    let first = 0;
    await withTableLocked("items", async () => {
      first = await enter(3);
      xids.push(await enter(4), await leave(1));
    });
    expect(await heard(reader, 5)).toMatchObject([
      event(reader, "move-in", [[0, "v:3"]], [first]),
      event(reader, "move-out", [[0, "v:1"]], xids),
      event(reader, "move-in", [[0, "v:4"]], xids),
      { headers: { is_move_in: true } },
      SNAPSHOT_END,
    ]);
  });

  test("§14.6, §7.4 rows that are changed while others move keep what is stored apart", async () => {
    await insertRow({ p: 3, long: LONG }, 1);
    await insertRow({ p: 9, long: LONG }, 2);
    await insertRow({ p: 1, long: LONG }, 3);
    const reader = await readFresh({ table: "items", where: IN_KIND_1 });
    await withTableLocked("items", async (run) => {
      await enter(3);
      await run("UPDATE items SET note = 'meanwhile', p = CASE p WHEN 9 THEN 2 ELSE p END");
    });
    await eventually(async () => {
      await reader.step({ live: "true" });
      const rows = new Map<string, Row>();
      for (const { key, value } of reader.rows) rows.set(key!, { ...rows.get(key!), ...value });
      const row = { note: "meanwhile", long: LONG };
      expect([...rows.values()]).toHaveLength(3);
      expect([...rows.values()]).toMatchObject([row, row, row]);
    });
  });

  test.each([
    ["goes on", BUFFER_MAX_TRANSACTIONS, 200],
    ["ends", BUFFER_MAX_TRANSACTIONS + 1, 409],
  ])(
    "§14.6 a shape whose rows are waited for %s after %d transactions",
    async (_, count, status) => {
      await subject.sql("INSERT INTO parts VALUES (1, 1, 3), (2, 2, 3)");
      const where = IN_KIND_1;
      const reader = await readFresh({ table: "parts", where });
      const witness = await readFresh({ table: "parts", where: "p = 9" });
      // Nobody can read all of it, but one half can be written to.
      await withTableLocked("parts_2", async () => {
        await enter(3);
        for (let id = 10; id < 10 + count; id++) {
          await transact(`INSERT INTO parts_1 VALUES (${id}, 1, 9)`);
        }
        await witness.changes(count);
      });
      await eventually(async () => {
        const answer = await subject.get({ table: "parts", where, ...reader.position });
        expect(answer.status).toBe(status);
        if (status === 409) expect(answer.json).toEqual(MUST_REFETCH);
        else expect(told(answer.messages).sort()).toEqual(["insert 1", "insert 2"]);
      });
    },
  );
});
