/** An array as Postgres reads it (Postgres manual, 8.15.2). */
export function arrayText(values: readonly (string | number)[]): string {
  return `{${values.map((value) => `"${`${value}`.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
