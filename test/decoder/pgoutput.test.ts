/**
 * Goal: a Relation or Truncate message decodes to what it says; cut short anywhere, or too long, it
 * is a typed error and never garbage.
 * Method: messages as Postgres sent them, recorded once, and every prefix of them.
 */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { MalformedMessage } from "../../src/decoder/byte-reader.ts";
import { decodeMessage } from "../../src/decoder/pgoutput.ts";
import { describesSameTable, layoutOf } from "../../src/decoder/relation-layout.ts";
import type { Table, TableColumn } from "../../src/model/table.ts";

interface Fixture {
  readonly sql: readonly string[];
  readonly messages: Readonly<Record<string, string>>;
}

const fixture = JSON.parse(
  readFileSync(new URL("fixtures/messages.json", import.meta.url), "utf8"),
) as Fixture;

function bytesOf(name: string): Buffer {
  return Buffer.from(fixture.messages[name]!, "hex");
}

describe("decodeMessage", () => {
  test("reads a Relation message", () => {
    const message = decodeMessage(bytesOf("relation"));
    expect(message).toMatchObject({
      kind: "relation",
      schema: "public",
      name: 'odd "name".dot',
      replicaIdentity: "f",
      columns: [
        { name: "id", typeOid: 20, typeModifier: -1 },
        { name: "title é", typeOid: 1043, typeModifier: 12 },
        { name: "tags", typeOid: 1009, typeModifier: -1 },
      ],
    });
  });

  test("reads a Truncate message with all its tables", () => {
    const message = decodeMessage(bytesOf("truncate"));
    expect(message.kind === "truncate" && message.relationOids.length).toBe(2);
  });

  test("passes over what no shape depends on", () => {
    for (const type of ["Y", "O", "M"]) {
      expect(decodeMessage(Buffer.from(`${type}whatever`))).toEqual({ kind: "other" });
    }
  });

  test.each(["relation", "truncate"])("every prefix of a %s message is refused", (name) => {
    const bytes = bytesOf(name);
    for (let size = 0; size < bytes.length; size++) {
      expect(() => decodeMessage(bytes.subarray(0, size))).toThrow(MalformedMessage);
    }
    expect(() => decodeMessage(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(MalformedMessage);
  });

  test("a Truncate message of four billion tables is refused before any is read", () => {
    expect(() => decodeMessage(Buffer.from("54ffffffff00", "hex"))).toThrow(MalformedMessage);
  });
});

describe("the message beside the catalog", () => {
  const message = decodeMessage(bytesOf("relation"));
  if (message.kind !== "relation") throw new Error("the fixture is a Relation message");
  const base: Omit<TableColumn, "name" | "typeOid" | "typeModifier"> = {
    typeName: "text",
    typeKind: "b",
    dimensionCount: 0,
    isNotNull: false,
    hasByteEquality: true,
  };
  const columns = message.columns.map((column) => ({ ...base, ...column }));
  const table: Table = { ...message, columns };

  test("agrees with itself", () => {
    expect(describesSameTable(table, message)).toBe(true);
    expect([...layoutOf(table, message)]).toEqual([0, 1, 2]);
  });

  test("a generated column may be left out, wherever it stands", () => {
    const generated: TableColumn = {
      ...base,
      name: "g",
      typeOid: 23,
      typeModifier: -1,
      generated: "stored",
    };
    const wider = { ...table, columns: [columns[0]!, generated, ...columns.slice(1)] };
    expect(describesSameTable(wider, message)).toBe(true);
    expect([...layoutOf(wider, message)]).toEqual([0, 0xffff, 1, 2]);
  });

  test.each<[string, Table]>([
    ["another name", { ...table, name: "other" }],
    ["another schema", { ...table, schema: "other" }],
    ["a column more", { ...table, columns: columns.slice(1) }],
    ["a column less", { ...table, columns: [...columns, { ...columns[0]!, name: "new" }] }],
    [
      "a renamed column",
      { ...table, columns: [{ ...columns[0]!, name: "x" }, ...columns.slice(1)] },
    ],
    ["another type", { ...table, columns: [{ ...columns[0]!, typeOid: 25 }, ...columns.slice(1)] }],
    [
      "another length",
      { ...table, columns: [columns[0]!, { ...columns[1]!, typeModifier: 8 }, columns[2]!] },
    ],
  ])("%s is another table", (_, changed) => {
    expect(describesSameTable(changed, message)).toBe(false);
  });

  test("a replica identity that is not FULL is another table", () => {
    expect(describesSameTable(table, { ...message, replicaIdentity: "d" })).toBe(false);
  });
});
