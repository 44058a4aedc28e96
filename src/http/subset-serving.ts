/**
 * What a request for a subset is answered (protocol 12): some rows of a shape as one snapshot shows
 * them, and the place in the shape's log from which they are to be followed.
 *
 *     define ──> members ──> look up ──> snapshot has begun ──> position ──> read ──> answer
 *        │          │           │                                             │
 *       400        400     must-refetch                            400, 503, must-refetch
 *
 * 1. The position is read before the rows are: what happens in between reaches the client twice,
 *    which its snapshot tells it, and never not at all.
 * 2. An offset beyond the end of the log is no error. After a must-refetch, clients ask with the
 *    new handle and their old offset; the answer puts them right.
 * 3. Clients pass over changes of the page's rows that its snapshot shows, until they have got to
 *    `database_lsn`. Of a shape with subqueries they must not: rows that moved in carry no
 *    transaction, so an older one would stay whose later change is passed over. It is told that the
 *    database was where the client is, who then takes the whole log from there on.
 */

import { InvalidParameter } from "../lib/errors.ts";
import { minLsn, type Lsn } from "../model/lsn.ts";
import { compareLogOffsets, FIRST, formatLogOffset, type LogOffset } from "../model/log-offset.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import type { ServedShape } from "../shapes/shape-service.ts";
import { closeBody, openPages, type BodyFrame, type OpenBody } from "./body.ts";
import { InvalidRequest } from "./errors.ts";
import type { RequestedOffset } from "./etag.ts";
import { explain } from "./explanations.ts";
import { JSON_TYPE, mustRefetchResponse, type ShapeResponse } from "./responses.ts";
import {
  defineShape,
  findShape,
  isStale,
  mustRefetch,
  type MustRefetch,
  type ServingOptions,
  type ServingRequest,
} from "./serving.ts";
import { parseSubsetParameters } from "./subset-parameters.ts";
import type { Query } from "./query.ts";

export interface SubsetAnswer {
  readonly kind: "subset";
  readonly shape: ServedShape;
  readonly isLive: boolean;
  /** What `electric-offset` says. */
  readonly end: LogOffset;
  readonly snapshot: SubsetSnapshot;
  /** Undefined when only the headers are wanted. */
  readonly body: OpenBody | undefined;
}

/**
 * @param members of the subset, as they came.
 * @throws {InvalidRequest}, {LitzError} what protocol 3.2 and 3.3 list.
 */
export async function serveSubset(
  options: ServingOptions,
  request: ServingRequest,
  members: Query,
): Promise<SubsetAnswer | MustRefetch> {
  const { open, parameters } = request;
  // What the database says now is of use only to who can follow the log from there.
  await open.untilPointless(options.service.ready(options.readyTimeoutMs));
  try {
    const definition = await defineShape(options, request);
    const subset = await defineSubset(options, request, members, definition);
    const shape = await findShape(options, request, definition);
    const { handle, offset, isLive } = parameters;
    if (handle !== undefined && shape.handle !== handle) return mustRefetch(shape.handle);
    await open.untilPointless(explain("snapshot", shape.snapshotStarted()));
    // Before the rows, by invariant 1.
    const end = positionAfter(offset, shape.log.latestOffset());
    const snapshot = await readSubset(options, request, shape, subset);
    const body = await openPages(snapshot.pages);
    if (request.wantsBody) return { kind: "subset", shape, isLive, end, snapshot, body };
    closeBody(body);
    return { kind: "subset", shape, isLive, end, snapshot, body: undefined };
  } catch (error) {
    if (isStale(error)) return mustRefetch();
    throw error;
  }
}

/** Protocol 4.1: of the caching of logs, nothing applies. */
export function subsetResponse(answer: SubsetAnswer | MustRefetch): ShapeResponse {
  if (answer.kind === "must-refetch") return mustRefetchResponse(answer.handle);
  const { body, end, isLive, shape } = answer;
  return {
    status: 200,
    headers: {
      "content-type": JSON_TYPE,
      "cache-control": "no-cache",
      "electric-snapshot": "true",
      "electric-handle": shape.handle,
      "electric-offset": formatLogOffset(end),
      ...(isLive ? {} : { "electric-schema": shape.schemaHeader }),
    },
    body: body === undefined ? "" : { pages: body, frame: frameOf(answer), tail: undefined },
  };
}

function frameOf({ end, shape, snapshot: { bounds, mark } }: SubsetAnswer): BodyFrame {
  const isDependent = shape.definition.template.where?.subqueries !== undefined;
  const metadata = {
    xmin: `${bounds.xmin}`,
    xmax: `${bounds.xmax}`,
    xip_list: bounds.xip.map(String),
    snapshot_mark: mark,
    // Invariant 3.
    database_lsn: `${isDependent ? minLsn(bounds.lsn, end.tx as Lsn) : bounds.lsn}`,
  };
  return { opening: `{"metadata":${JSON.stringify(metadata)},"data":[`, closing: "]}" };
}

/** Where to go on from: a client is never told to skip what it may not have. */
function positionAfter(requested: RequestedOffset, latest: LogOffset): LogOffset {
  if (requested === "now") return latest;
  if (requested.tx < 0n) return FIRST;
  return compareLogOffsets(requested, latest) > 0 ? latest : requested;
}

async function defineSubset(
  { service }: ServingOptions,
  { parameters }: ServingRequest,
  members: Query,
  definition: ShapeDefinition,
): Promise<Subset> {
  const request = parseSubsetParameters(members);
  try {
    const { queryableColumns } = parameters.definition;
    return await service.defineSubset(definition, request, queryableColumns);
  } catch (error) {
    if (!(error instanceof InvalidParameter)) throw error;
    throw new InvalidRequest({ subset: { [error.field]: [error.message] } });
  }
}

async function readSubset(
  { service }: ServingOptions,
  { open }: ServingRequest,
  shape: ServedShape,
  subset: Subset,
): Promise<SubsetSnapshot> {
  const reading = service.readSubset(shape, subset, open.signal);
  try {
    return await open.untilPointless(explain("snapshot", reading));
  } catch (error) {
    // It may come all the same, and holds a connection.
    reading.then(({ pages }) => pages.return()).catch(() => undefined);
    if (!(error instanceof InvalidParameter)) throw error;
    // Found by Postgres in the middle of its work: a text alone (protocol 3.3).
    throw new InvalidRequest({ subset: { [error.field]: error.message } });
  }
}
