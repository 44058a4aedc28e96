/**
 * Texts of values of every type a WHERE knows: ordinary ones, extremes, NaN and infinities, what is
 * spelled in several ways, characters beyond ASCII, and what the core's readers may stumble over
 * (lengths about 8 bytes and 4 KiB, letters whose other case is of ASCII, keys that stand in an
 * object twice). Few enough that values of two columns meet.
 */

export type SampleType = keyof typeof SAMPLES;

/** With escapes, with keys that look like others, with a key in the depth. */
const DOCUMENTS = [
  '{"a": "x"}',
  '{"a": "y"}',
  '{"a": true}',
  '{"a": "true"}',
  '{"a": 1.50}',
  '{"a": -0}',
  '{"a": {"b": ["x"]}}',
  '{"a": {"b": {"c": "x"}}}',
  '{"a": "{\\"b\\": \\"x\\"}"}',
  '{"a": ""}',
  '{"a": {}}',
  '{"a": []}',
  '[{"a": "x"}]',
  '{"b": "x", "a": "x"}',
  '{"x": "a", "y": {"a": 1}}',
  '{"\\u0061": "x"}',
  '{"a": "\\u00e9"}',
  '{"a": "\\ud83d\\ude00"}',
  '{"a": "new\\nline"}',
  '{"k\\"ey": "x"}',
  '{"": "x"}',
  '{"é": "x"}',
  '{"z": "\\"}{", "a": {"b": "x"}}',
  '{"a": "\\\\"}',
] as const;

const UUIDS = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"];

export const SAMPLES = {
  int2: ["0", "1", "-1", "2", "5", "32767", "-32768", " 07 "],
  int4: ["0", "1", "-1", "2", "3", "10", "2147483647", "-2147483648", "0x1F", "1_000"],
  int8: ["0", "1", "-1", "5", "10", "4294967296", "9223372036854775807", "-9223372036854775808"],
  float4: ["0", "-0", "1", "0.1", "1.5", "-2.5", "1e10", "3.4e38", "1e-40", "NaN", "Infinity"],
  float8: ["0", "-0", "1", "0.1", "1.5", "5", "1e100", "5e-324", "NaN", "-Infinity", "Infinity"],
  numeric: [
    ...["0", "1", "1.0", "1.00", "-1", "0.1", "1.5", "2.5", "5", "10.000", "-0.5", "1e3"],
    ...["123456789012345678901234567890.123", "NaN", "Infinity", "-Infinity", "0.00000001"],
    ...["12345678901234567890.123", "12345678901234567890.124", "1e-30", "9223372036854775808"],
  ],
  bool: ["t", "f", "true", "off"],
  text: [
    ...["", "a", "A", "b", "ab", "abc", "ABC", "a%", "a_b", "a\\b", "x y", " a ", "1", "true", "é"],
    ...["É", "ß", "Straße", "日本", "😀", "a\nb", "it's", '"q"', "foo,bar", "{}", "NULL", "Zebra"],
    ...["aaaaaaaaaa", "aaaaaaaab", "%", "日本語", "x😀y", "\u{10ffff}", "tail%", "back\\slash"],
    ...["abcdefg", "abcdefgh", "abcdefghi", "abcdefgé", "main street 1", "12 Main Street"],
    ...["xmain strEETx", "ma\u0130n street", "ISTANBUL", "\u0130stanbul", "ıstanbul", "\u017fong"],
    ...["Kelvin \u212a", "xx\u212ayy", "XXKYY", "ΑΣ", "ας", "ma\u212an \u0130\u0130\u0130"],
    ...["ab\u212a", "sk\u0130", `${"x".repeat(4095)}abcK`, `${"é".repeat(2100)}needle`],
  ],
  varchar: ["", "a", "A", "ab", "abc", "a ", "é", "1", "longer than eight", "xx\u212ayy"],
  name: ["", "a", "A", "ab", "pg_catalog", "é"],
  bpchar: ["", "a", "a  ", "ab", "ab ", " a", "é", "abc"],
  uuid: [...UUIDS, UUIDS[0]!.toUpperCase(), "ffffffff-ffff-ffff-ffff-ffffffffffff"],
  bytea: ["\\x", "\\x00", "\\xdeadbeef", "abc", "\\x616263"],
  date: [
    "2024-01-31",
    "2024-02-29",
    "2000-01-01",
    "0044-03-15 BC",
    "infinity",
    "-infinity",
    "epoch",
    ...["1999-12-31", "0001-12-31 BC", "10000-01-01"],
  ],
  time: ["00:00:00", "12:34:56", "12:34:56.789", "24:00:00", "23:59:59.999999"],
  timestamp: [
    ...["2024-01-31 00:00:00", "2024-02-29 12:34:56.789", "2000-01-01", "0044-03-15 12:00 BC"],
    ...["infinity", "-infinity", "2024-01-01T00:00:00.000Z", "epoch", "2024-03-31 23:59:59.9999"],
    ...["1999-12-31 23:59:59.999999"],
  ],
  timestamptz: [
    ...["2024-01-31 00:00:00+00", "2024-02-29 12:34:56.789+02", "2024-01-01T00:00:00.000Z"],
    ...["infinity", "-infinity", "2000-01-01 00:00-05:30", "2024-06-01 12:00 Europe/Berlin"],
  ],
  interval: [
    ...[
      "1 day",
      "24:00:00",
      "1 mon",
      "30 days",
      "P1Y2M3DT4H5M6S",
      "-1 day +02:00",
      "0",
      "1.5 days",
    ],
    ...["1 year 2 mons", "00:00:00.000001"],
  ],
  json: [
    ...['{"a": 1, "b": "x"}', '{"a": {"b": "x"}}', "[1, 2]", '"s"', "null", '{"a":null,"a":"y"}'],
    ...['{"a":{"b":"x"},"a":5}', '{"a":5,"a":{"b":"x"}}', ' { "a"  :  "x" } ', ...DOCUMENTS],
  ],
  jsonb: [
    ...['{"a": 1, "b": "x"}', '{"a": 1.0}', '{"a": {"b": "x"}}', "[1, 2, 3]", '["a", "b"]', "1"],
    ...['"s"', "null", "{}", "[]", '{"tags": ["x", "y"], "ok": true}', '{"0": "zero"}', '"é"'],
    ...DOCUMENTS,
  ],
  mood: ["sad", "ok", "happy"],
  "int4[]": ["{}", "{1}", "{1,2}", "{2,1}", "{1,NULL}", "{{1,2},{3,4}}", "[0:1]={1,2}", "{NULL}"],
  "int8[]": ["{}", "{1}", "{1,5}", "{NULL}"],
  "text[]": [
    "{}",
    "{a}",
    "{a,b}",
    "{b,a,b}",
    '{"a b",NULL}',
    '{"",é}',
    "{{a,b},{c,d}}",
    '{"x\\"y"}',
    ...['{"NULL"}', "{NULL}", '{"a\\\\b"}', '{"{a}"}', '{"a,b"}', "{日本,😀}"],
  ],
  "numeric[]": ["{}", "{1}", "{1.0}", "{1,2.5,NaN}", "{NULL}", "{1e300,-0.0}", "{Infinity}"],
  "bool[]": ["{}", "{t,f}", "{NULL,t}"],
  "date[]": ["{}", "{2024-01-31}", "{2000-01-01,infinity}"],
  "timestamp[]": ["{}", '{"2024-01-31 00:00:00"}', "{infinity,NULL}"],
  "float8[]": ["{}", "{0,-0}", "{1.5,NaN}"],
  "uuid[]": ["{}", `{${UUIDS[0]!}}`],
  "mood[]": ["{}", "{sad,ok}", "{happy}"],
} as const satisfies Record<string, readonly string[]>;

