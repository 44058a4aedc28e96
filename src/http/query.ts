/**
 * The query string as protocol section 2 wants it read: `name=x` is a scalar of which the last
 * wins, `name[]=x` a list, `name[key]=x` a map. Of spellings that contradict each other the last
 * kind wins.
 *
 * What cannot be decoded (bad percent-encoding, bytes that are not UTF-8, deeper nesting) is
 * MALFORMED and not an error: parameters that nobody knows must never cause one. Replacement
 * characters instead would turn one filter into another.
 *
 * Pure. Names are keys of Maps, so `__proto__` is a name like any other.
 */

export const MALFORMED = Symbol("malformed");

/** Numbers and booleans come from the body of a POST alone. */
export type QueryScalar = string | number | boolean | typeof MALFORMED;
export type QueryValue = QueryScalar | readonly QueryScalar[] | ReadonlyMap<string, QueryScalar>;
export type Query = ReadonlyMap<string, QueryValue>;

/** @param url a request target: whatever stands before the first `?` is skipped. */
export function parseQuery(url: string): Query {
  const query = new Map<string, QueryValue>();
  const start = url.indexOf("?");
  if (start === -1) return query;
  for (const pair of url.slice(start + 1).split("&")) {
    const equals = pair.indexOf("=");
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (name === MALFORMED || name === "") continue;
    add(query, name, decode(equals === -1 ? "" : pair.slice(equals + 1)));
  }
  return query;
}

/** The text of a scalar parameter. Undefined when it is absent, blank or no scalar. */
export function textOf(query: Query, name: string): string | undefined {
  const value = query.get(name);
  return typeof value === "string" && !isBlank(value) ? value : undefined;
}

/** Blank values count as absent (protocol 2.1). */
export function isBlank(text: string): boolean {
  return text.trim() === "";
}

function add(query: Map<string, QueryValue>, name: string, value: QueryScalar): void {
  if (!name.includes("[")) {
    query.set(name, value);
    return;
  }
  const match = /^([^[\]]+)\[(.*)\]$/s.exec(name);
  if (match === null) {
    query.set(name, value);
    return;
  }
  const [base, key] = [match[1]!, match[2]!];
  const previous = query.get(base);
  if (key === "") {
    // Grown in place: copying would make a long list quadratic.
    if (Array.isArray(previous)) (previous as QueryScalar[]).push(value);
    else query.set(base, [value]);
  } else if (/[[\]]/.test(key)) {
    query.set(base, MALFORMED);
  } else if (previous instanceof Map) {
    (previous as Map<string, QueryScalar>).set(key, value);
  } else {
    query.set(base, new Map([[key, value]]));
  }
}

/** Nothing to decode. */
const PLAIN = /^[\w.,:-]*$/;

function decode(text: string): string | typeof MALFORMED {
  if (PLAIN.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return MALFORMED;
  }
}
