/** Protocol section 6: offsets and chunks. */

import { describe, expect, test } from "vitest";
import {
  changesIn,
  serveLitz,
  SNAPSHOT_END,
  UP_TO_DATE,
  type Answer,
  type Message,
  type ShapeReader,
} from "./subject.ts";

const CHUNK_BYTES = 10_000;

const subject = serveLitz({
  schema: `
    CREATE TABLE items (id int PRIMARY KEY, title text);
    CREATE TABLE others (id int PRIMARY KEY);
    CREATE TABLE emptied (id int PRIMARY KEY);
    CREATE TABLE many AS SELECT n AS id, md5(n::text) AS title FROM generate_series(1, 400) n;
    ALTER TABLE many ADD PRIMARY KEY (id);`,
  settings: { ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: String(CHUNK_BYTES) },
});

const ITEMS = { table: "items" };

const offsetOf = ({ headers }: Message) =>
  `${String(headers["lsn"])}_${String(headers["op_position"])}`;

const positionsOf = (messages: readonly Message[]) =>
  messages.map(({ headers }) => headers["op_position"]);

/** Bytes of the messages, as the threshold counts them. */
function dataBytes(answer: Answer): number {
  const { length } = answer.text;
  return answer.header("electric-up-to-date") === null ? length : length - 90;
}

async function walPosition(): Promise<bigint> {
  const [row] = await subject.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn");
  return BigInt(row!["lsn"] as string);
}

/** Reads the log again from 0_inf on, in as many requests as it takes. */
async function readLog(reader: ShapeReader): Promise<Answer[]> {
  const answers: Answer[] = [];
  let position: Record<string, string> = { handle: reader.handle, offset: "0_inf" };
  do {
    answers.push(await subject.get({ ...reader.definition, ...position }));
    position = { ...answers.at(-1)!.position };
  } while (answers.at(-1)!.header("electric-up-to-date") === null);
  return answers;
}

