/**
 * The parameters of a request for a shape: cast, checked in the order of protocol 3.3, and typed.
 *
 * Checking is staged: the first stage with an error ends it, with all the errors of that stage.
 * What needs the catalog (identifiers, columns, WHERE) is the service's part and comes after all of
 * this; the members of a subset come after that, see `subset-parameters.ts`.
 *
 * Pure: a query in, parameters out.
 */

import { parseLogOffset } from "../model/log-offset.ts";
import type { LogMode, ReplicaMode } from "../model/shape-definition.ts";
import type { DefinitionRequest } from "../shapes/shape-service.ts";
import { Cast } from "./cast.ts";
import { InvalidRequest } from "./errors.ts";
import type { RequestedOffset } from "./etag.ts";
import { textOf, type Query, type QueryValue } from "./query.ts";

export interface ShapeParameters {
  readonly offset: RequestedOffset;
  /** Undefined for the offsets -1 and now, which want no particular shape (protocol 5.2). */
  readonly handle: string | undefined;
  readonly isLive: boolean;
  /** Only with `isLive`. */
  readonly isSse: boolean;
  readonly cursor: string | undefined;
  readonly definition: DefinitionRequest;
  /** The members of a subset by name, not yet checked. Undefined: the log is wanted. */
  readonly subset: Query | undefined;
}

export interface DeleteParameters {
  readonly handle: string | undefined;
  readonly definition: DefinitionRequest | undefined;
}

/** @throws {InvalidRequest} */
export function parseShapeParameters(query: Query): ShapeParameters {
  const cast = new Cast(query);
  const fields = castDefinition(cast);
  const offsetText = cast.text("offset");
  const handle = cast.text("handle");
  const isLive = cast.leniently("live") ?? false;
  const isSse = castSse(cast);
  // Taken for compatibility: these logs are never compacted.
  cast.boolean("experimental_compaction");
  const subset = collectSubset(cast, query);
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
  // A subset is answered at once, whatever is said of `live` (protocol 20, number 12).
  if (subset === undefined) {
    if (isLive && isBeforeAll) cast.error("live", "can't be true when offset == -1");
    if (isLive && isNow) cast.error("live", "can't be true when offset is 'now'");
    cast.endStage();
    if (isSse && !isLive) cast.error("live_sse", "can't be true unless live is also true");
    cast.endStage();
  }
  if (fields.table === undefined) cast.error("table", "can't be blank");
  cast.endStage();

  return {
    offset,
    handle: isNow || isBeforeAll ? undefined : handle,
    isLive,
    isSse,
    cursor: textOf(query, "cursor"),
    definition: { ...fields, table: fields.table! },
    subset,
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
  cast.endStage();
  if (fields.table === undefined && handle === undefined) {
    cast.error("handle", "can't be blank when shape definition is missing");
    cast.endStage();
  }
  const { table } = fields;
  return { handle, definition: table === undefined ? undefined : { ...fields, table } };
}

/** A definition alone. @throws {InvalidRequest} */
export function parseExplainParameters(query: Query): DefinitionRequest {
  const cast = new Cast(query);
  const { table, ...fields } = castDefinition(cast);
  cast.endStage();
  if (table === undefined) cast.error("table", "can't be blank");
  cast.endStage();
  return { ...fields, table: table! };
}

type DefinitionFields = Omit<DefinitionRequest, "table"> & { readonly table: string | undefined };

function castDefinition(cast: Cast): DefinitionFields {
  return {
    table: cast.text("table"),
    where: cast.text("where"),
    params: cast.map("params") ?? {},
    columns: cast.textOrList("columns"),
    queryableColumns: cast.textOrList("queryable_columns"),
    replica: cast.oneOf<ReplicaMode>("replica", ["default", "full"]) ?? "default",
    log: cast.oneOf<LogMode>("log", ["full", "changes_only"]) ?? "full",
  };
}

/** `live_sse` by the lenient rule of `live`; in its absence the deprecated name, cast strictly. */
function castSse(cast: Cast): boolean {
  const isSse = cast.leniently("live_sse");
  return isSse ?? cast.boolean("experimental_live_sse", "live_sse") ?? false;
}

const SUBSET_PREFIX = "subset__";

/** `subset__where=x` and `subset[where]=x`, of which the first goes before. */
function collectSubset(cast: Cast, query: Query): Query | undefined {
  const nested = query.get("subset");
  let members: Map<string, QueryValue> | undefined;
  if (nested instanceof Map) {
    members = new Map(nested as ReadonlyMap<string, QueryValue>);
  } else if (cast.isPresent("subset")) {
    cast.error("subset", "is invalid");
  }
  for (const [name, value] of query) {
    if (!name.startsWith(SUBSET_PREFIX)) continue;
    members ??= new Map();
    members.set(name.slice(SUBSET_PREFIX.length), value);
  }
  return members;
}
