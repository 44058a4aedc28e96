/**
 * The parameters of a request for a shape: cast, checked in the order of protocol 3.3, and typed.
 *
 * Checking is staged: the first stage with an error ends it, with all the errors of that stage.
 * What needs the catalog (identifiers, columns, WHERE) is the service's part and comes after all of
 * this.
 *
 * Pure: a query in, parameters out.
 */

import { parseLogOffset } from "../model/log-offset.ts";
import type { LogMode, ReplicaMode } from "../model/shape-definition.ts";
import type { DefinitionRequest } from "../shapes/shape-service.ts";
import { InvalidRequest } from "./errors.ts";
import type { RequestedOffset } from "./etag.ts";
import { isBlank, MALFORMED, textOf, type Query, type QueryScalar } from "./query.ts";

export interface ShapeParameters {
  readonly offset: RequestedOffset;
  /** Undefined for the offsets -1 and now, which want no particular shape (protocol 5.2). */
  readonly handle: string | undefined;
  readonly isLive: boolean;
  readonly cursor: string | undefined;
  readonly definition: DefinitionRequest;
}

export interface DeleteParameters {
  readonly handle: string | undefined;
  readonly definition: DefinitionRequest | undefined;
}

const NOT_SUPPORTED = "is not supported yet";

/** @throws {InvalidRequest} */
export function parseShapeParameters(query: Query): ShapeParameters {
  const cast = new Cast(query);
  const fields = castDefinition(cast);
  const offsetText = cast.text("offset");
  const handle = cast.text("handle");
  const isLive = cast.leniently("live") ?? false;
  const isSse = castSse(cast);
  cast.boolean("experimental_compaction");
  refuseUnsupported(cast);
  if (!cast.hasError("offset") && offsetText === undefined) cast.error("offset", "can't be blank");
  cast.endStage();

  const offset = offsetText === "now" ? "now" : parseLogOffset(offsetText!);
  if (offset === undefined) throw new InvalidRequest({ offset: ["has invalid format"] });
  const isNow = offset === "now";
  const isBeforeAll = !isNow && offset.tx < 0n;
  if (handle === undefined && !isNow && !isBeforeAll) {
    cast.error("handle", "can't be blank when offset != -1");
    cast.endStage();
  }
  if (isLive && isBeforeAll) cast.error("live", "can't be true when offset == -1");
  if (isLive && isNow) cast.error("live", "can't be true when offset is 'now'");
  cast.endStage();
  if (isSse)
    cast.error("live_sse", isLive ? NOT_SUPPORTED : "can't be true unless live is also true");
  cast.endStage();
  if (fields.table === undefined) cast.error("table", "can't be blank");
  cast.endStage();

  return {
    offset,
    handle: isNow || isBeforeAll ? undefined : handle,
    isLive,
    cursor: textOf(query, "cursor"),
    definition: { ...fields, table: fields.table! },
  };
}

/**
 * Reads what DELETE looks at (protocol 1.3). The other parameters are cast all the same.
 *
 * @throws {InvalidRequest}
 */
export function parseDeleteParameters(query: Query): DeleteParameters {
  const cast = new Cast(query);
  const fields = castDefinition(cast);
  const handle = cast.text("handle");
  cast.text("offset");
  for (const name of ["live", "live_sse", "experimental_live_sse", "experimental_compaction"]) {
    cast.boolean(name);
  }
  refuseUnsupported(cast);
  cast.endStage();
  if (fields.table === undefined && handle === undefined) {
    cast.error("handle", "can't be blank when shape definition is missing");
    cast.endStage();
  }
  const { table } = fields;
  return { handle, definition: table === undefined ? undefined : { ...fields, table } };
}

type DefinitionFields = Omit<DefinitionRequest, "table"> & { readonly table: string | undefined };

function castDefinition(cast: Cast): DefinitionFields {
  return {
    table: cast.text("table"),
    where: cast.text("where"),
    params: cast.map("params"),
    columns: cast.textOrList("columns"),
    replica: cast.oneOf<ReplicaMode>("replica", ["default", "full"]) ?? "default",
    log: cast.oneOf<LogMode>("log", ["full", "changes_only"]) ?? "full",
  };
}

/** `live_sse` by the lenient rule of `live`; in its absence the deprecated name, cast strictly. */
function castSse(cast: Cast): boolean {
  const isSse = cast.leniently("live_sse");
  return isSse ?? cast.boolean("experimental_live_sse", "live_sse") ?? false;
}

/**
 * What the protocol has and this server has not. To ignore any of it would be a wrong answer: rows
 * outside the subset, columns outside the allow-list.
 */
function refuseUnsupported(cast: Cast): void {
  for (const name of cast.names) {
    if (name === "subset" || name.startsWith("subset__")) cast.error(name, NOT_SUPPORTED);
  }
  if (cast.isPresent("queryable_columns")) cast.error("queryable_columns", NOT_SUPPORTED);
}

/** Casts field by field and collects what is wrong. A field that cannot be cast reads as absent. */
class Cast {
  readonly #query: Query;
  // A Map, because fields are named by clients: `subset____proto__`.
  readonly #errors = new Map<string, string[]>();

  constructor(query: Query) {
    this.#query = query;
  }

  get names(): Iterable<string> {
    return this.#query.keys();
  }

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

  /** @throws {InvalidRequest} with everything that was found wrong so far. */
  endStage(): void {
    if (this.#errors.size > 0) throw new InvalidRequest(Object.fromEntries(this.#errors));
  }

  text(name: string): string | undefined {
    if (!this.isPresent(name)) return undefined;
    const value = this.#query.get(name);
    return this.#valid(name, typeof value === "string" ? value : undefined);
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
    const isTrue = value === "true" || value === "1";
    const isFalse = value === "false" || value === "0";
    return this.#valid(reportedAs, isTrue || isFalse ? isTrue : undefined);
  }

  /** Present with any value but `false` is true, even when blank (protocol 2.1). */
  leniently(name: string): boolean | undefined {
    const value = this.#query.get(name);
    if (value === undefined) return undefined;
    return this.#valid(name, typeof value === "string" ? value !== "false" : undefined);
  }

  textOrList(name: string): string | readonly string[] | undefined {
    const value = this.#query.get(name);
    if (!Array.isArray(value)) return this.text(name);
    return this.#valid(name, areTexts(value as QueryScalar[]) ? (value as string[]) : undefined);
  }

  map(name: string): Readonly<Record<string, string>> {
    if (!this.isPresent(name)) return {};
    const value = this.#query.get(name);
    const isMap = value instanceof Map && areTexts([...(value.values() as Iterable<QueryScalar>)]);
    const map = isMap ? Object.fromEntries(value as ReadonlyMap<string, string>) : undefined;
    return this.#valid(name, map) ?? {};
  }

  #valid<Value>(name: string, value: Value | undefined): Value | undefined {
    if (value === undefined) this.error(name, "is invalid");
    return value;
  }
}

function areTexts(values: readonly QueryScalar[]): boolean {
  return !values.includes(MALFORMED);
}
