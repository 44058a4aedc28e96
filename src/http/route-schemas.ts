/**
 * The routes as Fastify takes their descriptions: parameters, bodies, responses and their headers.
 * `/openapi.json` is made of them, and the tests hold the server's answers against it.
 *
 * They describe and do not check: parameters are cast in the order and with the words of protocol
 * section 3.3 (`parameters.ts`), which no schema could say.
 */

import type { FastifySchema } from "fastify";
import { SHAPE_CLASSES } from "../model/explanation.ts";
import { EVENT_STREAM_TYPE } from "./responses.ts";

const JSON_MEDIA = "application/json";

/** A header that every response with this status has. `openapi.ts` makes `required` of it. */
const REQUIRED = { "x-required": true } as const;
const text = (description: string) => ({ type: "string", description }) as const;

const columnList = (description: string) =>
  ({ type: "string", description: `${description} Identifiers, separated by commas.` }) as const;

const DEFINITION = {
  table: text("The table, with its schema unless that is `public`."),
  where: text("A condition in SQL that rows of the shape meet."),
  params: {
    type: "object",
    description: "Values for `$1`, `$2`, ... of `where`: `params[1]=x`.",
    additionalProperties: { type: "string" },
  },
  columns: columnList("The columns of the shape, all by default. Those of the key are among them."),
  queryable_columns: columnList("The columns that may be asked for, or spoken of in a subset."),
  replica: {
    enum: ["default", "full"],
    default: "default",
    description: "`full`: updates and deletes carry the whole row.",
  },
  log: {
    enum: ["full", "changes_only"],
    default: "full",
    description: "`changes_only`: the rows that there are already are left out.",
  },
} as const;

const SECRET = {
  secret: text("The API secret, where one is set."),
  api_secret: { ...text("The older name of `secret`."), deprecated: true },
} as const;

const PLACE = {
  offset: {
    type: "string",
    pattern: "^(-1|now|[0-9]+_([0-9]+|inf))$",
    description: "`-1` for all, `now` for none of what there is, or an `electric-offset`.",
  },
  handle: text("The `electric-handle` of the shape, unless the offset is `-1` or `now`."),
  live: { type: "boolean", description: "Waits at the end of the log." },
  live_sse: { type: "boolean", description: "With `live`: sends events as they come." },
  experimental_live_sse: {
    type: "boolean",
    description: "The older name of `live_sse`.",
    deprecated: true,
  },
  cursor: text("The last `electric-cursor`: keeps caches apart."),
  experimental_compaction: { type: "boolean", description: "Accepted, and without effect." },
} as const;

const SUBSET_MEMBERS = {
  where: text("A condition in SQL that the rows meet besides that of the shape."),
  limit: { type: "integer", minimum: 1, description: "At most so many rows." },
  offset: { type: "integer", minimum: 0, description: "So many rows are left out." },
  order_by: text("Columns with ASC or DESC, NULLS FIRST or LAST. Required by limit and offset."),
} as const;

const SUBSET_QUERY = {
  ...Object.fromEntries(
    Object.entries(SUBSET_MEMBERS).map(([name, schema]) => [`subset__${name}`, schema]),
  ),
  subset__params: text("Values for `$1`, `$2`, ... of `subset__where`: a JSON object."),
};

const SUBSET_BODY = {
  type: "object",
  description:
    "A subset, here or under `subset`, and any other parameter; empty for none. It goes before " +
    "what the URL says.",
  properties: {
    ...SUBSET_MEMBERS,
    params: {
      type: "object",
      description: "Values for `$1`, `$2`, ... of `where`.",
      additionalProperties: { type: ["string", "number", "boolean"] },
    },
    subset: { type: "object" },
  },
} as const;

const POSITION_HEADERS = {
  "electric-handle": { ...text("Names the shape from now on."), ...REQUIRED },
  "electric-offset": { ...text("Where the next request goes on."), ...REQUIRED },
  "electric-schema": text("The columns as a JSON object. Not on live responses."),
  "electric-cursor": text("On live responses: the `cursor` of the next request."),
  "electric-up-to-date": text("There is no more for now. Its value means nothing."),
  "electric-has-data": { enum: ["true", "false"] },
  "electric-snapshot": { const: "true", description: "The answer is a subset." },
  etag: text("Names the answer."),
  "cache-control": { ...text("How long the answer may be kept."), ...REQUIRED },
} as const;

/** Of every response there is. */
const COMMON_HEADERS = {
  "electric-server": { ...text("The server and its version."), ...REQUIRED },
  "x-request-id": { ...text("Of the request, or made for it."), ...REQUIRED },
} as const;

const ERROR_HEADERS = {
  "cache-control": { ...text("Errors are not kept."), ...REQUIRED },
} as const;

const response = (
  description: string,
  media: Readonly<Record<string, object>>,
  headers: object = ERROR_HEADERS,
) => ({
  description,
  headers: { ...COMMON_HEADERS, ...headers },
  ...(Object.keys(media).length === 0 ? { type: "null" } : {}),
  content: Object.fromEntries(Object.entries(media).map(([type, schema]) => [type, { schema }])),
});

const ref = (name: string) => ({ $ref: `${name}#` });
const json = (schema: object) => ({ [JSON_MEDIA]: schema });
const PROBLEM = json(ref("Problem"));

const ANSWER = {
  200: response(
    "A part of the log, or a subset.",
    {
      [JSON_MEDIA]: { anyOf: [ref("ShapeLog"), ref("Subset")] },
      [EVENT_STREAM_TYPE]: text("Messages, one event each."),
    },
    POSITION_HEADERS,
  ),
  304: response("What the client has is still right.", {}, POSITION_HEADERS),
  409: response(
    "The shape is gone, or it is another's: begin anew, with this handle if there is one.",
    json(ref("ShapeLog")),
    {
      ...ERROR_HEADERS,
      "electric-handle": text("The shape to ask for instead."),
      etag: text("Names that shape."),
    },
  ),
};

