/** A table with a column of every type that there are samples of. */

import { column, table } from "./tables.ts";
import { SAMPLE_COLUMNS } from "./value-samples.ts";

const ARRAY_OIDS: Record<string, number> = { int4: 1007, int8: 1016, text: 1009, numeric: 1231 };
export const things = table(
  column("id", "int4"),
  ...SAMPLE_COLUMNS.map(({ name, type }) => {
    const element = type.replace("[]", "");
    if (element === "mood") return column(name, element, { typeKind: "e" });
    const typeOid = ARRAY_OIDS[element];
    return type.endsWith("[]") && typeOid !== undefined
      ? column(name, element, { typeOid, dimensionCount: 1 })
      : column(name, element);
  }),
);
