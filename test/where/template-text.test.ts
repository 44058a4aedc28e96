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
import type { Table, TableColumn } from "../../src/model/table.ts";
import { defineShape } from "../../src/where/define-shape.ts";
import { parseTemplate, templateText, type TemplateParts } from "../../src/where/template-text.ts";
import { whereTemplate } from "../../src/where/where-template.ts";
import { check } from "../support/property.ts";
import { column, table } from "./tables.ts";

/** An object like those of the code, not one without a prototype. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> => {
  return fc.record(model, { noNullPrototype: true });
};

const name = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("id", "__proto__", '"', "1"));
const oid = fc.integer({ min: 1, max: 0xffff_ffff });

const anyColumn: fc.Arbitrary<TableColumn> = record({
  name: name.filter((text) => text !== ""),
  typeOid: oid,
  typeName: name,
  typeKind: fc.constantFrom("b", "d", "e"),
  typeModifier: fc.integer({ min: -1 }),
  dimensionCount: fc.nat(6),
  // Neither is part of a template.
  isNotNull: fc.constant(false),
  hasByteEquality: fc.boolean(),
  keyIndex: fc.option(fc.nat(31), { nil: undefined }),
  generated: fc.constantFrom(undefined, "stored" as const, "virtual" as const),
}).map(({ keyIndex, generated, ...rest }) => ({
  ...rest,
  ...(keyIndex === undefined ? {} : { keyIndex }),
  ...(generated === undefined ? {} : { generated }),
}));

const anyTable: fc.Arbitrary<Table> = record({
  oid,
  schema: name,
  name,
  columns: fc.array(anyColumn, { minLength: 1, maxLength: 5 }),
  replicaIdentity: fc.constant("f"),
});

/** Conditions over the first column, as the analysis would make them of an int4. */
const CONDITIONS = [
  "",
  "a = 1",
  "a > 1",
  "a IN (1, 2)",
  "a + 1 = 2 OR NOT (a / 2 IS NULL)",
  "false",
];
const conditionTable = table(column("a", "int4"));

function conditionOf(text: string, of: Table): TemplateParts["where"] {
  if (text === "") return undefined;
  const request = { where: text, params: {}, columns: undefined, replica: "default" } as const;
  const { template } = defineShape(conditionTable, { ...request, log: "full" });
  return whereTemplate(template.where!.expression, of);
}

/** Of every column, so that a table is described in full. */
const anyParts: fc.Arbitrary<TemplateParts> = fc
  .tuple(
    anyTable,
    fc.constantFrom(...CONDITIONS),
    record({
      hasExplicitColumns: fc.constant(false),
      replica: fc.constantFrom("default" as const, "full" as const),
      log: fc.constantFrom("full" as const, "changes_only" as const),
    }),
  )
  .map(([of, condition, rest]) => ({
    table: of,
    where: conditionOf(condition, of),
    columns: [...of.columns.keys()],
    ...rest,
  }));

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
      const halves: TemplateParts[] = [a, b, { ...a, log: b.log }, { ...a, replica: b.replica }];
      if (a.where !== undefined && b.where !== undefined) {
        halves.push({ ...a, where: whereTemplate(b.where.expression, a.table) });
      }
      for (const half of [...halves, structuredClone(a)]) {
        const isSame = isDeepEqual(half, a);
        assert.equal(templateText(half) === templateText(a), isSame);
      }
    }),
  );
});

test("columns that a template does not depend on are no part of it", () => {
  const wide = table(column("id", "int8"), column("tenant", "text"), column("more", "date"));
  const parts = { ...parseTemplate(example), table: wide, hasExplicitColumns: true };
  const narrow = { ...wide, columns: wide.columns.slice(0, 2) };
  const text = templateText({ ...parts, columns: [0] });
  assert.equal(text, templateText({ ...parts, table: narrow, columns: [0] }));
  assert.equal(parseTemplate(text).table.isPartial, true);
});

function isDeepEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

const people = table(column("id", "int8", { isNotNull: true }), column("tenant", "text"));
const request = { params: {}, columns: undefined, replica: "default", log: "full" } as const;
const example = defineShape(people, { ...request, where: "tenant = 'x'" }).template.text;

test("the text is on disk and never changes", () => {
  assert.equal(
    example,
    '{"v":4,"table":[16384,"public","items",[["id",20,"int8","b",-1,0,1,0],' +
      '["tenant",25,"text","b",-1,0,1]]],"where":{"args":[{"column":1,"node":"column",' +
      '"type":"text"},{"index":0,"node":"constant","type":"text"}],"node":"call","operation":' +
      '{"args":["text","text"],"kind":"binary","name":"="},"type":"bool"},"columns":[0,1],' +
      '"explicit":0,"replica":"default","log":"full"}',
  );
});

test("setting a table's replica identity does not rename its templates", () => {
  const parts = parseTemplate(example);
  const before = { ...parts, table: { ...parts.table, replicaIdentity: "d" } };
  assert.equal(templateText(before), example);
});

test.each([
  [example.replace('"v":4', '"v":3'), /has version 3, expected 4/],
  ["{}", /has version none/],
  ["null", /has version none/],
  ["[]", /has version none/],
  ["1", /has version none/],
  [example.slice(0, -1), /no JSON/],
  ['{"v":4}', /malformed/],
  [example.replace('"node":"call"', '"node":"crawl"'), /malformed/],
  [example.replace('"name":"="', '"name":"=="'), /malformed/],
  [example.replace('"column":1,', '"column":7,'), /malformed/],
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
