/**
 * Text of values against Postgres.
 *
 * Goal: `parse` takes exactly the texts that the type's input function takes, and `format` writes
 * what the output function writes. Method: texts put together at random from the pieces that each
 * type's notation is made of, so that about half are well-formed; and values of random bits, which
 * find the digits that are hard to get right.
 */

import { afterAll, beforeAll, test } from "vitest";
import { typeNamed } from "../../../src/where/type-table.ts";
import type { TypeName } from "../../../src/where/values/scalar-type.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { seededRandom } from "../../support/random.ts";
import { patienceFactor, runsOf } from "../../support/runs.ts";
import { arrayText } from "./array-texts.ts";
import { compare, quoteLiteral, type Case } from "./differential.ts";
import { pick, randomDouble, randomFloat, type Random } from "./value-texts.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.dispose());

const SPACES = ["", "", "", " ", "\t", "\n\v\f\r"];
const SIGNS = ["", "", "", "+", "-", "--", "- "];
const NUMBERS = ["0", "1", "7", "12", "0012", "1_000", "_1", "1__0", "1_", "32767", "32768"];
const LARGE = ["2147483647", "2147483648", "9223372036854775807", "9223372036854775808"];
const RADIX = ["0x1F", "0xg", "0X_f", "0o17", "0o8", "0b101", "0b_1", "0x", "0x7fffffffffffffff"];
const TAILS = ["", "", "", "", "x", ".", "e", " 1"];
const FRACTIONS = ["", "", ".", ".5", ".0_5", "._5", ".5_", ".000", ".123456789012345678901"];
const EXPONENTS = [
  "",
  "",
  "",
  "e1",
  "e-1",
  "E+2",
  "e",
  "e1_0",
  "e_1",
  "e400",
  "e-400",
  "e-40",
  "e38",
];
const WORDS = [
  "nan",
  "NaN",
  "inf",
  "Infinity",
  "INFINITY",
  "infinit",
  "nan(1)",
  "nan(",
  "null",
  "",
];

const grammars: Record<string, readonly (readonly string[])[]> = {
  bool: [
    SPACES,
    [
      ...Array.from("tTfFyYnNoO01"),
      "tr",
      "TRUE",
      "fals",
      "yes",
      "ye",
      "no",
      "on",
      "off",
      "of",
      "truex",
      "",
    ],
    SPACES,
  ],
  int2: [SPACES, SIGNS, [...NUMBERS, ...RADIX], TAILS, SPACES],
  int4: [SPACES, SIGNS, [...NUMBERS, ...LARGE, ...RADIX], TAILS, SPACES],
  int8: [SPACES, SIGNS, [...NUMBERS, ...LARGE, ...RADIX], TAILS, SPACES],
  numeric: [
    SPACES,
    SIGNS,
    ["", "", ...NUMBERS, ...LARGE, ...RADIX, ...WORDS],
    FRACTIONS,
    [...EXPONENTS, "e1000", "e-1000", "e1073741823", "e1073741824"],
    SPACES,
  ],
  float4: [
    SPACES,
    SIGNS,
    ["", ...NUMBERS, ...LARGE, ...RADIX, ...WORDS, "3.40282357", "1.17549435"],
    FRACTIONS,
    [...EXPONENTS, "p3", "p-150", "p-149", "p127", "p128", "e-45", "e-46"],
    SPACES,
  ],
  float8: [
    SPACES,
    SIGNS,
    ["", ...NUMBERS, ...LARGE, ...RADIX, ...WORDS, "1.7976931348623159", "2.4703282292062328"],
    FRACTIONS,
    [...EXPONENTS, "p3", "p-1075", "p-1074", "p1023", "p1024", "e308", "e-324"],
    SPACES,
  ],
  uuid: [
    ["", "", "", "{", " "],
    ["A0EEBC99", "a0ee-bc99", "a0eebc9", "a0eebc9g", "a0e-ebc99"],
    ["", "-"],
    ["9c0b4ef8", "9c0b-4ef8", "9c0b-4ef8-"],
    ["bb6d6bb9bd380a11", "bb6d-6bb9bd380a11", "bb6d-6bb9-bd38-0a11", "bb6d"],
    ["", "", "", "}", " "],
  ],
  bytea: [
    ["", "\\x", "\\x", "\\X", "x"],
    ["", "00", "aB", "a", "é", "\\\\", "\\000", "\\377", "\\400", "\\38"],
    ["", " ", "\n", "\\", "\v", "g"],
    ["", "ff", "0", "\\001", "z"],
  ],
  name: [
    ["", "a", "é".repeat(31), "😀".repeat(16)],
    ["", "b", "é"],
    ["", "cé", "😀"],
  ],
  "int4[]": Array.from({ length: 9 }, () => [
    ...Array.from("{{{}}},,,1 "),
    "",
    "NULL",
    "null ",
    '"2"',
    "[1:2]=",
  ]),
  "text[]": [
    ["", "", "", " ", "[0:1]=", "[2]=", "[1:2][1:1]= ", "[1:0]=", "[ 1:2]=", "[-3:-2] ="],
    ["{", "{", "{ ", "{{"],
    [
      "a",
      " b c ",
      '""',
      '" "',
      "NULL",
      '"NULL"',
      "nUlL",
      "\\ ",
      "a\\",
      "\\n ",
      "\\\\ \\",
      'x"y',
      "",
    ],
    [",", ",", " , ", "},{", ""],
    ["a", "é", '"q\\"\\\\"', "null", '"x"y', '"x" ', "\u00a0", ""],
    ["}", "}", " }", "}}", "} ", "} x", ""],
  ],
};