const REFUSALS = {
  400: response(
    "Something is wrong with the request.",
    json({ anyOf: [ref("InvalidRequest"), ref("InvalidBody"), ref("Problem")] }),
  ),
  401: response("The secret is missing or wrong.", PROBLEM),
  414: response("The URL is too long.", PROBLEM),
  431: response("The headers are too long.", PROBLEM),
  500: response("Something went wrong here.", PROBLEM),
  503: response("Not now.", PROBLEM, {
    ...ERROR_HEADERS,
    "retry-after": text("Seconds to wait."),
    "electric-internal-known-error": { const: "true" },
  }),
};

export const GET_SHAPE: FastifySchema = {
  summary: "Reads a shape: its rows, then their changes",
  querystring: {
    type: "object",
    required: ["table", "offset"],
    properties: { ...DEFINITION, ...PLACE, ...SUBSET_QUERY, ...SECRET },
  },
  response: { ...ANSWER, ...REFUSALS },
};

export const POST_SHAPE: FastifySchema = {
  summary: "Reads a shape, with parameters in the body",
  querystring: GET_SHAPE.querystring,
  body: SUBSET_BODY,
  response: {
    200: ANSWER[200],
    409: ANSWER[409],
    413: response("The body is too large.", json(ref("InvalidBody"))),
    ...REFUSALS,
  },
};

export const DELETE_SHAPE: FastifySchema = {
  summary: "Deletes a shape, where that is enabled",
  querystring: {
    type: "object",
    properties: { ...DEFINITION, handle: PLACE.handle, ...SECRET },
  },
  response: {
    202: response("It is gone.", {}),
    ...REFUSALS,
    404: response("There is no such shape.", PROBLEM),
    405: response("Deleting is not enabled.", PROBLEM, {
      ...ERROR_HEADERS,
      allow: text("The methods that are."),
    }),
  },
};

export const PREFLIGHT: FastifySchema = {
  summary: "Tells browsers that they may",
  response: {
    204: response(
      "They may.",
      {},
      {
        "access-control-max-age": { ...text("Seconds for which that is so."), ...REQUIRED },
        "access-control-allow-headers": text("The headers that were asked for."),
      },
    ),
  },
};

const STATUS = {
  type: "object",
  required: ["status"],
  properties: { status: { enum: ["active", "waiting", "starting"] } },
  additionalProperties: false,
} as const;

export const GET_HEALTH: FastifySchema = {
  summary: "Whether shapes are served",
  response: {
    200: response("They are.", json(STATUS)),
    202: response("Not yet.", json(STATUS)),
  },
};

export const GET_MEMORY: FastifySchema = {
  summary: "What holds how many bytes",
  querystring: { type: "object", properties: SECRET },
  response: { 200: response("By part.", json({ type: "object" })), 401: REFUSALS[401] },
};

export const GET_STATUS: FastifySchema = {
  summary: "How the server is doing: what `/metrics` counts",
  querystring: { type: "object", properties: SECRET },
  response: {
    200: response(
      "By part. `engine` is null while storage is being opened.",
      json({ type: "object", required: ["http"] }),
    ),
    401: REFUSALS[401],
  },
};

const TEMPLATE = {
  type: "object",
  required: ["table", "class", "where", "isExact", "columns", "replica", "log", "isView", "shapes"],
} as const;

export const LIST_TEMPLATES: FastifySchema = {
  summary: "What shapes have in common, the most numerous first",
  querystring: { type: "object", properties: SECRET },
  response: {
    200: response(
      "Tables and conditions without their constants, and how many shapes each has.",
      json({
        type: "object",
        required: ["templates"],
        properties: { templates: { type: "array", items: TEMPLATE } },
      }),
    ),
    401: REFUSALS[401],
    503: REFUSALS[503],
  },
};

export const LIST_SHAPES: FastifySchema = {
  summary: "Lists shapes, with how their rows are found",
  querystring: {
    type: "object",
    properties: {
      class: { enum: SHAPE_CLASSES, description: "`scan`: those that every row is tried on." },
      limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 },
      after: text("The `next` of the page before."),
      ...SECRET,
    },
  },
  response: {
    200: response(
      "A page. It may be short: the last one has no `next`.",
      json({
        type: "object",
        required: ["shapes", "next"],
        properties: { shapes: { type: "array" }, next: { type: ["string", "null"] } },
      }),
    ),
    400: REFUSALS[400],
    401: REFUSALS[401],
    503: REFUSALS[503],
  },
};

export const EXPLAIN_SHAPE: FastifySchema = {
  summary: "Says how the rows of a shape would be found, and whether a row is one of them",
  querystring: { type: "object", properties: SECRET },
  body: {
    type: "object",
    required: ["table"],
    properties: {
      ...DEFINITION,
      row: {
        type: "object",
        description: "Values by column, as Postgres writes them. A missing one is NULL.",
        additionalProperties: { type: ["string", "number", "boolean", "null"] },
      },
    },
  },
  response: {
    200: response("Nothing is created.", json({ type: "object" })),
    400: REFUSALS[400],
    401: REFUSALS[401],
    413: response("The body is too large.", json(ref("InvalidBody"))),
    503: REFUSALS[503],
  },
};

export const GET_OPENAPI: FastifySchema = {
  summary: "This document",
  response: { 200: response("OpenAPI 3.1.", json({ type: "object" })) },
};
