/** `text || x` and `x || text`, for whatever is no array (Postgres manual, 9.4). */

import { typeNamed } from "../type-table.ts";
import type { TypeName, Value } from "../values/scalar-type.ts";
import { make, type Operation } from "./operation.ts";

export const TEXT_AND_OTHER: readonly Operation[] = [
  make("binary", "||", ["text", "anynonarray"], "text", ({ types }) => {
    const toText = castToText(types[1]!);
    return (text, other) => (text as string) + toText(other!);
  }),
  make("binary", "||", ["anynonarray", "text"], "text", ({ types }) => {
    const toText = castToText(types[0]!);
    return (other, text) => toText(other!) + (text as string);
  }),
];

/** As the cast to text does it, which is not the output function for these two. */
function castToText(type: TypeName): (value: Value) => string {
  if (type === "bool") return String;
  if (type === "bpchar") return (value) => (value as string).replace(/ +$/, "");
  const { format } = typeNamed(type);
  return format;
}
