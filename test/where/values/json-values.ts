/** Texts of JSON: values of few keys and words, so that they meet, and texts that are none. */

import fc from "fast-check";

const number = fc.oneof(
  fc.integer({ min: -2, max: 3 }).map(String),
  fc.constantFrom("1.0", "1.00", "10e-1", "0.1e1", "-0", "-0.0", "0e9", "1E+2", "100", "1e-3"),
  fc.constantFrom("12345678901234567890.123456789", "1e40", "9007199254740993", "1e-40"),
);
const brokenNumber = fc.constantFrom("01", "1.", ".5", "+1", "1e", "-", "0x1", "NaN", "1_0", "1a");
const character = fc.oneof(
  fc.constantFrom(...Array.from("ab /:,é€😀'\u007f\u0085\u2028")),
  fc.constantFrom('\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0061", "\\u00e9"),
  fc.constantFrom("\\ud83d\\ude00", "\\u001F", "\\uFFFF", "\\u007f"),
);
const brokenCharacter = fc.constantFrom(
  ...["\\u0000", "\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\x", "\\u12", "\n", "\u0001"],
  ...["\\ud83d\\u0041", "\\U0041", "\\"],
);
const word = fc.constantFrom("a", "b", "aa", "é", "", "1", "-1", "0");
const stringText = fc
  .oneof(
    { weight: 8, arbitrary: word },
    { weight: 4, arbitrary: fc.array(character, { maxLength: 3 }).map((all) => all.join("")) },
    { weight: 1, arbitrary: fc.tuple(word, brokenCharacter).map((all) => all.join("")) },
  )
  .map((content) => `"${content}"`);
const space = fc.constantFrom("", "", "", " ", "\n\t ", "  ");

const { value } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    { weight: 4, arbitrary: fc.oneof(number, stringText) },
    { weight: 2, arbitrary: fc.constantFrom("true", "false", "null") },
    { weight: 2, arbitrary: tie("array") },
    { weight: 3, arbitrary: tie("object") },
  ),
  array: fc
    .array(fc.tuple(space, tie("value"), space), { maxLength: 4 })
    .map((items) => `[${items.map((item) => item.join("")).join(",")}]`),
  object: fc
    .array(fc.tuple(space, stringText, space, fc.constant(":"), space, tie("value")), {
      maxLength: 4,
    })
    .map((members) => `{${members.map((member) => member.join("")).join(",")}}`),
}));

const sound = fc.tuple(space, value, space).map((parts) => parts.join(""));

/** Mostly JSON. */
export const jsonText = fc.oneof(
  { weight: 12, arbitrary: sound },
  { weight: 1, arbitrary: brokenNumber },
  {
    weight: 1,
    arbitrary: fc
      .tuple(sound, fc.nat(), fc.constantFrom(...Array.from('"{}[],:1tx \\\u00a0\v')))
      .map(([text, at, mark]) => {
        const characters = Array.from(text);
        characters.splice(at % (characters.length + 1), 1, mark);
        return characters.join("");
      }),
  },
);

export const keyText = fc.oneof(word, fc.constantFrom("missing", "a b", "😀"));
export const indexText = fc.constantFrom("0", "1", "2", "3", "-1", "-2", "-4", "9", "2147483647");
export const pathText = fc
  .array(
    fc.oneof(
      keyText.map((key) => `"${key}"`),
      fc.constantFrom("0", "1", "-1", "NULL", "+1", '" 1"', "1x", "99999999999", '"\\n0"'),
    ),
    { maxLength: 4 },
  )
  .map((steps) => `{${steps.join(",")}}`);
