/** Protocol section 5: what is answered where in a log, and when. */

import { describe, expect, test } from "vitest";
import {
  changesIn,
  errorsIn,
  EventStream,
  JSON_TYPE,
  MUST_REFETCH,
  serveLitz,
  SNAPSHOT_END,
  told,
  UP_TO_DATE,
  type Answer,
  type Message,
  type ShapeReader,
} from "./subject.ts";

const schema = `
  CREATE TABLE items (id int PRIMARY KEY, title text);
  INSERT INTO items VALUES (1, 'a'), (2, 'b');
  CREATE TABLE quiet (id int PRIMARY KEY);
  CREATE TABLE other (id serial PRIMARY KEY, text text);`;
/** Gives up a long-poll after a second, and an offset out of bounds after half of one. */
const subject = serveLitz({ schema, settings: { ELECTRIC_SSE_TIMEOUT: "2000" } });
/** For requests that have to be answered by what happens and not by the clock. */
const patient = serveLitz({
  schema,
  settings: { ELECTRIC_LONG_POLL_TIMEOUT: "60000", ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD: "1000" },
});

const ITEMS = { table: "items" };

function lsnOf(message: Message | undefined): bigint {
  return BigInt(message!.headers["global_last_seen_lsn"] as string);
}

/** A change that no shape of the caller sees; resolves with its position. */
async function changeElsewhere(server = subject): Promise<bigint> {
  const elsewhere = await server.read({ table: "other" });
  await server.sql("INSERT INTO other (text) VALUES ('x')");
  const changes = await elsewhere.changes(1);
  return BigInt(changes[0]!.headers["lsn"] as string);
}

describe("§5.2 look-up", () => {
  test("§5.2 without a handle the definition finds the shape, or makes it", async () => {
    const definition = { ...ITEMS, where: "id > 0" };
    const first = await subject.get({ ...definition, offset: "now" });
    const second = await subject.get({ ...definition, offset: "-1" });
    expect(second.header("electric-handle")).toBe(first.header("electric-handle"));
  });
});

describe("§5.4 non-live", () => {
  test("§5.4 offset=-1 is the snapshot's first chunk, ends at 0_0 and is never up to date", async () => {
    await subject.read(ITEMS);
    const answer = await subject.get({ ...ITEMS, offset: "-1" });
    expect(told(answer.messages).sort()).toEqual(["insert 1", "insert 2"]);
    expect(answer.messages.at(-1)).toEqual(SNAPSHOT_END);
    expect(answer.header("electric-offset")).toBe("0_0");
    expect(answer.header("electric-up-to-date")).toBeNull();
  });

  test("§5.4 0_0 after a snapshot of one chunk, the log still empty", async () => {
    const { position } = await subject.get({ table: "quiet", offset: "-1" });
    const answer = await subject.get({ table: "quiet", ...position });
    expect(answer.messages).toEqual([UP_TO_DATE]);
    expect(answer.header("electric-offset")).toBe("0_inf");
    expect(answer.header("electric-up-to-date")).toBe("");
  });

  test("§5.4 entries behind the offset, then up-to-date", async () => {
    const reader = await patient.read(ITEMS);
    await patient.sql("INSERT INTO items VALUES (10, 'x')");
    await reader.changes(1);
    await patient.sql("INSERT INTO items VALUES (11, 'y')");
    await reader.changes(1);
    const first = reader.rows.at(-2)!.headers;
    const offset = `${String(first["lsn"])}_${String(first["op_position"])}`;
    const answer = await patient.get({ ...ITEMS, handle: reader.handle, offset });
    expect(told(answer.messages)).toEqual(["insert 11"]);
    expect(answer.messages.at(-1)).toEqual(UP_TO_DATE);
    expect(answer.header("electric-offset")).toBe(reader.offset);
  });

  test("§5.4 up-to-date names a position that has been reached, of this shape or another", async () => {
    const reader = await subject.read(ITEMS);
    const position = await changeElsewhere();
    const answer = await reader.step();
    expect(lsnOf(answer.messages.at(-1)) >= position).toBe(true);
  });

  test("§5.4 no request sees half a transaction", async () => {
    const reader = await subject.read({ table: "other", where: "text LIKE 'half%'" });
    for (let round = 0; round < 5; round++) {
      const writing = subject.sql(
        `INSERT INTO other (text) SELECT 'half ' || n FROM generate_series(1, 50) n`,
      );
      const before = reader.rows.length;
      while (reader.rows.length === before) await reader.step({ live: "true" });
      await writing;
      expect(reader.rows).toHaveLength(before + 50);
    }
  });
});

