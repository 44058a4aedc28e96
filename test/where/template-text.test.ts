/**
 * Templates as text.
 *
 * Goal: `parseTemplate` undoes `templateText`, equal templates have equal text and others have not,
 * and a text of another version or a damaged one is refused, not misread. Method: arbitrary
 * templates.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { LitzError } from "../../src/lib/errors.ts";
import type { TableColumn } from "../../src/model/table.ts";
import { parseTemplate, templateText, type TemplateParts } from "../../src/where/template-text.ts";
import { check } from "../support/property.ts";
import { column, table } from "./tables.ts";

/** An object like those of the code, not one without a prototype. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> => {
  return fc.record(model, { noNullPrototype: true });
};

const name = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("id", "__proto__", '"', "1"));
const oid = fc.integer({ min: 1, max: 0xffff_ffff });

const anyColumn: fc.Arbitrary<TableColumn> = record({
  name,
  typeOid: oid,
  typeName: name,
  typeKind: fc.constantFrom("b", "d", "e"),
  typeModifier: fc.integer({ min: -1 }),
  dimensionCount: fc.nat(6),
  isNotNull: fc.boolean(),
  hasByteEquality: fc.boolean(),
  keyIndex: fc.option(fc.nat(31), { nil: undefined }),
  generated: fc.constantFrom(undefined, "stored" as const, "virtual" as const),
}).map(({ keyIndex, generated, ...rest }) => ({
  ...rest,
  ...(keyIndex === undefined ? {} : { keyIndex }),
  ...(generated === undefined ? {} : { generated }),
}));

const anyParts: fc.Arbitrary<TemplateParts> = record({
  table: record({
    oid,
    schema: name,
    name,
    columns: fc.array(anyColumn, { maxLength: 5 }),
    replicaIdentity: fc.constant("f"),
  }),
  terms: fc.array(
    record({
      column: fc.nat(5),
      kind: fc.constantFrom("int", "uuid", "text"),
      castSql: fc.constantFrom("int4", "text", "uuid"),
    }),
    { maxLength: 3 },
  ),
  columns: fc.array(fc.nat(1_599), { maxLength: 5 }),
  hasExplicitColumns: fc.boolean(),
  replica: fc.constantFrom("default", "full"),
  log: fc.constantFrom("full", "changes_only"),
});

test("a template comes back from its text", () => {
  check(
    fc.property(anyParts, (parts) => {
      const text = templateText(parts);
      assert.deepEqual(parseTemplate(text), { text, ...parts });
    }),
  );
});

test("texts are equal if and only if templates are", () => {
  check(
    fc.property(anyParts, anyParts, (a, b) => {
      const halves: TemplateParts[] = [a, b, { ...a, table: b.table }, { ...a, terms: b.terms }];
      halves.push({ ...a, columns: b.columns }, { ...a, log: b.log }, { ...a, replica: b.replica });
      halves.push({ ...a, hasExplicitColumns: b.hasExplicitColumns }, structuredClone(a));
      for (const half of halves) {
        const isSame = isDeepEqual(half, a);
        assert.equal(templateText(half) === templateText(a), isSame);
      }
    }),
  );
});

function isDeepEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

const example = templateText({
  table: table(column("id", "int8", { isNotNull: true }), column("tenant", "text")),
  terms: [{ column: 1, kind: "text", castSql: "text" }],
  columns: [0, 1],
  hasExplicitColumns: false,
  replica: "default",
  log: "full",
});

test("the text is on disk and never changes", () => {
  assert.equal(
    example,
    '{"v":1,"table":[16384,"public","items",[["id",20,"int8","b",-1,0,3,0],' +
      '["tenant",25,"text","b",-1,0,2]]],"terms":[[1,"text","text"]],"columns":[0,1],' +
      '"explicit":0,"replica":"default","log":"full"}',
  );
});

test("setting a table's replica identity does not rename its templates", () => {
  const parts = parseTemplate(example);
  const before = { ...parts, table: { ...parts.table, replicaIdentity: "d" } };
  assert.equal(templateText(before), example);
});

test.each([
  [example.replace('"v":1', '"v":2'), /has version 2, expected 1/],
  ["{}", /has version none/],
  ["null", /has version none/],
  ["[]", /has version none/],
  ["1", /has version none/],
  [example.slice(0, -1), /no JSON/],
  ['{"v":1}', /malformed/],
  [example.replace("16384,", ""), /malformed/],
  [example.replace(',"log":"full"', ""), /malformed/],
  [example.replace("{", '{"x":1,'), /malformed/],
  [` ${example}`, /malformed/],
])("%s is refused", (text, message) => {
  assert.throws(
    () => parseTemplate(text),
    (error) => {
      assert.ok(error instanceof LitzError && error.code === "TEMPLATE_UNREADABLE");
      assert.match(error.message, message);
      return true;
    },
  );
});
