/**
 * The stream: frames, transactions and every reason to stop.
 *
 * Goals: the bytes may be cut anywhere; what Postgres cannot have sent is a typed stop and never a
 * trap; a row that cannot be routed exactly is reported and not guessed at; a change is never
 * split; `run` neither allocates nor moves memory.
 */

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { RelationId, ShapeId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { StreamFigures } from "../../src/router/stream-figures.ts";
import { MalformedReason, RunOutcome, UnroutableReason } from "../../src/router/run-outcome.ts";
import { check } from "../support/property.ts";
import * as pgoutput from "../support/pgoutput.ts";
import { UNCHANGED, walData } from "../support/pgoutput.ts";
import { BUILDS, RoutingHarness } from "../support/routing-harness.ts";
import type { ModelTemplate } from "../support/routing-model.ts";

const OID = 16384;
const items: RelationDescription = {
  oid: OID,
  schema: "public",
  name: "items",
  columns: ["id", "tenant", "title"].map((name) => ({ name, isBool: false })),
  key: [0],
};
const byTenant: ModelTemplate = {
  relation: items,
  terms: [{ column: 1, kind: "int" }],
  columns: [0, 1, 2],
  replica: "default",
};
const byTenantFull: ModelTemplate = { ...byTenant, replica: "full" };
const all: ModelTemplate = { ...byTenant, terms: [] };

const row = (id: number, tenant: number, title = "x"): string[] => [`${id}`, `${tenant}`, title];

describe.each(BUILDS)("%s", (build) => {
  let harness: RoutingHarness;
  let relation: RelationId;

  beforeEach(() => {
    harness = new RoutingHarness(build);
    relation = harness.addRelation(items);
    for (const template of [byTenant, byTenantFull, all]) harness.addTemplate(relation, template);
    harness.addShape(byTenant, ["7"]);
  });

  /** Receives bytes and runs once. */
  const run = (...messages: readonly Uint8Array[]): RunOutcome => {
    expect(harness.router.receive(Buffer.concat(messages))).toBe(true);
    return harness.router.run();
  };
  const begun = (lsn = 100n): Buffer => walData(pgoutput.begin(lsn, 700));

  test("bodies are those of the protocol", () => {
    harness.addShape(byTenantFull, ["7"]);
    const bodies = harness.route(
      pgoutput.transaction(26_800_584n, 744, [
        pgoutput.insert(OID, ["a/b", "7", null]),
        pgoutput.update(OID, ["a/b", "7", "new"], { kind: "O", tuple: ["a/b", "7", "old"] }),
        pgoutput.update(OID, ["c", "7", "new"], { kind: "O", tuple: ["a", "7", "new"] }),
        pgoutput.remove(OID, { kind: "O", tuple: ["c", "7", "\u0001"] }),
      ]),
    );
    const headers = (operation: string, op: number, more = ""): string =>
      `"headers":{"operation":"${operation}","relation":["public","items"],"txids":[744],` +
      `"lsn":"26800584","op_position":${op}${more}}}`;
    const inserted = headers("insert", 0);
    const key = (id: string): string => String.raw`\"public\".\"items\"/\"${id}\"`;
    const expected = [
      `{"key":"${key("a//b")}","value":{"id":"a/b","tenant":"7","title":null},${inserted}`,
      `{"key":"${key("a//b")}","value":{"id":"a/b","title":"new"},${headers("update", 2)}`,
      `{"key":"${key("a//b")}","value":{"id":"a/b","tenant":"7","title":"new"},` +
        `"old_value":{"title":"old"},${headers("update", 2)}`,
      `{"key":"${key("a")}","value":{"id":"a"},` +
        headers("delete", 4, `,"key_change_to":"${key("c")}"`),
      `{"key":"${key("c")}","value":{"id":"c","tenant":"7","title":"new"},` +
        headers("insert", 5, `,"key_change_from":"${key("a")}"`),
      `{"key":"${key("c")}","value":{"id":"c","tenant":"7","title":"\\u0001"},` +
        headers("delete", 6),
    ];
    const texts = bodies.map((body) => body.text);
    for (const text of expected) expect(texts).toContain(text);
  });

  test("the bytes may be cut anywhere", () => {
    const bytes = Buffer.concat([
      pgoutput.transaction(100n, 1, [
        pgoutput.insert(OID, row(1, 7)),
        pgoutput.insert(OID, row(2, 8)),
      ]),
      pgoutput.transaction(200n, 2, [
        pgoutput.update(OID, row(1, 8), { kind: "O", tuple: row(1, 7) }),
      ]),
    ]);
    const whole = harness.route(bytes);
    expect(whole).toHaveLength(2);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
      expect(parts.flatMap((part) => harness.route(part))).toEqual(whole);
      expect(harness.router.pendingBytes).toBe(0);
    }
    expect([...bytes].flatMap((byte) => harness.route(Buffer.from([byte])))).toEqual(whole);
  });

  test("a transaction's stops tell where it lies", () => {
    const { router } = harness;
    expect(run(begun(5_000_000_000n), walData(pgoutput.insert(OID, row(1, 7))))).toBe(
      RunOutcome.NEEDS_INPUT,
    );
    expect([router.isInTransaction, router.transactionLsn, router.xid, router.op]).toEqual([
      true,
      5_000_000_000n,
      700,
      2,
    ]);
    expect(router.commitLsn).toBe(0n);
    const end = pgoutput.commit(5_000_000_000n, 5_000_000_048n, 820_000_000_000_000n);
    expect(run(walData(end))).toBe(RunOutcome.COMMIT);
    expect([router.isInTransaction, router.commitLsn, router.endLsn]).toEqual([
      false,
      5_000_000_000n,
      5_000_000_048n,
    ]);
    expect(router.commitTimeMicroseconds).toBe(820_000_000_000_000);
    expect(router.bodyCount).toBe(1);
  });

  test("changes are counted, wanted or not, once, whatever becomes of the connection", () => {
    const figures = new StreamFigures(harness.core);
    expect([figures.changeCount, figures.commitTimeMicroseconds]).toEqual([0, undefined]);
    const changes = [1, 2, 3].map((id) => pgoutput.insert(OID, row(id, id + 5)));
    run(pgoutput.transaction(100n, 1, changes));
    expect([figures.changeCount, figures.transactionCount]).toEqual([3, 1]);
    // An end without a commit, then all of it again: what is stored is not counted twice.
    run(begun(200n), walData(changes[0]!));
    harness.router.resetStream();
    expect(figures.changeCount).toBe(3);
    harness.router.skipTo(100n as Lsn);
    run(pgoutput.transaction(100n, 1, changes), pgoutput.transaction(200n, 2, changes));
    expect(figures.changeCount).toBe(6);
  });

  test("a commit tells how late it was sent", () => {
    const figures = new StreamFigures(harness.core);
    expect(figures.delayMicroseconds).toBeUndefined();
    const committed = 820_000_000_000_000n;
    const end = pgoutput.commit(300n, 301n, committed);
    run(begun(300n), walData(end, 0n, 0n, committed + 7_000_000n));
    expect(figures.delayMicroseconds).toBe(7_000_000);
    expect(figures.commitTimeMicroseconds).toBe(820_000_000_000_000 + Date.UTC(2000, 0, 1) * 1000);
    // Clocks are set back now and then.
    run(begun(400n), walData(pgoutput.commit(400n, 401n, committed), 0n, 0n, committed - 1n));
    expect(figures.delayMicroseconds).toBe(0);
  });

  test("a transaction that reaches nobody passes, unless somebody waits for a boundary", () => {
    const { router } = harness;
    const bytes = pgoutput.transaction(100n, 1, [pgoutput.insert(OID, row(1, 8))]);
    expect(run(bytes)).toBe(RunOutcome.NEEDS_INPUT);
    expect(router.commitLsn).toBe(100n);
    router.stopsAtEveryCommit = true;
    expect(run(pgoutput.transaction(200n, 2, []))).toBe(RunOutcome.COMMIT);
    router.stopsAtEveryCommit = false;
    expect(run(pgoutput.transaction(300n, 3, []))).toBe(RunOutcome.NEEDS_INPUT);
    expect(router.commitLsn).toBe(300n);
  });

  test("Relation and Truncate are TypeScript's; Type, Origin and Message nobody's", () => {
    const { router } = harness;
    const message = pgoutput.relation(OID, "public", "items", [{ name: "id", typeOid: 23 }]);
    expect(run(begun(), walData(message))).toBe(RunOutcome.MESSAGE);
    expect(String.fromCharCode(router.messageKind)).toBe("R");
    const { messageAddress, messageSize } = router;
    const handed = router.bytes.subarray(messageAddress, messageAddress + messageSize);
    expect(Buffer.from(handed)).toEqual(message);
    const ignored = [
      pgoutput.type(600, "public", "mood"),
      pgoutput.origin(1n, "elsewhere"),
      pgoutput.logicalMessage(1n, "prefix", "content"),
    ].map((each) => walData(each));
    expect(run(...ignored, walData(pgoutput.truncate([OID, 5])))).toBe(RunOutcome.MESSAGE);
    expect(String.fromCharCode(router.messageKind)).toBe("T");
    router.addOps(2);
    run(walData(pgoutput.insert(OID, row(1, 7))));
    expect(router.bodyOp(0)).toBe(4);
  });

  test("keepalives and foreign frames stop, inside a transaction too", () => {
    const { router } = harness;
    expect(run(begun(), pgoutput.keepalive(0x1_0000_0002n, true))).toBe(RunOutcome.KEEPALIVE);
    expect([router.walEnd, router.isReplyRequested]).toEqual([0x1_0000_0002n, true]);
    expect(run(pgoutput.keepalive(3n))).toBe(RunOutcome.KEEPALIVE);
    expect([router.walEnd, router.isReplyRequested]).toEqual([3n, false]);
    expect(run(pgoutput.frame("E", Buffer.from("oops\0")))).toBe(RunOutcome.FOREIGN_FRAME);
    expect(String.fromCharCode(router.messageKind)).toBe("E");
    const { messageAddress } = router;
    expect(Buffer.from(router.bytes.subarray(messageAddress, messageAddress + 4)).toString()).toBe(
      "oops",
    );
    expect(router.isInTransaction).toBe(true);
  });

  test("what lies at or below skipTo is not routed again", () => {
    const { router } = harness;
    router.skipTo(0x1_0000_0000n as Lsn);
    const change = pgoutput.insert(OID, row(1, 7));
    const messages = [pgoutput.truncate([OID]), change];
    expect(harness.route(pgoutput.transaction(0xffff_ffffn, 1, messages))).toEqual([]);
    expect(harness.route(pgoutput.transaction(0x1_0000_0000n, 2, [change]))).toEqual([]);
    expect(harness.route(pgoutput.transaction(0x1_0000_0001n, 3, [change]))).toHaveLength(1);
  });

  test("a reset forgets a half-received transaction", () => {
    const { router } = harness;
    const change = pgoutput.insert(OID, row(1, 7));
    run(begun(), walData(change), walData(change).subarray(0, 9));
    expect(router.bodyCount).toBe(1);
    router.resetStream();
    expect([router.bodyCount, router.isInTransaction, router.pendingBytes]).toEqual([0, false, 0]);
    expect(harness.route(pgoutput.transaction(100n, 1, [change]))).toHaveLength(1);
  });

  test("rows that cannot be routed exactly are reported, once per transaction, and counted", () => {
    const { router } = harness;
    const cases = [
      [pgoutput.update(OID, row(1, 7)), UnroutableReason.OLD_ROW_MISSING],
      [
        pgoutput.update(OID, row(1, 7), { kind: "K", tuple: ["1", null, null] }),
        UnroutableReason.OLD_ROW_MISSING,
      ],
      [
        pgoutput.remove(OID, { kind: "K", tuple: ["1", null, null] }),
        UnroutableReason.OLD_ROW_MISSING,
      ],
      [pgoutput.insert(OID, ["1", UNCHANGED, "x"]), UnroutableReason.TOAST_MISSING],
      [pgoutput.insert(OID, ["1", "7", UNCHANGED]), UnroutableReason.TOAST_MISSING],
      [pgoutput.insert(OID, ["1", "7"]), UnroutableReason.ROW_TOO_NARROW],
      [pgoutput.remove(OID, { kind: "O", tuple: ["1"] }), UnroutableReason.ROW_TOO_NARROW],
    ] as const;
    for (const [index, [message, reason]] of cases.entries()) {
      expect(run(begun(BigInt(index + 1)), walData(message))).toBe(RunOutcome.UNROUTABLE);
      expect([router.unroutableRelation, router.unroutableReason]).toEqual([relation, reason]);
      expect(run(walData(message), walData(pgoutput.insert(OID, row(9, 7))))).toBe(
        RunOutcome.NEEDS_INPUT,
      );
      expect(router.bodyCount).toBe(1);
      expect(router.bodyOp(0)).toBe(4);
      expect(run(walData(pgoutput.commit(BigInt(index + 1))))).toBe(RunOutcome.COMMIT);
      router.clearOutput();
    }
  });

  test("a table without shapes may send what it likes, and so may an unknown one", () => {
    harness.removeShape([...harness.shapes.keys()][0] as ShapeId);
    for (const oid of [OID, 1]) {
      const messages = [pgoutput.update(oid, ["1"]), pgoutput.insert(oid, [Buffer.from("b")])];
      expect(harness.route(pgoutput.transaction(100n, 1, messages))).toEqual([]);
    }
  });

  test("a row may be wider than the layout, and a column may not be on the wire", () => {
    harness.router.setRelationLayout(relation, Uint16Array.of(0, 1, 0xffff));
    const [body] = harness.route(
      pgoutput.transaction(1n, 1, [pgoutput.insert(OID, ["1", "7", "?", "?"])]),
    );
    expect(JSON.parse(body!.text)).toMatchObject({ value: { id: "1", tenant: "7" } });
    expect(body!.text).not.toContain("title");
    expect(run(begun(2n), walData(pgoutput.insert(OID, ["1"])))).toBe(RunOutcome.UNROUTABLE);
  });

  test.each([
    ["a type that is no letter", Buffer.from([0, 0, 0, 0, 5, 0]), MalformedReason.FRAME],
    ["a size below its own", Buffer.from([0x64, 0, 0, 0, 3]), MalformedReason.FRAME],
    ["an impossible size", Buffer.from([0x64, 0x7f, 0, 0, 0]), MalformedReason.FRAME],
    ["empty CopyData", pgoutput.frame("d", Buffer.of()), MalformedReason.COPY_DATA],
    ["CopyData of no kind", pgoutput.frame("d", Buffer.from("zzz")), MalformedReason.COPY_DATA],
    ["a short keepalive", pgoutput.frame("d", Buffer.from("k123")), MalformedReason.COPY_DATA],
    ["an unknown message", walData(Buffer.from("?")), MalformedReason.MESSAGE_KIND],
    ["a Begin inside", walData(pgoutput.begin(1n, 1)), MalformedReason.TRANSACTION],
    ["another's Commit", walData(pgoutput.commit(99n)), MalformedReason.TRANSACTION],
    ["a short Commit", walData(Buffer.from("C12")), MalformedReason.MESSAGE_CUT_SHORT],
    [
      "a binary value",
      walData(pgoutput.insert(OID, ["1", Buffer.of(7), "x"])),
      MalformedReason.COLUMN_KIND,
    ],
    [
      "an update without tuples",
      walData(Buffer.from("U\0\0\x40\0X\0\0\0", "latin1")),
      MalformedReason.MESSAGE_KIND,
    ],
    [
      "a row cut short",
      walData(pgoutput.insert(OID, row(1, 7)).subarray(0, -1)),
      MalformedReason.MESSAGE_CUT_SHORT,
    ],
  ])("malformed: %s", (_, bytes, reason) => {
    expect(run(begun(), bytes)).toBe(RunOutcome.MALFORMED);
    expect(harness.router.malformedReason).toBe(reason);
    expect(harness.router.run()).toBe(RunOutcome.MALFORMED);
    expect(harness.router.bodyCount).toBe(0);
    harness.router.resetStream();
    const good = pgoutput.transaction(100n, 1, [pgoutput.insert(OID, row(1, 7))]);
    expect(harness.route(good)).toHaveLength(1);
  });

  test("a row outside a transaction is malformed", () => {
    expect(run(walData(pgoutput.insert(OID, row(1, 7))))).toBe(RunOutcome.MALFORMED);
    expect(harness.router.malformedReason).toBe(MalformedReason.TRANSACTION);
  });

  test("no bytes whatever are a trap", () => {
    harness.addShape(byTenantFull, ["7"]);
    harness.addShape(all, []);
    const sound = pgoutput.transaction(100n, 1, [
      pgoutput.insert(OID, row(1, 7)),
      pgoutput.update(OID, ["1", "7", UNCHANGED], { kind: "O", tuple: row(2, 7) }),
      pgoutput.remove(OID, { kind: "O", tuple: row(1, 7) }),
      pgoutput.truncate([OID]),
    ]);
    const edit = fc.record({ at: fc.nat(sound.length - 1), byte: fc.nat(255) });
    const edited = fc.record({
      edits: fc.array(edit, { maxLength: 6 }),
      cut: fc.nat(sound.length),
    });
    check(
      fc.property(edited, ({ edits, cut }) => {
        const { router } = harness;
        const bytes = Buffer.from(sound);
        for (const { at, byte } of edits) bytes[at] = byte;
        router.resetStream();
        router.receive(bytes.subarray(0, cut));
        for (let stops = 0; stops < 40; stops++) {
          const outcome = router.run();
          router.clearOutput();
          if (outcome === RunOutcome.NEEDS_INPUT || outcome === RunOutcome.MALFORMED) break;
        }
        harness.verify();
        router.resetStream();
        const good = pgoutput.transaction(1n, 1, [pgoutput.insert(OID, row(1, 7))]);
        expect(harness.route(good).flatMap((body) => body.ids)).toHaveLength(3);
      }),
      300,
    );
  });

  test("the output is taken between changes, never within one", () => {
    const { router } = harness;
    harness.addShape(byTenantFull, ["7"]);
    harness.addShape(all, []);
    const title = '"'.repeat(20_000);
    const messages = Array.from({ length: 30 }, (_, id) => pgoutput.insert(OID, row(id, 7, title)));
    router.receive(pgoutput.transaction(100n, 1, messages));
    const { buffer } = harness.core.exports.memory;
    const ops: number[] = [];
    let outcome: RunOutcome;
    do {
      outcome = router.run();
      const counts = new Map<number, number>();
      for (const { op, text } of harness.takeOutput()) {
        counts.set(op, (counts.get(op) ?? 0) + 1);
        expect((JSON.parse(text) as { value: { title: string } }).value.title).toBe(title);
      }
      // Three shapes in two projections.
      expect([...counts.values()].every((count) => count === 2)).toBe(true);
      ops.push(...counts.keys());
    } while (outcome === RunOutcome.OUTPUT_FULL);
    expect(outcome).toBe(RunOutcome.COMMIT);
    expect(ops).toEqual(messages.map((_, index) => index * 2));
    expect(harness.core.exports.memory.buffer).toBe(buffer);
  });

  test("a change bigger than the output, and than the input, asks for room", () => {
    const { router } = harness;
    const title = "\u0001".repeat(1_500_000);
    const bytes = pgoutput.transaction(100n, 1, [pgoutput.insert(OID, row(1, 7, title))]);
    for (let at = 0; at < bytes.length; at += 65_536) {
      expect(router.receive(bytes.subarray(at, at + 65_536))).toBe(true);
    }
    let growths = 0;
    while (router.run() === RunOutcome.NEEDS_GROWTH) {
      expect(router.bodyCount).toBe(0);
      expect(router.growthBytes).toBeGreaterThan(1 << 20);
      expect(router.grow()).toBe(true);
      growths++;
    }
    expect(growths).toBeGreaterThan(0);
    const [body] = harness.takeOutput();
    expect((JSON.parse(body!.text) as { value: { title: string } }).value.title).toBe(title);
    harness.verify();
  });

  test("a budget refuses with nothing changed, and what is there goes on", () => {
    harness = new RoutingHarness(build, { memoryBytesMax: 20 << 20 });
    relation = harness.addRelation(items);
    harness.addTemplate(relation, byTenant);
    let added = 0;
    try {
      for (; added < 1_000_000; added++) harness.addShape(byTenant, [`${added}`]);
    } catch {
      // Refused, by `mint` or by `addShape`.
    }
    expect(added).toBeGreaterThan(10_000);
    expect(added).toBeLessThan(1_000_000);
    harness.verify();
    const bodies = harness.route(pgoutput.transaction(1n, 1, [pgoutput.insert(OID, row(1, 7))]));
    expect(bodies.map((body) => body.ids)).toEqual([[8]]);
  });

  test("what is added and removed at a stop holds for what comes after it", () => {
    const { router } = harness;
    const insert = (lsn: bigint, tenant: number): Buffer =>
      pgoutput.transaction(lsn, 1, [pgoutput.insert(OID, row(1, tenant))]);
    router.receive(Buffer.concat([insert(1n, 7), insert(2n, 9), insert(3n, 7)]));
    expect(router.run()).toBe(RunOutcome.COMMIT);
    expect(harness.takeOutput()).toHaveLength(1);
    const added = harness.addShape(byTenant, ["9"]);
    expect(router.run()).toBe(RunOutcome.COMMIT);
    expect(harness.takeOutput().map((body) => body.ids)).toEqual([[added]]);
    harness.removeShape(1 as ShapeId);
    expect(router.run()).toBe(RunOutcome.NEEDS_INPUT);
    expect(router.commitLsn).toBe(3n);
  });

  test("among many shapes, tags agree by chance and constants do not", () => {
    for (let n = 0; n < 30_000; n++) harness.addShape(byTenantFull, [`${n * 2}`]);
    const rows = Array.from({ length: 60_000 }, (_, n) => pgoutput.insert(OID, row(n, n + 11)));
    // More bytes than INPUT holds, so that what is pending has to move to its front now and then.
    const bytes = pgoutput.transaction(1n, 1, rows);
    const reached: number[][] = [];
    for (let at = 0; at < bytes.length; at += 50_001) {
      const bodies = harness.route(bytes.subarray(at, at + 50_001));
      reached.push(...bodies.map(({ op, ids }) => [op / 2 + 11, ids.length]));
    }
    const wanted = rows.map((_, n) => n + 11).filter((n) => n % 2 === 0 && n < 60_000);
    expect(reached).toEqual(wanted.map((n) => [n, 1]));
  });

  test("shapes of a relation are listed in slices", () => {
    for (let n = 0; n < 40_000; n++) harness.addShape(byTenantFull, [`${n}`]);
    const listed: number[] = [];
    let after: ShapeId | undefined;
    let calls = 0;
    do {
      const slice = harness.router.shapesOf(relation, after);
      listed.push(...slice.ids);
      after = slice.next;
      calls++;
    } while (after !== undefined);
    expect(calls).toBe(3);
    expect(listed).toEqual([...harness.shapes.keys()]);
  });

  test("constants of the wrong kind make no shape and are nobody's", () => {
    for (const constant of [
      "",
      "-",
      "x",
      "9223372036854775808",
      "1.0",
      "+1",
      "99999999999999999999",
    ]) {
      expect(() => harness.addShape(byTenant, [constant])).toThrow(RangeError);
      expect(harness.find(byTenant, [constant])).toBeUndefined();
    }
    expect(harness.find(byTenant, ["7"])).toBe(1);
  });
});
