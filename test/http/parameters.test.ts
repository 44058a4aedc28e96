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
import { parseSubsetParameters } from "../../src/http/subset-parameters.ts";
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
  ["queryable_columns[a]=x&offset=-1&table=t", { queryable_columns: INVALID }],
  ["subset=x&offset=-1&table=t", { subset: INVALID }],
  ["subset[a][b]=x&offset=-1&table=t", { subset: INVALID }],
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
    isSse: false,
    cursor: undefined,
    subset: undefined,
    definition: {
      table: "t",
      where: undefined,
      params: {},
      columns: undefined,
      queryableColumns: undefined,
      replica: "default",
      log: "full",
    },
  });
});

test("2.1: what is given is read, and unknown parameters are ignored", () => {
  const query =
    "offset=1_2&handle=h&live=1&cursor=5&table=s.t&where=a%3D%241&params[1]=+&params[2]=" +
    "&columns=a,b&queryable_columns[]=a&queryable_columns[]=b&replica=full&log=changes_only" +
    "&experimental_compaction=true&foo=%ff&expired_handle=x" +
    "&cache-buster=1&database_id=d&source_id[]=s&live_sse=false&experimental_live_sse=true";
  assert.deepEqual(parse(query), {
    offset: { tx: 1n, op: 2 },
    handle: "h",
    isLive: true,
    isSse: false,
    cursor: "5",
    subset: undefined,
    definition: {
      table: "s.t",
      where: "a=$1",
      params: { "1": " ", "2": "" },
      columns: "a,b",
      queryableColumns: ["a", "b"],
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
  const { subset } = parse("offset=-1&table=t&subset____proto__=1&subset[__proto__]=2");
  assert.deepEqual([...subset!], [["__proto__", "1"]]);
});

test("2.1: any value of `live` and `live_sse` but `false` is true", () => {
  const live = "offset=0_0&handle=h&table=t&live";
  assert.equal(parse(`${live}&live_sse=`).isSse, true);
  assert.equal(parse(`${live}&live_sse=0&experimental_live_sse=false`).isSse, true);
  assert.equal(parse(`${live}&experimental_live_sse=1`).isSse, true);
  assert.equal(parse(`${live}&live_sse=false&experimental_live_sse=1`).isSse, false);
  assert.equal(parse(`${live}&experimental_live_sse=0`).isSse, false);
});

const subsetOf = (query: string): unknown => {
  const { subset } = parse(`offset=-1&table=t&${query}`);
  return subset === undefined ? undefined : parseSubsetParameters(subset);
};

test("2.1: any `subset__` key makes a request one for a subset, be it blank or unknown", () => {
  const empty = {
    where: undefined,
    params: {},
    limit: undefined,
    offset: undefined,
    orderBy: undefined,
  };
  for (const query of ["subset__where=", "subset__where_expr=%7B%7D", "subset[foo]=x"]) {
    assert.deepEqual(subsetOf(query), empty, query);
  }
  assert.equal(subsetOf("subset="), undefined);
  assert.equal(subsetOf("subset_where=x"), undefined);
});

test("12: the members of a subset, in each spelling", () => {
  const expected = { where: "a=$1", params: { "1": "x" }, limit: 10, offset: 0, orderBy: "a" };
  const flat = "subset__limit=10&subset__offset=0&subset__order_by=a&subset__where=a%3D%241";
  assert.deepEqual(subsetOf(`${flat}&subset__params=%7B%221%22%3A%22x%22%7D`), expected);
  assert.deepEqual(subsetOf(`${flat}&subset__params[1]=x`), expected);
  const nested =
    "subset[limit]=10&subset[offset]=0&subset[order_by]=a&subset[where]=a%3D%241" +
    "&subset[params]=%7B%221%22%3A%22x%22%7D";
  assert.deepEqual(subsetOf(nested), expected);
  assert.deepEqual(subsetOf(`${nested}&subset__limit=11`), { ...expected, limit: 11 });
});

test("12: values of `params` become texts", () => {
  const params = (json: string): unknown =>
    (subsetOf(`subset__params=${encodeURIComponent(json)}`) as { params: unknown }).params;
  assert.deepEqual(params('{"1":1.5,"2":true,"3":"9007199254740993"}'), {
    "1": "1.5",
    "2": "true",
    "3": "9007199254740993",
  });
});

test("20: `live` is ignored on subsets", () => {
  const { isLive } = parse("offset=-1&table=t&live=true&live_sse=true&subset__where=");
  assert.equal(isLive, true);
  parse("offset=-1&table=t&live_sse=true&subset__where=");
});

const ORDER = "order_by is required when limit or offset is present";

test.for<[query: string, errors: Record<string, string>]>([
  ["limit=abc", { limit: INVALID }],
  ["limit=1.0&order_by=a", { limit: INVALID }],
  ["limit=0&order_by=a", { limit: "must be greater than 0" }],
  [
    "limit=-1&offset=-1",
    {
      limit: "must be greater than 0",
      offset: "must be greater than or equal to 0",
      order_by: ORDER,
    },
  ],
  ["limit=99999999999999999999&order_by=a", { limit: INVALID }],
  ["limit=1", { order_by: ORDER }],
  ["offset=0", { order_by: ORDER }],
  ["offset=1&order_by=%20", { order_by: ORDER }],
  ["params=[]", { params: "params must be a JSON object" }],
  ["params=7", { params: "params must be a JSON object" }],
  ["params=%7B", { params: "params must be valid JSON" }],
  [
    "params=%7B%221%22:null%7D",
    { params: "params must have texts, numbers or booleans as values" },
  ],
  [
    "params=%7B%221%22:9007199254740993%7D",
    {
      params: "params must have whole numbers beyond 2^53 as texts",
    },
  ],
])("3.3: subset %s", ([query, errors]) => {
  const prefixed = query.split("&").map((pair) => `subset__${pair}`);
  const members = parse(`offset=-1&table=t&${prefixed.join("&")}`).subset!;
  const expected = Object.entries(errors).map(([field, message]) => [field, [message]]);
  const found: unknown = errorsOf("", () => parseSubsetParameters(members));
  assert.deepEqual(found, { subset: Object.fromEntries(expected) as unknown });
});

test("1.3: DELETE casts strictly and needs no offset", () => {
  const parseDelete = (query: string): unknown => parseDeleteParameters(parseQuery(`?${query}`));
  assert.deepEqual(errorsOf("live=banana&table=t", parseDelete), { live: [INVALID] });
  assert.deepEqual(errorsOf("live=", parseDelete), {
    handle: ["can't be blank when shape definition is missing"],
  });
  assert.deepEqual(errorsOf("handle=h&live=false&offset=10", parseDelete), {});
});
