/**
 * Casts the parameters of one request field by field and collects what is wrong with them. A field
 * that cannot be cast reads as absent, so that one pass finds everything (protocol 3.3).
 *
 * A query string has text alone; the body of a POST may have numbers and booleans as well.
 */

import { InvalidRequest } from "./errors.ts";
import { isBlank, type Query, type QueryScalar } from "./query.ts";

export class Cast {
  readonly #query: Query;
  // A Map, because fields are named by clients: `params[__proto__]`.
  readonly #errors = new Map<string, string[]>();

  constructor(query: Query) {
    this.#query = query;
  }

  /** Blank values count as absent (protocol 2.1). */
  isPresent(name: string): boolean {
    const value = this.#query.get(name);
    return value !== undefined && !(typeof value === "string" && isBlank(value));
  }

  hasError(name: string): boolean {
    return this.#errors.has(name);
  }

  error(name: string, message: string): void {
    const messages = this.#errors.get(name);
    if (messages === undefined) this.#errors.set(name, [message]);
    else messages.push(message);
  }

  /**
   * @param under the member of `errors` that holds them; `errors` itself unless given.
   * @throws {InvalidRequest} with everything that was found wrong so far.
   */
  endStage(under?: string): void {
    if (this.#errors.size === 0) return;
    const errors = Object.fromEntries(this.#errors);
    throw new InvalidRequest(under === undefined ? errors : { [under]: errors });
  }

  text(name: string): string | undefined {
    if (!this.isPresent(name)) return undefined;
    const value = this.#query.get(name);
    return this.#valid(name, typeof value === "string" ? value : undefined);
  }

  integer(name: string): number | undefined {
    if (!this.isPresent(name)) return undefined;
    const value = this.#query.get(name);
    const isText = typeof value === "string" && /^[+-]?[0-9]+$/.test(value);
    const number = isText ? Number(value) : value;
    return this.#valid(name, Number.isSafeInteger(number) ? (number as number) : undefined);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    return this.#valid(
      name,
      choices.find((choice) => choice === text),
    );
  }

  boolean(name: string, reportedAs = name): boolean | undefined {
    if (!this.isPresent(name)) return undefined;
    const value = this.#query.get(name);
    const isTrue = value === true || value === "true" || value === "1";
    const isFalse = value === false || value === "false" || value === "0";
    return this.#valid(reportedAs, isTrue || isFalse ? isTrue : undefined);
  }

  /** Present with any value but `false` is true, even when blank (protocol 2.1). */
  leniently(name: string): boolean | undefined {
    const value = this.#query.get(name);
    if (value === undefined) return undefined;
    const isScalar = typeof value !== "object" && typeof value !== "symbol";
    return this.#valid(name, isScalar ? value !== "false" && value !== false : undefined);
  }

  textOrList(name: string): string | readonly string[] | undefined {
    const value = this.#query.get(name);
    if (!Array.isArray(value)) return this.text(name);
    return this.#valid(name, areTexts(value as QueryScalar[]) ? (value as string[]) : undefined);
  }

  map(name: string): Readonly<Record<string, string>> | undefined {
    if (!this.isPresent(name)) return undefined;
    const value = this.#query.get(name);
    const isMap = value instanceof Map && areTexts([...(value.values() as Iterable<QueryScalar>)]);
    const map = isMap ? Object.fromEntries(value as ReadonlyMap<string, string>) : undefined;
    return this.#valid(name, map);
  }

  #valid<Value>(name: string, value: Value | undefined): Value | undefined {
    if (value === undefined) this.error(name, "is invalid");
    return value;
  }
}

function areTexts(values: readonly QueryScalar[]): boolean {
  return values.every((value) => typeof value === "string");
}