describe("§6 real offsets", () => {
  test("§6 the first part is the LSN of the commit, the second counts by two from zero", async () => {
    const reader = await subject.read(ITEMS);
    const before = await walPosition();
    await subject.sql("INSERT INTO items VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    const after = await walPosition();
    const changes = await reader.changes(3);
    expect(positionsOf(changes)).toEqual([0, 2, 4]);
    const lsns = new Set(changes.map(({ headers }) => BigInt(headers["lsn"] as string)));
    expect(lsns.size).toBe(1);
    const [lsn] = lsns;
    expect(lsn! >= before && lsn! < after).toBe(true);
    expect(reader.offset).toBe(offsetOf(changes.at(-1)!));
  });

  test("§6 all published changes count, so that all shapes agree on a change's place", async () => {
    const items = await subject.read(ITEMS);
    const some = await subject.read({ ...ITEMS, where: "id = 12" });
    const others = await subject.read({ table: "others" });
    await subject.sql(
      `BEGIN; INSERT INTO items VALUES (11, 'x'); INSERT INTO others VALUES (1);
       INSERT INTO items VALUES (12, 'y'); INSERT INTO others VALUES (2); COMMIT`,
    );
    const [eleven, twelve] = await items.changes(2);
    expect(positionsOf([eleven!, twelve!])).toEqual([0, 4]);
    expect(positionsOf(await others.changes(2))).toEqual([2, 6]);
    expect(offsetOf((await some.changes(1))[0]!)).toBe(offsetOf(twelve!));
  });

  test("§6 a TRUNCATE counts as well", async () => {
    await subject.read({ table: "emptied" });
    const items = await subject.read(ITEMS);
    await subject.sql("BEGIN; TRUNCATE emptied; INSERT INTO items VALUES (21, 'x'); COMMIT");
    expect(positionsOf(await items.changes(1))).toEqual([2]);
  });

  test("§6 the insert of a new key takes the odd place", async () => {
    const items = await subject.read(ITEMS);
    await subject.sql(
      `BEGIN; INSERT INTO items VALUES (31, 'x'); UPDATE items SET id = 32 WHERE id = 31;
       INSERT INTO items VALUES (33, 'z'); COMMIT`,
    );
    expect(positionsOf(await items.changes(4))).toEqual([0, 2, 3, 4]);
  });

  test("§6 offsets grow with commits", async () => {
    const items = await subject.read(ITEMS);
    for (let id = 40; id < 45; id++) await subject.sql(`INSERT INTO items VALUES (${id})`);
    const lsns = (await items.changes(5)).map(({ headers }) => BigInt(headers["lsn"] as string));
    expect([...lsns].sort((a, b) => (a < b ? -1 : 1))).toEqual(lsns);
    expect(new Set(lsns).size).toBe(5);
  });
});

describe("§6 snapshot chunks", () => {
  test("§6 0_n is the end of chunk n; the row that reaches the threshold closes it", async () => {
    const reader = await subject.read({ table: "many" });
    const chunks = reader.answers.slice(0, -1);
    expect(chunks.length).toBeGreaterThan(3);
    expect(reader.answers.map((answer) => answer.header("electric-offset"))).toEqual([
      ...chunks.map((_, index) => `0_${index}`),
      "0_inf",
    ]);
    for (const chunk of chunks.slice(0, -1)) {
      const rows = chunk.messages.map((row) => JSON.stringify(row).length + 1);
      const size = rows.reduce((sum, length) => sum + length, 0);
      expect(size).toBeGreaterThanOrEqual(CHUNK_BYTES);
      expect(size - rows.at(-1)!).toBeLessThan(CHUNK_BYTES);
      expect(chunk.header("electric-up-to-date")).toBeNull();
    }
    expect(reader.rows).toHaveLength(400);
    expect(new Set(reader.rows.map(({ key }) => key)).size).toBe(400);
  });

  test("§6 snapshot-end is the last item of the last chunk, and up-to-date comes after it", async () => {
    const reader = await subject.read({ table: "many" });
    const controls = reader.messages.filter(({ headers }) => headers["control"] !== undefined);
    expect(controls).toEqual([SNAPSHOT_END, UP_TO_DATE]);
    expect(reader.answers.at(-2)!.messages.at(-1)).toEqual(SNAPSHOT_END);
    expect(reader.answers.at(-1)!.messages).toEqual([UP_TO_DATE]);
  });

  test("§6 when the last row closes a chunk, snapshot-end has one of its own", async () => {
    await subject.sql(
      `CREATE TABLE full_chunk (id int PRIMARY KEY, text text);
       INSERT INTO full_chunk VALUES (1, repeat('x', ${CHUNK_BYTES}))`,
    );
    const { answers } = await subject.read({ table: "full_chunk" });
    expect(changesIn(answers[0]!.messages)).toHaveLength(1);
    expect(answers[1]!.messages).toEqual([SNAPSHOT_END]);
    expect(answers[1]!.header("electric-offset")).toBe("0_1");
    expect(answers[2]!.messages).toEqual([UP_TO_DATE]);
  });

  test("§6 chunks may be asked for before they are there", async () => {
    await subject.sql(
      `CREATE TABLE wide AS SELECT n AS id, repeat(md5(n::text), 30) AS t
       FROM generate_series(1, 2000) n; ALTER TABLE wide ADD PRIMARY KEY (id)`,
    );
    const first = await subject.get({ table: "wide", offset: "-1" });
    const { handle } = first.position;
    const next = [0, 1, 2, 50].map((n) =>
      subject.get({ table: "wide", handle: handle!, offset: `0_${n}` }),
    );
    for (const [index, answer] of (await Promise.all(next)).entries()) {
      expect(answer.status, answer.text).toBe(200);
      expect(answer.header("electric-offset")).toBe(`0_${[1, 2, 3, 51][index]!}`);
      expect(answer.messages.length).toBeGreaterThan(0);
    }
  });
});

describe("§6 log chunks", () => {
  test("§6 the entry that reaches the threshold closes a chunk, in the middle of a transaction too", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id >= 1000 AND id < 2000" });
    await subject.sql(
      "INSERT INTO items SELECT n, md5(n::text) FROM generate_series(1000, 1399) n",
    );
    await reader.changes(400);
    const answers = await readLog(reader);
    expect(answers.length).toBeGreaterThan(3);
    for (const answer of answers.slice(0, -1)) {
      expect(dataBytes(answer)).toBeGreaterThan(0.8 * CHUNK_BYTES);
      expect(dataBytes(answer)).toBeLessThan(1.2 * CHUNK_BYTES);
      const last = answer.messages.at(-1)!;
      expect(answer.header("electric-offset")).toBe(offsetOf(last));
      expect(last.headers["last"]).toBeUndefined();
    }
    expect(dataBytes(answers.at(-1)!)).toBeLessThan(1.1 * CHUNK_BYTES);
    const changes = changesIn(answers.flatMap(({ messages }) => messages));
    expect(positionsOf(changes)).toEqual(Array.from({ length: 400 }, (_, index) => 2 * index));
    expect(changes.filter(({ headers }) => headers["last"] === true)).toEqual([changes.at(-1)]);
  });

  test("§6 a full chunk never changes: its URL may be kept", async () => {
    const reader = await subject.read({ ...ITEMS, where: "id >= 2000" });
    await subject.sql(
      "INSERT INTO items SELECT n, md5(n::text) FROM generate_series(2000, 2199) n",
    );
    await reader.changes(200);
    const before = await readLog(reader);
    await subject.sql(
      "INSERT INTO items SELECT n, md5(n::text) FROM generate_series(2200, 2399) n",
    );
    await reader.changes(200);
    const after = await readLog(reader);
    for (const [index, answer] of before.slice(0, -1).entries()) {
      expect(after[index]!.text).toBe(answer.text);
      expect(after[index]!.header("etag")).toBe(answer.header("etag"));
    }
  });
});
