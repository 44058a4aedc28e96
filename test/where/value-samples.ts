/**
 * Texts of values of every type a WHERE knows: ordinary ones, extremes, NaN and infinities, what is
 * spelled in several ways, characters beyond ASCII. Small enough that values of two columns meet.
 */

export type SampleType = keyof typeof SAMPLES;

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
  ],
  bool: ["t", "f", "true", "off"],
  text: [
    ...["", "a", "A", "b", "ab", "abc", "ABC", "a%", "a_b", "a\\b", "x y", " a ", "1", "true", "é"],
    ...["É", "ß", "Straße", "日本", "😀", "a\nb", "it's", '"q"', "foo,bar", "{}", "NULL", "Zebra"],
    ...["aaaaaaaaaa", "aaaaaaaab"],
  ],
  varchar: ["", "a", "A", "ab", "abc", "a ", "é", "1", "longer than eight"],
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
  ],
  time: ["00:00:00", "12:34:56", "12:34:56.789", "24:00:00", "23:59:59.999999"],
  timestamp: [
    ...["2024-01-31 00:00:00", "2024-02-29 12:34:56.789", "2000-01-01", "0044-03-15 12:00 BC"],
    ...["infinity", "-infinity", "2024-01-01T00:00:00.000Z", "epoch", "2024-03-31 23:59:59.9999"],
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
  json: ['{"a": 1, "b": "x"}', '{"a": {"b": "x"}}', "[1, 2]", '"s"', "null", '{"a":null,"a":"y"}'],
  jsonb: [
    ...['{"a": 1, "b": "x"}', '{"a": 1.0}', '{"a": {"b": "x"}}', "[1, 2, 3]", '["a", "b"]', "1"],
    ...['"s"', "null", "{}", "[]", '{"tags": ["x", "y"], "ok": true}', '{"0": "zero"}', '"é"'],
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
  ],
  "numeric[]": ["{}", "{1}", "{1.0}", "{1,2.5,NaN}", "{NULL}"],
  "bool[]": ["{}", "{t,f}", "{NULL,t}"],
  "date[]": ["{}", "{2024-01-31}", "{2000-01-01,infinity}"],
  "timestamp[]": ["{}", '{"2024-01-31 00:00:00"}', "{infinity,NULL}"],
  "float8[]": ["{}", "{0,-0}", "{1.5,NaN}"],
  "uuid[]": ["{}", `{${UUIDS[0]!}}`],
  "mood[]": ["{}", "{sad,ok}", "{happy}"],
} as const satisfies Record<string, readonly string[]>;

export const SAMPLE_TYPES = Object.keys(SAMPLES) as readonly SampleType[];

/** One column of each type, `c_int4`, `c_int4s` for arrays; and some more of the commonest. */
export const SAMPLE_COLUMNS: readonly { readonly name: string; readonly type: SampleType }[] = [
  ...SAMPLE_TYPES.map((type) => ({ name: columnName(type), type })),
  { name: "d_int4", type: "int4" },
  { name: "d_text", type: "text" },
  { name: "d_bool", type: "bool" },
  { name: "d_numeric", type: "numeric" },
];

function columnName(type: SampleType): string {
  return `c_${type.replace("[]", "s")}`;
}

/** `CREATE TABLE` of them all, with `id` for a key. */
export const SAMPLE_TABLE_SQL = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TABLE things (
    id int4 PRIMARY KEY,
    ${SAMPLE_COLUMNS.map(({ name, type }) => `${name} ${type}`).join(",\n    ")}
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