export const SAMPLE_TYPES = Object.keys(SAMPLES) as readonly SampleType[];

interface SampleColumn {
  readonly name: string;
  readonly type: SampleType;
  /** If it is more than the type. */
  readonly declaration?: string;
}

/** One column of each type, `c_int4`, `c_int4s` for arrays; and some more of the commonest. */
export const SAMPLE_COLUMNS: readonly SampleColumn[] = [
  ...SAMPLE_TYPES.map((type) => ({ name: columnName(type), type })),
  { name: "d_int4", type: "int4" },
  { name: "d_text", type: "text" },
  { name: "d_bool", type: "bool" },
  { name: "d_numeric", type: "numeric" },
  { name: "d_bpchar", type: "bpchar", declaration: "char(5)" },
  // Letters beyond ASCII have one case to it.
  { name: "e_text", type: "text", declaration: 'text COLLATE "C"' },
];

function columnName(type: SampleType): string {
  return `c_${type.replace("[]", "s")}`;
}

const DECLARATIONS = SAMPLE_COLUMNS.map(({ name, type, declaration = type }) => {
  return `${name} ${declaration}`;
});

/** `CREATE TABLE` of them all, with `id` for a key. */
export const SAMPLE_TABLE_SQL = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TABLE things (
    id int4 PRIMARY KEY,
    ${DECLARATIONS.join(",\n    ")}
  )`;

/** Rows in which every value of every type stands at least once, and every fifth is NULL. */
export function sampleRows(count: number, random: () => number): (string | null)[][] {
  return Array.from({ length: count }, (_, row) => [
    String(row + 1),
    ...SAMPLE_COLUMNS.map(({ type }, column): string | null => {
      const values = SAMPLES[type];
      if (row < values.length) return values[(row + column) % values.length]!;
      return random() < 0.2 ? null : values[Math.floor(random() * values.length)]!;
    }),
  ]);
}