describe("§5.5 offsets out of bounds", () => {
  const FAR = "9000000000000000000_0";

  test("§5.5 after half a long-poll they are refused, live or not", async () => {
    const { handle } = await subject.read(ITEMS);
    for (const live of ["false", "true"]) {
      const start = performance.now();
      const answer = await subject.get({ ...ITEMS, handle, offset: FAR, live });
      expect(errorsIn(answer)).toEqual({ offset: ["out of bounds for this shape"] });
      expect(performance.now() - start).toBeGreaterThan(450);
    }
  });

  test("§5.5 one that comes within bounds is served", async () => {
    const reader = await patient.read({ table: "other" });
    const [row] = await patient.sql(
      "SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS position",
    );
    const offset = `${BigInt(row!["position"] as string) + 100_000n}_0`;
    const held = patient.get({ table: "other", handle: reader.handle, offset });
    await patient.sql("SELECT pg_logical_emit_message(false, 'litz', repeat('x', 200000))");
    await changeElsewhere(patient);
    const answer = await held;
    expect(answer.status, answer.text).toBe(200);
    expect(answer.messages.at(-1)).toEqual(UP_TO_DATE);
  });

  test("§5.5 a shape that is rotated meanwhile is a 409", async () => {
    const definition = { ...ITEMS, where: "id = 55" };
    const { handle } = await patient.read(definition);
    const held = patient.get({ ...definition, handle, offset: FAR });
    await patient.delete({ handle });
    expect((await held).status).toBe(409);
  });
});

describe("§5.6 offset=now", () => {
  test("§5.6 a new shape: made, up to date, at its end", async () => {
    const definition = { ...ITEMS, where: "id >= 600" };
    const answer = await subject.get({ ...definition, offset: "now" });
    expect(answer.messages).toEqual([UP_TO_DATE]);
    expect(answer.header("electric-offset")).toBe("0_inf");
    expect(answer.header("electric-has-data")).toBe("false");
    await subject.sql("INSERT INTO items VALUES (600, 'later')");
    const reader = await subject.read(definition);
    expect(reader.handle).toBe(answer.header("electric-handle"));
    const live = await subject.get({ ...definition, ...answer.position, live: "true" });
    expect(told(live.messages).concat(told(reader.messages))).toContain("insert 600");
  });

  test("§5.6 of a shape with a log: its last entry, and a position that is not behind it", async () => {
    const reader = await subject.read({ table: "other" });
    await subject.sql("INSERT INTO other (text) VALUES ('now')");
    await reader.changes(1);
    const answer = await subject.get({ table: "other", offset: "now" });
    expect(answer.header("electric-offset")).toBe(reader.offset);
    expect(lsnOf(answer.messages[0]) >= BigInt(reader.offset.split("_")[0]!)).toBe(true);
  });
});

describe("§5.7 long-poll", () => {
  test("§5.7 what is there is answered at once", async () => {
    const definition = { table: "other", where: "text = 'there'" };
    const reader = await patient.read(definition);
    await patient.sql("INSERT INTO other (text) VALUES ('there')");
    await reader.changes(1);
    const { handle } = reader;
    const answer = await patient.get({ ...definition, handle, offset: "0_inf", live: "true" });
    expect(changesIn(answer.messages)).toHaveLength(1);
    const last = changesIn(answer.messages).at(-1)!;
    expect(answer.messages.at(-1)).toEqual(UP_TO_DATE);
    expect(String(lsnOf(answer.messages.at(-1)))).toBe(last.headers["lsn"]);
  });

  test("§5.7 a held request is answered by the change", async () => {
    const reader = await patient.read({ table: "quiet" });
    const held = reader.step({ live: "true" });
    await patient.sql("INSERT INTO quiet VALUES (1)");
    const answer = await held;
    expect(told(answer.messages)).toEqual(["insert 1"]);
    expect(answer.header("electric-offset")).toBe(reader.offset);
  });

  test("§5.7 when nothing happens: after the timeout, the same offset and the global position", async () => {
    const reader = await subject.read({ table: "quiet" });
    const before = reader.offset;
    const position = await changeElsewhere();
    const start = performance.now();
    const answer = await reader.step({ live: "true" });
    expect(performance.now() - start).toBeGreaterThan(950);
    expect(answer.messages).toEqual([UP_TO_DATE]);
    expect(answer.header("electric-offset")).toBe(before);
    expect(lsnOf(answer.messages[0]) >= position).toBe(true);
  });

  test("§5.7 many who wait for the same thing get the same answer", async () => {
    const reader = await patient.read({ ...ITEMS, where: "id > 700" });
    const parameters = { ...reader.definition, ...reader.position, live: "true", cursor: "1" };
    const held = Array.from({ length: 20 }, () => patient.get(parameters));
    await patient.sql("INSERT INTO items VALUES (701, 'all')");
    const texts = new Set((await Promise.all(held)).map(({ text }) => text));
    expect(texts.size).toBe(1);
  });

  test("§5.7 live within the snapshot is the next chunk", async () => {
    await patient.sql(`CREATE TABLE rows AS SELECT n AS id, repeat('x', 100) AS text
                       FROM generate_series(1, 50) n; ALTER TABLE rows ADD PRIMARY KEY (id)`);
    const { position } = await patient.get({ table: "rows", offset: "-1" });
    const answer = await patient.get({ table: "rows", ...position, live: "true" });
    expect(answer.header("electric-offset")).toBe("0_1");
    expect(changesIn(answer.messages).length).toBeGreaterThan(0);
    expect(answer.header("electric-up-to-date")).toBeNull();
  });
});

