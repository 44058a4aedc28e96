/**
 * A WHERE of each class that the core knows, as the planner would hand it over, and beside it what
 * it means: on values that were paired with their texts by hand, so that the two have nothing in
 * common.
 */

import type { Access, AccessEntry, AccessPlan } from "../../src/model/access-plan.ts";
import type { RelationDescription } from "../../src/router/descriptions.ts";
import { gramOf, type GramSize } from "../../src/where/grams.ts";
import type { PlannedWhere, Row } from "./routing-model.ts";

/** Texts as Postgres sends them, with values that compare as Postgres compares. */
type Pool<Value> = readonly (readonly [text: string, value: Value])[];

const INTS: Pool<bigint> = [0n, 1n, -1n, 2n, 3n, 7n, 2n ** 63n - 1n, -(2n ** 63n)].map((n) => [
  n.toString(),
  n,
]);
const DECIMALS: Pool<number> = [
  ["1", 1],
  ["1.0", 1],
  ["1.00", 1],
  ["-0.50", -0.5],
  ["-0.5", -0.5],
  ["0", 0],
  ["0.00", 0],
  ["1.5", 1.5],
  ["12345678901234.5", 12345678901234.5],
  ["12345678901234.25", 12345678901234.25],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
  // Greater than Infinity and equal to itself: see `compareDecimals`.
  ["NaN", Infinity],
];
const DAYS: Pool<number> = [
  ["2026-01-31", 9527],
  ["2026-02-01", 9528],
  ["1999-12-31", -1],
  ["0001-12-31 BC", -730_120],
  ["infinity", Infinity],
  ["-infinity", -Infinity],
];
const MOMENTS: Pool<number> = [
  ["2000-01-01 00:00:00+00", 0],
  ["2000-01-01 00:00:00.000001+00", 1],
  ["1999-12-31 23:59:59.999999+00", -1],
  ["2026-02-01 10:00:00.5+00", 823_255_200_500_000],
  ["infinity", Infinity],
];
const LABELS = ["", "a", "ab", "abc", "ABC", "abcdefgh", "abcdefghi", "abcdefgz", "é", "É", "x_y%"];
/** Of a character that is a k in lower case, and of some that take several bytes. */
LABELS.push("a\u212aB", "xAKBx", "日本語abc", "abcd日本");
const UUIDS = [
  "00000000-0000-0000-0000-000000000000",
  "11111111-2222-3333-4444-55555555aaff",
  "11111111-2222-3333-4444-55555555aafe",
  "ffffffff-2222-3333-4444-55555555aafe",
];
const PADDED: Pool<string> = [
  ["a    ", "a"],
  ["ab   ", "ab"],
  ["     ", ""],
];
const TAGS: Pool<readonly (string | null)[]> = [
  ["{}", []],
  ["{a}", ["a"]],
  ['{a,NULL,"b c",a}', ["a", null, "b c", "a"]],
  ['{"q\\"","{"}', ['q"', "{"]],
  ["[0:1]={b,a}", ["b", "a"]],
];
const NUMBERS: Pool<readonly (bigint | null)[]> = [
  ["{}", []],
  ["{1,2}", [1n, 2n]],
  ["{{3,NULL},{-1,7}}", [3n, null, -1n, 7n]],
];
const DOCUMENTS: Pool<unknown> = [
  {},
  { a: "x" },
  { a: null, o: { b: "y" } },
  { a: 1, o: { b: "x\n" } },
  { a: [1, "x"], o: { b: null, c: "x" } },
  { o: [{ b: "x" }], 'k"': "y" },
].map((value) => [JSON.stringify(value), value]);

const C = {
  id: 0,
  n: 1,
  price: 2,
  day: 3,
  moment: 4,
  label: 5,
  owner: 6,
  padded: 7,
  tags: 8,
  numbers: 9,
  document: 10,
} as const;

export const THINGS: RelationDescription = {
  oid: 16_999,
  schema: "public",
  name: "things",
  columns: Object.keys(C).map((name) => ({ name, isBool: false })),
  key: [C.id],
};

const textsOf = (pool: Pool<unknown>): readonly string[] => pool.map(([text]) => text);

/** What rows have in each column. */
export const COLUMN_TEXTS: readonly (readonly string[])[] = [
  textsOf(INTS),
  textsOf(INTS),
  textsOf(DECIMALS),
  textsOf(DAYS),
  textsOf(MOMENTS),
  LABELS,
  UUIDS,
  textsOf(PADDED),
  textsOf(TAGS),
  textsOf(NUMBERS),
  textsOf(DOCUMENTS),
];

