/**
 * What stands in bodies, as JSON Schema (draft 2020-12): messages, subsets and errors of protocol
 * sections 3, 7 and 12. The route schemas refer to them by `$id`.
 */

const TEXT = { type: "string" } as const;
const TEXTS = { type: "array", items: TEXT } as const;
const DECIMAL = { type: "string", pattern: "^[0-9]+$" } as const;
const VALUES = {
  type: "object",
  description: "Columns by name. Values are text as Postgres writes it.",
  additionalProperties: { type: ["string", "null"] },
} as const;

const CHANGE_HEADERS = {
  type: "object",
  required: ["operation", "relation"],
  properties: {
    operation: { enum: ["insert", "update", "delete"] },
    relation: { type: "array", items: TEXT, minItems: 2, maxItems: 2 },
    txids: { type: "array", items: { type: "integer" }, description: "32-bit transaction ids." },
    lsn: { ...DECIMAL, description: "The commit's position in the WAL." },
    op_position: { type: "integer", minimum: 0 },
    last: { const: true, description: "The last change of its transaction in this shape." },
    key_change_to: TEXT,
    key_change_from: TEXT,
    snapshot_mark: { type: "integer", minimum: 0, description: "Rows of subsets alone." },
    tags: TEXTS,
    removed_tags: TEXTS,
    active_conditions: { type: "array", items: { type: "boolean" } },
    is_move_in: { const: true },
  },
} as const;

const CHANGE = {
  $id: "ChangeMessage",
  type: "object",
  description: "A row that is there, or what became of one.",
  required: ["key", "value", "headers"],
  properties: { key: TEXT, value: VALUES, old_value: VALUES, headers: CHANGE_HEADERS },
  additionalProperties: false,
} as const;

const SNAPSHOT_BOUNDS = { xmin: DECIMAL, xmax: DECIMAL, xip_list: TEXTS } as const;

const CONTROL = {
  $id: "ControlMessage",
  type: "object",
  description: "The end of what there is, or of the first rows; or that there is nothing any more.",
  required: ["headers"],
  properties: {
    headers: {
      type: "object",
      required: ["control"],
      properties: {
        control: { enum: ["up-to-date", "snapshot-end", "must-refetch"] },
        global_last_seen_lsn: DECIMAL,
        ...SNAPSHOT_BOUNDS,
      },
      additionalProperties: false,
    },
  },
  additionalProperties: false,
} as const;

const LOG = {
  $id: "ShapeLog",
  type: "array",
  description: "A part of a shape's log.",
  items: { anyOf: [{ $ref: "ChangeMessage#" }, { $ref: "ControlMessage#" }] },
} as const;

const SUBSET = {
  $id: "Subset",
  type: "object",
  description: "Some rows of a shape, as one snapshot of Postgres shows them.",
  required: ["metadata", "data"],
  properties: {
    metadata: {
      type: "object",
      required: ["xmin", "xmax", "xip_list", "snapshot_mark", "database_lsn"],
      properties: {
        ...SNAPSHOT_BOUNDS,
        snapshot_mark: { type: "integer", minimum: 0 },
        database_lsn: DECIMAL,
      },
      additionalProperties: false,
    },
    data: { type: "array", items: { $ref: "ChangeMessage#" } },
  },
  additionalProperties: false,
} as const;

const INVALID = {
  $id: "InvalidRequest",
  type: "object",
  description: "What is wrong with which parameter; of a subset's, one level down.",
  required: ["message", "errors"],
  properties: {
    message: { const: "Invalid request" },
    errors: {
      type: "object",
      additionalProperties: {
        anyOf: [TEXTS, { type: "object", additionalProperties: { anyOf: [TEXTS, TEXT] } }],
      },
    },
  },
  additionalProperties: false,
} as const;

const INVALID_BODY = {
  $id: "InvalidBody",
  type: "object",
  required: ["error"],
  properties: { error: TEXT, details: TEXT },
  additionalProperties: false,
} as const;

const PROBLEM = {
  $id: "Problem",
  type: "object",
  description: "Says what is the matter in one of two members.",
  properties: { code: TEXT, message: TEXT, error: TEXT },
  anyOf: [{ required: ["message"] }, { required: ["error"] }],
  additionalProperties: false,
} as const;

export const MESSAGE_SCHEMAS = [
  CHANGE,
  CONTROL,
  LOG,
  SUBSET,
  INVALID,
  INVALID_BODY,
  PROBLEM,
] as const;
