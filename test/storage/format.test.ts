/**
 * The bytes on disk: FORMAT.md's example is what the code writes and reads, and each encoding turns
 * back into what it was. The encodings that hold postings are checked against plain maps.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import fc from "fast-check";
import { test } from "vitest";
import type { Lsn } from "../../src/model/lsn.ts";
import {
  ByteReader,
  ByteWriter,
  crc32,
  crc32InScript,
  writeVarint,
} from "../../src/storage/bytes.ts";
import {
  appendCatalogRow,
  decodeCatalogRow,
  visitCatalogRows,
} from "../../src/storage/catalog-row.ts";
import { createSchema } from "../../src/storage/database.ts";
import { FrameBuilder } from "../../src/storage/frame-builder.ts";
import {
  isIntact,
  readFrameHeader,
  readFrameLists,
  readRecordOffsets,
} from "../../src/storage/frame.ts";
import { sortKeys } from "../../src/storage/posting-sort.ts";
import {
  recordKind,
  RecordKind,
  recordLsn,
  recordOp,
  recordSize,
} from "../../src/storage/record.ts";
import { BLOCK_SIZE_MAX, BlockWriter, decodeBlock } from "../../src/storage/run-block.ts";
import { mergeRuns } from "../../src/storage/run-merge.ts";
import { Runs } from "../../src/storage/runs.ts";
import { SeqRanges } from "../../src/storage/seq-ranges.ts";
import { check } from "../support/property.ts";

test("the worked example of FORMAT.md", () => {
  const document = readFileSync(new URL("../../src/storage/FORMAT.md", import.meta.url), "utf8");
  const example = /## A worked example[^]*?```\n([^`]*)```/.exec(document)![1]!;
  const hex = example
    .split("\n")
    .map((line) => /^((?:[0-9a-f]{2} {1,2})*(?:[0-9a-f]{2})?)/.exec(line)![1]!);
  const bytes = Buffer.from(hex.join("").replaceAll(" ", ""), "hex");

  const builder = new FrameBuilder();
  builder.begin(2, 0n as Lsn);
  builder.addChange(
    258n as Lsn,
    0,
    Buffer.from('{"a":{}}'),
    Float64Array.of(5),
    Uint32Array.of(9),
    1,
    RecordKind.change,
  );
  builder.markCommitted(258n as Lsn);
  assert.equal(builder.seal(64).toString("hex"), bytes.toString("hex"));

  const header = readFrameHeader(bytes, 0)!;
  assert.ok(isIntact(bytes));
  assert.deepEqual(header, {
    size: 73,
    flags: 1,
    firstSeq: 2,
    count: 1,
    lastCommitLsn: 258n,
    synced: 64,
    listCount: 1,
    recordsEnd: 70,
  });
  const [offset] = readRecordOffsets(bytes, header);
  assert.equal(recordKind(bytes, offset!), RecordKind.change);
  assert.deepEqual([recordSize(bytes, offset!), recordOp(bytes, offset!)], [8, 0]);
  assert.equal(recordLsn(bytes, offset!), 258n);
  const { references, lists } = readFrameLists(bytes, header);
  assert.deepEqual([references, lists], [Uint32Array.of(1), [Float64Array.of(5)]]);
});

const key = fc.integer({ min: 1, max: 2 ** 40 - 1 });

/** Records that a deep comparison takes for plain objects. */
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

test("varints and checksums", () => {
  const number = fc.oneof(
    fc.nat(300),
    fc.maxSafeNat(),
    fc.constantFrom(2 ** 28, 2 ** 32, 2 ** 53 - 1),
  );
  check(
    fc.property(number, (value) => {
      const bytes = Buffer.alloc(8);
      const end = writeVarint(bytes, 0, value);
      const reader = new ByteReader(bytes, 0, end);
      assert.equal(reader.varint(), value);
      assert.ok(reader.isAtEnd);
      assert.throws(() => new ByteReader(bytes, 0, end - 1).varint(), RangeError);
    }),
  );
  check(fc.property(fc.uint8Array(), (bytes) => assert.equal(crc32InScript(bytes), crc32(bytes))));
});