describe("§5.8 event streams", () => {
  async function insert(server: typeof subject, id: number): Promise<void> {
    await server.sql(`INSERT INTO items VALUES (${id}, 'line\nbreak')`);
  }

  async function open(reader: ShapeReader, server = patient): Promise<EventStream> {
    return EventStream.open(server, { ...reader.definition, ...reader.position });
  }

  test("§5.8 the head comes at once, and nothing while nothing is pending", async () => {
    const stream = await open(await patient.read({ ...ITEMS, where: "id = 800" }));
    expect(stream.head.status).toBe(200);
    expect(stream.head.header("content-type")).toBe("text/event-stream");
    expect(stream.head.header("connection")).toBe("keep-alive");
    await changeElsewhere(patient);
    expect(stream.text).toBe("");
    stream.close();
  });

  test("§5.8 a message is an event on one line; up-to-date ends a batch", async () => {
    const reader = await patient.read({ ...ITEMS, where: "id >= 810 AND id < 820" });
    const stream = await open(reader);
    await insert(patient, 810);
    await stream.batches(1);
    await insert(patient, 811);
    const messages = await stream.batches(2);
    expect(told(messages)).toEqual(["insert 810", "insert 811"]);
    expect(messages.map(({ headers }) => headers["control"])).toEqual([
      undefined,
      "up-to-date",
      undefined,
      "up-to-date",
    ]);
    for (const event of stream.events) expect(event).toMatch(/^data: \{.*\}$/);
    stream.close();
  });

  test("§5.8 what is pending comes first, and the stream stays open", async () => {
    const reader = await patient.read({ ...ITEMS, where: "id >= 820 AND id < 830" });
    await insert(patient, 820);
    await reader.changes(1);
    const stream = await EventStream.open(patient, {
      ...reader.definition,
      handle: reader.handle,
      offset: "0_inf",
    });
    await stream.batches(1);
    await insert(patient, 821);
    expect(told(await stream.batches(2))).toEqual(["insert 820", "insert 821"]);
    stream.close();
  });

  test("§5.8 from <global_last_seen_lsn>_0 on nothing is missed and nothing comes twice", async () => {
    const reader = await patient.read({ ...ITEMS, where: "id >= 830 AND id < 840" });
    const first = await open(reader);
    await patient.sql("INSERT INTO items VALUES (830, 'a'), (831, 'b'), (832, 'c')");
    const lsn = lsnOf((await first.batches(1)).at(-1));
    first.close();
    const second = await EventStream.open(patient, {
      ...reader.definition,
      handle: reader.handle,
      offset: `${lsn}_0`,
    });
    expect(second.head.status).toBe(200);
    await insert(patient, 833);
    expect(told(await second.batches(1))).toEqual(["insert 833"]);
    second.close();
  });

  test("§5.8 chunks of a log follow one another, with one up-to-date at the end", async () => {
    const reader = await patient.read({ ...ITEMS, where: "id >= 840 AND id < 900" });
    await patient.sql(
      `INSERT INTO items SELECT n, repeat('x', 200) FROM generate_series(840, 869) n`,
    );
    await reader.changes(30);
    expect(reader.answers.length).toBeGreaterThan(3);
    const stream = await EventStream.open(patient, {
      ...reader.definition,
      handle: reader.handle,
      offset: "0_inf",
    });
    const messages = await stream.batches(1);
    expect(changesIn(messages)).toHaveLength(30);
    expect(messages).toHaveLength(31);
    stream.close();
  });

  test("§5.8 a rotation closes the stream, and the next request is told", async () => {
    const reader = await patient.read({ ...ITEMS, where: "id = 900" });
    const stream = await open(reader);
    await patient.delete({ handle: reader.handle });
    await stream.closed();
    expect(stream.text).toBe("");
    const next = await EventStream.open(patient, { ...reader.definition, ...reader.position });
    expect(next.head.status).toBe(409);
  });

  test("§5.8 errors and 409 are ordinary answers", async () => {
    const answers: [number, Answer][] = [];
    const live = { live: "true", live_sse: "true" };
    answers.push([
      400,
      await subject.get({ ...live, table: "nope", offset: "0_0", handle: "1-1" }),
    ]);
    answers.push([409, await subject.get({ ...live, ...ITEMS, offset: "0_0", handle: "1-1" })]);
    for (const [status, answer] of answers) {
      expect(answer.status).toBe(status);
      expect(answer.header("content-type")).toBe(JSON_TYPE);
    }
    expect(answers[1]![1].json).toEqual(MUST_REFETCH);
  });

  test("§5.8 the server closes a stream after its time", async () => {
    const stream = await open(await subject.read({ ...ITEMS, where: "id = 901" }), subject);
    const start = performance.now();
    await stream.closed();
    expect(performance.now() - start).toBeGreaterThan(1_000);
  });
});
