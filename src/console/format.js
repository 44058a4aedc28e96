/** Numbers for people. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** @param {number} value */
export function count(value) {
  return whole.format(value);
}

/** @param {number} value */
export function compact(value) {
  return Math.abs(value) < 10_000 ? whole.format(value) : short.format(value);
}

/** @param {number} value */
export function bytes(value) {
  let unit = 0;
  let rest = value;
  for (; rest >= 1024 && unit < UNITS.length - 1; unit++) rest /= 1024;
  const digits = unit === 0 || rest >= 100 ? 0 : rest >= 10 ? 1 : 2;
  return `${rest.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}

/** @param {number} value */
export function seconds(value) {
  if (value < 1) return `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`;
  if (value < 120) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 7200) return `${Math.floor(value / 60)} min`;
  if (value < 172_800) return `${Math.floor(value / 3600)} h`;
  return `${Math.floor(value / 86_400)} days`;
}

/**
 * A table as people write it: without quotes where it needs none.
 *
 * @param {string} quoted
 */
export function tableName(quoted) {
  return quoted.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1").replace(/^public\./, "");
}

/**
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function plural(value, one, many = `${one}s`) {
  return `${compact(value)} ${value === 1 ? one : many}`;
}