test("a frame holds what was added, cut at the last commit", () => {
  const change = fc.record({
    keys: fc.array(key, { minLength: 1, maxLength: 40 }),
    size: fc.nat(50),
    isCommit: fc.boolean(),
  });
  check(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const builder = new FrameBuilder();
      const rest = new FrameBuilder();
      builder.begin(7, 1n as Lsn);
      let committed = 0;
      changes.forEach(({ keys, size, isCommit }, index) => {
        const body = Buffer.alloc(size, index);
        const slots = Uint32Array.from(keys, (_, slot) => slot);
        builder.addChange(
          BigInt(100 + index) as Lsn,
          index,
          body,
          Float64Array.from(keys),
          slots,
          keys.length,
          RecordKind.change,
        );
        if (!isCommit) return;
        builder.markCommitted(BigInt(100 + index) as Lsn);
        committed = index + 1;
      });
      builder.moveOpenTo(rest);
      assert.equal(builder.count, committed);
      assert.equal(rest.count, changes.length - committed);
      for (const [frame, from] of [
        [builder, 0],
        [rest, committed],
      ] as const) {
        const bytes = frame.seal(0);
        const header = readFrameHeader(bytes, 0)!;
        assert.ok(isIntact(bytes));
        assert.equal(header.firstSeq, 7 + from);
        const { references, lists } = readFrameLists(bytes, header);
        readRecordOffsets(bytes, header).forEach((offset, index) => {
          const expected = changes[from + index]!;
          assert.equal(recordOp(bytes, offset), from + index);
          assert.equal(recordSize(bytes, offset), expected.size);
          assert.deepEqual([...lists[references[index]! - 1]!], expected.keys);
          assert.equal(
            bytes
              .subarray(offset + 18, offset + 18 + expected.size)
              .every((byte) => byte === from + index),
            true,
          );
        });
        assert.ok(lists.length <= frame.count, "a list nobody refers to is not written");
      }
    }),
    100,
  );
});

test("postings are ordered by key and stay in order within one", () => {
  const extreme = fc.oneof(fc.nat(5), key, fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1));
  check(
    fc.property(fc.array(extreme, { maxLength: 200 }), (list) => {
      const expected = list.map((_, index) => index).sort((a, b) => list[a]! - list[b]! || a - b);
      const { keys, order } = sortKeys(Float64Array.from(list), list.length);
      assert.deepEqual([...order], expected);
      assert.deepEqual(
        [...keys],
        expected.map((index) => list[index]),
      );
    }),
  );
});

test("a catalog row, alone and folded", () => {
  const row = plain({
    key,
    hash: fc.nat(2 ** 24 - 1),
    templateId: fc.integer({ min: 1, max: 1e6 }),
    constants: fc.uint8Array({ maxLength: 300 }),
    snapshot: fc.option(
      plain({
        seq: fc.nat(2 ** 39),
        chunkEnds: fc
          .uniqueArray(fc.nat(1e9), { maxLength: 5 })
          .map((ends) => ends.sort((a, b) => a - b)),
        bounds: fc
          .record({
            xmin: fc.bigInt({ min: 0n, max: 2n ** 60n }),
            width: fc.nat(1e6),
            lsn: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          })
          .map(({ xmin, width, lsn }) => ({
            xmin,
            xmax: xmin + BigInt(width),
            xip: width > 2 ? [xmin + 1n] : [],
            lsn: lsn as Lsn,
          })),
      }),
      { nil: undefined },
    ),
  });
  check(
    fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
      const blobs = rows.map((shape) => {
        const writer = new ByteWriter();
        appendCatalogRow(writer, shape);
        return writer.bytes;
      });
      rows.forEach((shape, index) => {
        const decoded = decodeCatalogRow(blobs[index]!);
        assert.deepEqual({ ...decoded, constants: Uint8Array.from(decoded.constants) }, shape);
      });
      const seen: unknown[] = [];
      visitCatalogRows(Buffer.concat(blobs), (key, hash, templateId, constants, lsn) => {
        seen.push({ key, hash, templateId, constants: Uint8Array.from(constants), lsn });
      });
      const expected = rows.map(({ snapshot, ...rest }) => ({
        ...rest,
        lsn: snapshot?.bounds.lsn,
      }));
      assert.deepEqual(seen, expected);
    }),
  );
});

