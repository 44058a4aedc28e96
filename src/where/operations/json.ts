/**
 * json and jsonb: section 9.16 of the manual.
 *
 * Strings inside of jsonb are compared as bytes, whatever the collation, because Postgres looks for
 * equality alone. `<` and `>` are not here: they go by the collation.
 */

import {
  itemOfJson,
  itemTextOfJson,
  lengthOfJsonArray,
  memberOfJson,
  memberTextOfJson,
  pathOfJson,
  pathTextOfJson,
  typeOfJson,
} from "../values/json.ts";
import {
  contains,
  contentOfJsonb,
  hasKey,
  itemOfJsonb,
  jsonbType,
  lengthOfJsonbArray,
  memberOfJsonb,
  pathOfJsonb,
  typeOfJsonb,
} from "../values/jsonb.ts";
import type { ArrayValue } from "../values/scalar-type.ts";
import { binary, cast, fn, type Operation } from "./operation.ts";

export const JSON_OPERATIONS: readonly Operation[] = [
  binary("->", "json", "text", "json", memberOfJson),
  binary("->", "json", "int4", "json", itemOfJson),
  binary("->>", "json", "text", "text", memberTextOfJson),
  binary("->>", "json", "int4", "text", itemTextOfJson),
  binary("#>", "json", "text[]", "json", pathOfJson),
  binary("#>>", "json", "text[]", "text", pathTextOfJson),
  fn("json_typeof", ["json"], "text", typeOfJson),
  fn("json_array_length", ["json"], "int4", lengthOfJsonArray),

  binary("->", "jsonb", "text", "jsonb", memberOfJsonb),
  binary("->", "jsonb", "int4", "jsonb", itemOfJsonb),
  binary("->>", "jsonb", "text", "text", (json, key) => contentOfJsonb(memberOfJsonb(json, key))),
  binary("->>", "jsonb", "int4", "text", (json, at) => contentOfJsonb(itemOfJsonb(json, at))),
  binary("#>", "jsonb", "text[]", "jsonb", pathOfJsonb),
  binary("#>>", "jsonb", "text[]", "text", (json, path) => contentOfJsonb(pathOfJsonb(json, path))),
  binary("=", "jsonb", "jsonb", "bool", jsonbType.equals),
  binary("<>", "jsonb", "jsonb", "bool", (a, b) => !jsonbType.equals(a, b)),
  binary("@>", "jsonb", "jsonb", "bool", contains),
  binary("<@", "jsonb", "jsonb", "bool", (a, b) => contains(b, a)),
  binary("?", "jsonb", "text", "bool", hasKey),
  binary("?|", "jsonb", "text[]", "bool", (json, keys) =>
    textsOf(keys).some((key) => hasKey(json, key)),
  ),
  binary("?&", "jsonb", "text[]", "bool", (json, keys) =>
    textsOf(keys).every((key) => hasKey(json, key)),
  ),
  fn("jsonb_typeof", ["jsonb"], "text", typeOfJsonb),
  fn("jsonb_array_length", ["jsonb"], "int4", lengthOfJsonbArray),
  cast("json", "jsonb", "assignment", (json) => jsonbType.parse(json)),
  cast("jsonb", "json", "assignment", (json) => jsonbType.format(json)),
];

/** NULL is no key and is passed over. */
function textsOf(keys: ArrayValue): readonly string[] {
  return (keys.elements as readonly (string | null)[]).filter((key) => key !== null);
}
