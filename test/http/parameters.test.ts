/**
 * Parameters.
 *
 * Goal: every row of the error catalogue in protocol 3.3 that needs no database, in the order in
 * which stages come, and the values that are read from what is right. Method: query strings in, the
 * errors of the envelope or the parameters out.
 */

import assert from "node:assert/strict";
import { test } from "vitest";
import { InvalidRequest } from "../../src/http/errors.ts";
import {
  parseDeleteParameters,
  parseShapeParameters,
  type ShapeParameters,
} from "../../src/http/parameters.ts";
import { parseQuery } from "../../src/http/query.ts";

const parse = (query: string): ShapeParameters => parseShapeParameters(parseQuery(`?${query}`));

function errorsOf(query: string, parser: (query: string) => unknown = parse): unknown {
  try {
    parser(query);
  } catch (error) {
    if (error instanceof InvalidRequest) return error.errors;
    throw error;
  }
  return {};
}

const BLANK = "can't be blank";
const FORMAT = "has invalid format";
const INVALID = "is invalid";
const LATER = "is not supported yet";

const catalogue: readonly (readonly [query: string, errors: Record<string, string>])[] = [
  // Stages 1 and 2, together.
  ["", { offset: BLANK }],
  ["offset=%20", { offset: BLANK }],
  ["replica=foo", { replica: INVALID, offset: BLANK }],
  [
    "log=x&replica=FULL&params=notamap&offset=-1",
    { params: INVALID, replica: INVALID, log: INVALID },
  ],
  ["params[]=x&offset=-1&table=t", { params: INVALID }],
  ["params[1]=%ff&offset=-1&table=t", { params: INVALID }],
  ["columns[a]=x&offset=-1&table=t", { columns: INVALID }],
  ["table[]=x&offset[]=1", { table: INVALID, offset: INVALID }],
  ["where=%ff&offset=-1&table=t", { where: INVALID }],
  ["handle[a]=x&offset=0_0&table=t", { handle: INVALID }],
  ["live[]=true&offset=0_0&handle=h&table=t", { live: INVALID }],
  ["experimental_live_sse=yes&offset=-1&table=t", { live_sse: INVALID }],
  ["experimental_compaction=yes&offset=-1&table=t", { experimental_compaction: INVALID }],
  // What is known and not there yet.
  ["subset__where=&offset=-1&table=t", { subset__where: LATER }],
  ["subset__limit=1&subset[where]=x&offset=-1", { subset__limit: LATER, subset: LATER }],
  ["queryable_columns=a&offset=-1&table=t", { queryable_columns: LATER }],
  ["live_sse=true&live=true&offset=0_0&handle=h&table=t", { live_sse: LATER }],
  ["experimental_live_sse=1&live=true&offset=0_0&handle=h&table=t", { live_sse: LATER }],
  // Stage 3.
  ...["10", "1_2_3", "1_2%20", "10_32.1", "-1_-2", "invalid", "-2", "1_-1", "+1_2"].map(
    (offset) => [`offset=${offset}`, { offset: FORMAT }] as const,
  ),
  ["offset=18446744073709551616_0", { offset: FORMAT }],
  // Stage 4.
  ["offset=0_0&live=true", { handle: "can't be blank when offset != -1" }],
  ["offset=0_inf&handle=%20", { handle: "can't be blank when offset != -1" }],
  // Stage 5.
  ["offset=-1&live=true", { live: "can't be true when offset == -1" }],
  ["offset=-1&live", { live: "can't be true when offset == -1" }],
  ["offset=now&live=true&live_sse=true", { live: "can't be true when offset is 'now'" }],
  // Stage 6.
  ["offset=-1&live_sse=true", { live_sse: "can't be true unless live is also true" }],
  [
    "offset=0_0&handle=h&live=false&live_sse",
    { live_sse: "can't be true unless live is also true" },
  ],
  // Stage 7.
  ["offset=-1", { table: BLANK }],
  ["offset=0_0&handle=h&table=", { table: BLANK }],
];

test.for(catalogue)("3.3: %s", ([query, errors]) => {
  const expected = Object.entries(errors).map(([field, message]) => [field, [message]]);
  assert.deepEqual(errorsOf(query), Object.fromEntries(expected));
});

test("2.1: what is absent has its default", () => {
  assert.deepEqual(parse("offset=-1&table=t"), {
    offset: { tx: -1n, op: 0 },
    handle: undefined,
    isLive: false,
    cursor: undefined,
    definition: {
      table: "t",
      where: undefined,
      params: {},
      columns: undefined,
      replica: "default",
      log: "full",
    },
  });
});

test("2.1: what is given is read, and unknown parameters are ignored", () => {
  const query =
    "offset=1_2&handle=h&live=1&cursor=5&table=s.t&where=a%3D%241&params[1]=+&params[2]=" +
    "&columns=a,b&replica=full&log=changes_only" +
    "&experimental_compaction=true&foo=%ff&expired_handle=x" +
    "&cache-buster=1&database_id=d&source_id[]=s&live_sse=false&experimental_live_sse=true";
  assert.deepEqual(parse(query), {
    offset: { tx: 1n, op: 2 },
    handle: "h",
    isLive: true,
    cursor: "5",
    definition: {
      table: "s.t",
      where: "a=$1",
      params: { "1": " ", "2": "" },
      columns: "a,b",
      replica: "full",
      log: "changes_only",
    },
  });
  assert.deepEqual(parse("offset=-1&table=t&columns[]=a&columns[]=").definition.columns, ["a", ""]);
  assert.equal(parse("offset=0_02&handle=h&table=t&live=FALSE").isLive, true);
});

test("2.1: the offsets -1 and now discard the handle", () => {
  assert.equal(parse("offset=-1&handle=h&table=t").handle, undefined);
  assert.equal(parse("offset=now&handle=h&table=t").handle, undefined);
});

test("a parameter called __proto__ is one like any other", () => {
  const { definition } = parse("offset=-1&table=t&params[__proto__]=x&__proto__[a]=b");
  assert.deepEqual(Object.entries(definition.params), [["__proto__", "x"]]);
  assert.deepEqual(errorsOf("offset=-1&subset____proto__=1"), { subset____proto__: [LATER] });
});

test("1.3: DELETE casts strictly and needs no offset", () => {
  const parseDelete = (query: string): unknown => parseDeleteParameters(parseQuery(`?${query}`));
  assert.deepEqual(errorsOf("live=banana&table=t", parseDelete), { live: [INVALID] });
  assert.deepEqual(errorsOf("live=", parseDelete), {
    handle: ["can't be blank when shape definition is missing"],
  });
  assert.deepEqual(errorsOf("handle=h&live=false&offset=10", parseDelete), {});
});