/** Postings of a few keys with many seqs and of many keys with few, so that entries span blocks. */
const postings = fc.array(
  fc.record({ key: fc.oneof(fc.nat(3), fc.nat(500), key), gap: fc.integer({ min: 1, max: 3000 }) }),
  {
    maxLength: 1500,
    size: "max",
  },
);

function assertAnswers(
  runs: Runs,
  model: ReadonlyMap<number, readonly number[]>,
  salt: number,
): void {
  for (const [key, seqs] of model) {
    assert.deepEqual(runs.seqsAfter(key, 0, Infinity), seqs);
    const middle = seqs[salt % seqs.length]!;
    assert.deepEqual(
      runs.seqsAfter(key, middle, Infinity),
      seqs.filter((seq) => seq > middle),
    );
    assert.equal(runs.lastSeq(key, Infinity), seqs.at(-1));
    assert.equal(runs.lastSeq(key, middle - 1), seqs.filter((seq) => seq < middle).at(-1) ?? 0);
  }
  assert.deepEqual(runs.seqsAfter(4_000_000, 0, Infinity), []);
}

test("runs answer as a map would, before and after a merge", () => {
  check(
    fc.property(fc.array(postings, { minLength: 1, maxLength: 3 }), fc.nat(), (parts, salt) => {
      const database = new Database(":memory:");
      createSchema(database);
      const insertBlock = database.prepare("insert into run values (?, ?, ?, ?)");
      const model = new Map<number, number[]>();
      let seq = 1;
      parts.forEach((part, run) => {
        const keys = Float64Array.from(part, (posting) => posting.key);
        const seqs = Float64Array.from(part, (posting) => (seq += posting.gap));
        part.forEach((posting, index) => {
          model.set(posting.key, [...(model.get(posting.key) ?? []), seqs[index]!]);
        });
        if (part.length === 0) return;
        const { order } = sortKeys(keys, keys.length);
        const sorted = Float64Array.from(order, (index) => seqs[index]!);
        const writer = new BlockWriter(seqs[0]!, (key, base, blob) => {
          assert.ok(blob.length <= BLOCK_SIZE_MAX);
          let first: number[] | undefined;
          decodeBlock(blob, key, seqs[0]!, (each, seq) => (first ??= [each, seq]));
          assert.deepEqual(first, [key, base]);
          insertBlock.run(run + 1, key, base, blob);
        });
        for (let start = 0; start < order.length;) {
          let end = start;
          while (end < order.length && keys[order[end]!] === keys[order[start]!]) end += 1;
          writer.add(keys[order[start]!]!, sorted, start, end);
          start = end;
        }
        writer.flush();
        database
          .prepare("insert into run_info values (?, 0, ?, ?, ?, 0)")
          .run(run + 1, seqs[0], seqs.at(-1), part.length);
      });
      const removed = [...model.keys()].filter((key) => (key + salt) % 7 === 0);
      const insertShape = database.prepare("insert into shape values (?, x'00')");
      for (const key of model.keys()) if (!removed.includes(key)) insertShape.run(key);

      const runs = new Runs(database, new SeqRanges());
      const assertSame = () => assertAnswers(runs, model, salt);
      assertSame();
      database.transaction(() => {
        while (mergeRuns(database, new SeqRanges(), 2, () => assert.fail("nothing is void")));
      })();
      const infos = database.prepare("select level from run_info").pluck().all() as number[];
      for (const key of removed) {
        const rest = runs.seqsAfter(key, 0, Infinity);
        if (infos.every((level) => level > 0)) assert.deepEqual(rest, []);
        // A run that was not merged still names it.
        assert.ok(rest.length <= model.get(key)!.length);
        model.delete(key);
      }
      assertSame();
      database.close();
    }),
    15,
  );
});