for (const [type, pieces] of Object.entries(grammars)) {
  test(`${type} reads what Postgres reads`, { timeout: 60_000 * patienceFactor() }, async () => {
    const random = seededRandom(`input of ${type}`);
    const next = () =>
      reading(type as TypeName, pieces.map((piece) => pick(random, piece)).join(""));
    await compare(database, runsOf(1_500), next);
  });
}

const written: Record<string, (random: Random) => string> = {
  float8: (random) => `${randomDouble(random)}`,
  float4: (random) => `${randomFloat(random)}`,
  "float4[]": (random) => `{${(random() - 0.5) * 2 ** 20},${(random() * 2) ** 40}}`,
  "float8[]": (random) => `{${random() * 10 ** Math.floor(random() * 30)},${2 ** (random() * 90)}}`,
  "text[]": (random) => arrayText("text", random),
  "bool[]": (random) => arrayText("bool", random),
  "bytea[]": (random) => arrayText("bytea", random),
};

for (const [type, textOf] of Object.entries(written)) {
  test(
    `${type} is written as Postgres writes it`,
    { timeout: 60_000 * patienceFactor() },
    async () => {
      const random = seededRandom(`output of ${type}`);
      await compare(database, runsOf(1_500), () => reading(type as TypeName, textOf(random)));
    },
  );
}

test("powers of ten and two are written as Postgres writes them", async () => {
  const values = [
    ...Array.from({ length: 632 }, (_, index) => Number(`1e${index - 323}`)),
    ...Array.from({ length: 2098 }, (_, index) => 2 ** (index - 1074)),
  ];
  let index = 0;
  const next = () => reading("float8", `${values[index++]!}`);
  await compare(database, values.length, next);
  const floats = values.map(Math.fround).filter((value) => value > 0 && value < Infinity);
  index = 0;
  await compare(database, floats.length, () => reading("float4", `${floats[index++]!}`));
});

function reading(type: TypeName, text: string): Case {
  return {
    sql: `${quoteLiteral(text)}::${type}`,
    // Whichever comes first: the number grows too large, or a character is wrong.
    isAnyError: true,
    evaluate: () => typeNamed(type).format(typeNamed(type).parse(text)),
  };
}
