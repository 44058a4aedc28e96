/**
 * Names of tables and columns as clients write them (protocol 2.3): SQL's rules for identifiers,
 * by which a name in double quotes is taken as it is and any other is folded to lower case.
 *
 * The messages are the protocol's own, word for word.
 */

import { InvalidParameter } from "../lib/errors.ts";

export interface RelationName {
  readonly schema: string;
  readonly name: string;
}

/** Of a table that is none, or none that can be followed (protocol 3.3). */
export function noSuchTable({ schema, name }: RelationName): InvalidParameter {
  return new InvalidParameter(
    "table",
    `Table "${schema}"."${name}" does not exist. If the table name contains capitals or special ` +
      "characters you must quote it.",
  );
}

/** Postgres' `NAMEDATALEN` less one. */
const IDENTIFIER_SIZE_MAX = 63;
const SCHEMA_DEFAULT = "public";

/**
 * Reads `table` or `schema.table`.
 *
 * @throws {InvalidParameter} naming `table`.
 */
export function parseRelationName(text: string): RelationName {
  const parts = splitOutsideQuotes(text, ".");
  if (parts.length > 2) {
    const message = `Invalid relation identifier, too many delimiters: ${text}`;
    throw new InvalidParameter("table", message);
  }
  const names = parts.map((part) => parseIdentifier(part, "table"));
  return names.length === 1
    ? { schema: SCHEMA_DEFAULT, name: names[0]! }
    : { schema: names[0]!, name: names[1]! };
}

/**
 * Reads names that are separated by commas or come as a list. Keeps their order and repetitions.
 *
 * @throws {InvalidParameter} naming `field`.
 */
export function parseColumnList(text: string | readonly string[], field: string): string[] {
  const parts = typeof text === "string" ? splitOutsideQuotes(text, ",") : text;
  return parts.map((part) => parseIdentifier(part, field));
}

function splitOutsideQuotes(text: string, delimiter: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let index = 0; index < text.length; index += 1) {
    // A doubled quote leaves the quotes and enters them again at once.
    if (text[index] === '"') isQuoted = !isQuoted;
    if (text[index] === delimiter && !isQuoted) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function parseIdentifier(part: string, field: string): string {
  const fail = (message: string) => new InvalidParameter(field, message);
  if (part === "") throw fail("Invalid zero-length identifier");
  const isQuoted = part.length > 1 && part.startsWith('"') && part.endsWith('"');
  const name = isQuoted ? unquote(part.slice(1, -1), fail) : fold(part, fail);
  if (Buffer.byteLength(name) > IDENTIFIER_SIZE_MAX) {
    throw fail(`Identifier is too long (max length is ${IDENTIFIER_SIZE_MAX})`);
  }
  return name;
}

function unquote(inner: string, fail: (message: string) => Error): string {
  if (inner === "") throw fail("Invalid zero-length delimited identifier");
  if (inner.replaceAll('""', "").includes('"')) {
    throw fail(`Invalid identifier with unescaped quote: ${inner}`);
  }
  // No name in Postgres has one, and a query that asks for it would fail.
  if (inner.includes("\0")) throw fail("Invalid identifier contains a null character");
  return inner.replaceAll('""', '"');
}

const UNQUOTED = /^[\p{L}_][\p{L}\p{M}\p{Nd}_$]*$/u;

function fold(part: string, fail: (message: string) => Error): string {
  if (!UNQUOTED.test(part)) {
    throw fail(`Invalid unquoted identifier contains special characters: ${part}`);
  }
  // ASCII only, so that what a name means does not depend on a locale.
  return part.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
