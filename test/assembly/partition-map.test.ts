/**
 * The partition map against a Map.
 *
 * Goal: after any links and unlinks a table leads to exactly the relations that a Map of sets says,
 * each once, and memory comes back when nothing is left. Method: few oids and relations, so that
 * links are replaced, shared and removed twice; after every step all oids are compared.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { builds, newCore } from "../support/core-doors.ts";
import { check } from "../support/property.ts";

const OIDS = [1, 2, 16_384, 0x7fff_ffff, 0xffff_ffff];
const RELATIONS = [1, 2, 3, 400];

const step = fc.record({
  isLink: fc.boolean(),
  oid: fc.constantFrom(...OIDS),
  relation: fc.constantFrom(...RELATIONS),
  columnCount: fc.constantFrom(1, 3, 1600),
});

describe.each(builds)("partition map, $name", (build) => {
  test("a table leads to the relations that a Map says", () => {
    const { exports, core } = newCore(build);
    exports.storesCreate();
    exports.partitionsCreate();
    const scratch = exports.blockAllocate(exports.blockCreate(8), 4096);
    const relationsOf = (oid: number): number[] => {
      const count = exports.partitionLinks(oid, scratch) >>> 0;
      const first = (scratch >>> 0) >>> 2;
      return [...core.words.subarray(first, first + count)].sort((a, b) => a - b);
    };
    const liveBytes = exports.partitionLiveBytes();
    check(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model = new Map<number, Set<number>>();
        for (const { isLink, oid, relation, columnCount } of steps) {
          const relations = model.get(oid) ?? new Set();
          model.set(oid, relations);
          if (isLink) {
            assert.ok(exports.partitionLink(oid, relation, scratch, columnCount));
            relations.add(relation);
          } else {
            exports.partitionUnlink(oid, relation);
            relations.delete(relation);
          }
          for (const known of OIDS) {
            const expected = [...(model.get(known) ?? [])].sort((a, b) => a - b);
            assert.deepEqual(relationsOf(known), expected);
          }
          const count = [...model.values()].filter(({ size }) => size > 0).length;
          assert.equal(exports.partitionCount(), count);
          exports.partitionVerify();
        }
        for (const oid of OIDS) for (const n of RELATIONS) exports.partitionUnlink(oid, n);
        assert.equal(exports.partitionLiveBytes(), liveBytes);
      }),
      100,
    );
  });
});