/** A class with the texts that its constants are taken from. */
export interface ShapeClass extends PlannedWhere {
  readonly constantTexts: readonly (readonly string[])[];
}

type Value = bigint | number | string | readonly unknown[];

function valueIn<V>(pool: Pool<V>, text: string): V {
  const found = pool.find(([known]) => known === text);
  if (found === undefined) throw new RangeError(`${text} is in no pool`);
  return found[1];
}

function compareDecimals(a: string, b: string): number {
  const ranks = Number(a === "NaN") - Number(b === "NaN");
  return ranks === 0 ? compare(valueIn(DECIMALS, a), valueIn(DECIMALS, b)) : ranks;
}

function compareTexts(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function compare(a: Value, b: Value): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const byPool =
  <V extends Value>(pool: Pool<V>) =>
  (a: string, b: string): number =>
    compare(valueIn(pool, a), valueIn(pool, b));

const inexact = (...branches: readonly Access[]): AccessPlan => ({ branches, isExact: false });
const exact = (...branches: readonly Access[]): AccessPlan => ({ branches, isExact: true });
const equal = (...values: readonly string[]): AccessEntry => ({ branch: 0, values });

/** A test of one column, which is not true of NULL. */
function ofColumn(
  column: number,
  test: (text: string, constants: readonly string[]) => boolean,
): PlannedWhere["matches"] {
  return (row: Row, constants) => {
    const text = row[column];
    return text !== null && text !== undefined && test(text, constants);
  };
}

const EQUALITY_KINDS = [
  ["int", C.n, byPool(INTS)],
  ["decimal", C.price, compareDecimals],
  ["date", C.day, byPool(DAYS)],
  ["timestamp", C.moment, byPool(MOMENTS)],
  ["text", C.label, compareTexts],
  ["uuid", C.owner, compareTexts],
  ["padded", C.padded, byPool(PADDED)],
] as const;

const ORDER_KINDS = EQUALITY_KINDS.filter(([kind]) => kind !== "padded");

const equalities = EQUALITY_KINDS.flatMap(([kind, column, compareTo]): ShapeClass[] => {
  const access: Access = { type: "equality", terms: [{ column, kind }] };
  const texts = COLUMN_TEXTS[column]!;
  return [
    {
      name: `${kind} = a`,
      plan: exact(access),
      constantTexts: [texts],
      entriesOf: ([a]) => [equal(a!)],
      matches: ofColumn(column, (text, [a]) => compareTo(text, a!) === 0),
    },
    {
      name: `${kind} IN (a, b, c)`,
      plan: exact(access),
      constantTexts: [texts, texts, texts],
      entriesOf: (constants) => constants.map((text) => equal(text)),
      matches: ofColumn(column, (text, list) => list.some((each) => compareTo(text, each) === 0)),
    },
  ];
});

const EXACT_ORDERS: readonly string[] = ["int", "date", "timestamp"];

const ranges = ORDER_KINDS.flatMap(([order, column, compareTo]): ShapeClass[] => {
  if (order === "padded") return [];
  const access: Access = { type: "range", column, order };
  const plan = EXACT_ORDERS.includes(order) ? exact(access) : inexact(access);
  const texts = COLUMN_TEXTS[column]!;
  return [
    {
      name: `${order} BETWEEN a AND b`,
      plan,
      constantTexts: [texts, texts],
      entriesOf: ([a, b]) => [
        {
          branch: 0,
          lower: { value: a!, isInclusive: true },
          upper: { value: b!, isInclusive: true },
        },
      ],
      matches: ofColumn(
        column,
        (text, [a, b]) => compareTo(text, a!) >= 0 && compareTo(text, b!) <= 0,
      ),
    },
    {
      name: `${order} > a`,
      plan,
      constantTexts: [texts],
      entriesOf: ([a]) => [{ branch: 0, lower: { value: a!, isInclusive: false } }],
      matches: ofColumn(column, (text, [a]) => compareTo(text, a!) > 0),
    },
    {
      name: `${order} < a`,
      plan,
      constantTexts: [texts],
      entriesOf: ([a]) => [{ branch: 0, upper: { value: a!, isInclusive: false } }],
      matches: ofColumn(column, (text, [a]) => compareTo(text, a!) < 0),
    },
  ];
});

const PREFIXES = ["", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "é", "x_"];
const PATTERNS = ["%", "a%", "%b%", "_b%", "%C", "ab_", "x\\_y\\%", "é", "_", "", "%é%", "a%h%i"];

/** LIKE as a regular expression. */
function isLike(text: string, pattern: string, flags: string): boolean {
  const source = pattern.replace(/\\(.)|([%_])|([\s\S])/gu, (_, escaped, wild, plain) => {
    if (wild !== undefined) return wild === "%" ? "[\\s\\S]*" : "[\\s\\S]";
    const literal = (escaped ?? plain) as string;
    return literal.replace(/[\\^$.*+?()[\]{}|/-]/gu, "\\$&");
  });
  return new RegExp(`^${source}$`, `u${flags}`).test(text);
}

const patterns: ShapeClass[] = [false, true].flatMap((ignoresCase) =>
  [false, true].map((isNegated) => ({
    name: `label ${isNegated ? "NOT " : ""}${ignoresCase ? "I" : ""}LIKE a`,
    plan: {
      ...inexact({ type: "all" }),
      pattern: { column: C.label, ignoresCase, isNegated, constant: 1 },
    },
    // The pattern is the second constant: nothing says that it is the only one.
    constantTexts: [["unused"], PATTERNS],
    entriesOf: () => [{ branch: 0, values: [] }],
    matches: ofColumn(
      C.label,
      (text, [, pattern]) => isLike(text, pattern!, ignoresCase ? "i" : "") !== isNegated,
    ),
  })),
);
const CONTAINED = ["%abc%", "%abcdefg%", "_bcdef%", "%akb%", "%AKB", "%日本%", "a%b%c", "%\\_y\\%"];
for (const ignoresCase of [false, true]) {
  const grams = [6, 3].map((size) => {
    return { type: "grams", column: C.label, size: size as GramSize, ignoresCase } as const;
  });
  patterns.push({
    name: `label ${ignoresCase ? "I" : ""}LIKE %a%`,
    plan: {
      ...inexact(...grams, { type: "all" }),
      pattern: { column: C.label, ignoresCase, isNegated: false, constant: 0 },
    },
    constantTexts: [CONTAINED],
    entriesOf: ([pattern]) => {
      const gram = gramOf(pattern!, ignoresCase);
      if (gram === undefined) return [{ branch: 2, values: [] }];
      return [{ branch: Buffer.byteLength(gram) === 6 ? 0 : 1, values: [gram] }];
    },
    matches: ofColumn(C.label, (text, [pattern]) => {
      return isLike(text, pattern!, ignoresCase ? "i" : "");
    }),
  });
}
patterns.push({
  name: "label LIKE 'prefix%'",
  plan: {
    ...inexact({ type: "range", column: C.label, order: "text" }),
    pattern: { column: C.label, ignoresCase: false, isNegated: false, constant: 0 },
  },
  constantTexts: [PREFIXES.filter((prefix) => !prefix.includes("_")).map((prefix) => `${prefix}%`)],
  entriesOf: ([pattern]) => {
    const prefix = Buffer.from(pattern!.slice(0, -1)).subarray(0, 8).toString();
    return [{ branch: 0, prefix }];
  },
  matches: ofColumn(C.label, (text, [pattern]) => text.startsWith(pattern!.slice(0, -1))),
});

const nulls: ShapeClass[] = [C.n, C.tags].flatMap((column) =>
  ["t", "f"].map((state) => ({
    name: `column ${column} IS ${state === "t" ? "" : "NOT "}NULL`,
    plan: exact({ type: "null", column }),
    constantTexts: [],
    entriesOf: () => [equal(state)],
    matches: (row) => (row[column] === null) === (state === "t"),
  })),
);

const TAG_TEXTS = ["a", "b", "b c", 'q"', "{", "NULL"];
const elements: ShapeClass[] = [
  {
    name: "a = ANY (tags)",
    plan: exact({ type: "elements", column: C.tags, kind: "text" }),
    constantTexts: [TAG_TEXTS],
    entriesOf: ([a]) => [equal(a!)],
    matches: ofColumn(C.tags, (text, [a]) => valueIn(TAGS, text).includes(a!)),
  },
  {
    name: "tags && {a, b}",
    plan: exact({ type: "elements", column: C.tags, kind: "text" }),
    constantTexts: [TAG_TEXTS, TAG_TEXTS],
    entriesOf: (constants) => constants.map((text) => equal(text)),
    matches: ofColumn(C.tags, (text, list) => {
      return list.some((each) => valueIn(TAGS, text).includes(each));
    }),
  },
  {
    name: "tags @> {a, b}",
    plan: inexact({ type: "elements", column: C.tags, kind: "text" }),
    constantTexts: [TAG_TEXTS, TAG_TEXTS],
    entriesOf: ([, b]) => [equal(b!)],
    matches: ofColumn(C.tags, (text, list) => {
      return list.every((each) => valueIn(TAGS, text).includes(each));
    }),
  },
  {
    name: "a = ANY (numbers)",
    plan: exact({ type: "elements", column: C.numbers, kind: "int" }),
    constantTexts: [textsOf(INTS)],
    entriesOf: ([a]) => [equal(a!)],
    matches: ofColumn(C.numbers, (text, [a]) => valueIn(NUMBERS, text).includes(BigInt(a!))),
  },
];

/** `a -> 'b' ->> 'c'`: a key is no index. */
function valueAt(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const step of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

const paths: ShapeClass[] = [["a"], ["o"], ["o", "b"], ['k"'], ["o", "0"]].map((path) => ({
  name: `document -> ${path.join(" -> ")} = a`,
  plan: exact({ type: "path", column: C.document, path }),
  constantTexts: [["x", "y", "x\n", "1", "null", '[1,"x"]', '{"b":"y"}']],
  entriesOf: ([a]) => [equal(a!)],
  matches: ofColumn(C.document, (text, [a]) => {
    const value = valueAt(valueIn(DOCUMENTS, text), path);
    if (value === null || value === undefined) return false;
    return (typeof value === "string" ? value : JSON.stringify(value)) === a;
  }),
}));

const isGreater = (text: string | null | undefined, a: string): boolean =>
  text !== null && text !== undefined && compareDecimals(text, a) > 0;

const mixed: ShapeClass[] = [
  {
    name: "n = a OR price > b OR tags @> {c}",
    plan: inexact(
      { type: "equality", terms: [{ column: C.n, kind: "int" }] },
      { type: "range", column: C.price, order: "decimal" },
      { type: "elements", column: C.tags, kind: "text" },
    ),
    constantTexts: [textsOf(INTS), textsOf(DECIMALS), TAG_TEXTS],
    entriesOf: ([a, b, c]) => [
      equal(a!),
      { branch: 1, lower: { value: b!, isInclusive: false } },
      { branch: 2, values: [c!] },
    ],
    matches: (row, [a, b, c]) => {
      const tags = row[C.tags];
      const hasTag = typeof tags === "string" && valueIn(TAGS, tags).includes(c!);
      return row[C.n] === a || isGreater(row[C.price], b!) || hasTag;
    },
  },
  {
    name: "n = a AND owner = b AND padded = c AND price > d",
    plan: inexact({
      type: "equality",
      terms: [
        { column: C.n, kind: "int" },
        { column: C.owner, kind: "uuid" },
        { column: C.padded, kind: "padded" },
      ],
    }),
    constantTexts: [
      textsOf(INTS).slice(0, 2),
      UUIDS.slice(0, 2),
      textsOf(PADDED),
      textsOf(DECIMALS),
    ],
    entriesOf: ([a, b, c]) => [equal(a!, b!, c!)],
    matches: (row, [a, b, c, d]) => {
      const isPadded = row[C.padded] !== null && row[C.padded]!.trimEnd() === c!.trimEnd();
      return row[C.n] === a && row[C.owner] === b && isPadded && isGreater(row[C.price], d!);
    },
  },
  {
    name: "n = a AND price = b",
    plan: exact({
      type: "equality",
      terms: [
        { column: C.n, kind: "int" },
        { column: C.price, kind: "decimal" },
      ],
    }),
    constantTexts: [textsOf(INTS).slice(0, 2), textsOf(DECIMALS)],
    entriesOf: ([a, b]) => [equal(a!, b!)],
    matches: (row, [a, b]) => {
      const price = row[C.price];
      return row[C.n] === a && typeof price === "string" && compareDecimals(price, b!) === 0;
    },
  },
  {
    name: "length(label) = a",
    plan: inexact({ type: "all" }),
    constantTexts: [["0", "1", "2", "3", "8", "9"]],
    entriesOf: () => [{ branch: 0, values: [] }],
    matches: ofColumn(C.label, (text, [a]) => String(Array.from(text).length) === a),
  },
  {
    name: "true",
    plan: exact({ type: "all" }),
    constantTexts: [],
    entriesOf: () => [{ branch: 0, values: [] }],
    matches: () => true,
  },
  {
    name: "false",
    plan: exact(),
    constantTexts: [INTS.map(([text]) => text)],
    entriesOf: () => [],
    matches: () => false,
  },
];

export const SHAPE_CLASSES: readonly ShapeClass[] = [
  ...equalities,
  ...ranges,
  ...patterns,
  ...nulls,
  ...elements,
  ...paths,
  ...mixed,
];
