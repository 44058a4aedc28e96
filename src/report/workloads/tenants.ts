/**
 * Three applications with tenants, as such applications ask: few forms of a clause, each with its
 * tenant first, and a million different constants. Clauses are text, planned as the server plans
 * them. What these applications ask in subqueries is measured on its own.
 *
 *     work     of a company, not deleted, perhaps of one project, or made by or for one user
 *     hosts    of an organisation, and owned by a user or on a host, perhaps for one task
 *     members  of an organisation
 */

import type { WhereTemplate } from "../../model/shape-definition.ts";
import { keyColumnsOf, type Table, type TableColumn } from "../../model/table.ts";
import { accessEntries } from "../../where/access-entries.ts";
import { defineShape } from "../../where/define-shape.ts";
import { compileFilter } from "../../where/filter.ts";
import type { RelationSpec } from "../baseline/routing-engine.ts";
import { TextIndex, type ClauseIndex } from "../classes/clause-index.ts";
import type { ClauseSet, ClauseShape, ClauseTemplate } from "../classes/clause-set.ts";
import type { Population, PopulationOptions } from "../workload.ts";
import { createClausePopulation } from "./clauses.ts";

/** `$1` is the tenant. */
const CLAUSES = {
  "work of a company": "company = $1 AND deleted IS NULL",
  "work of a project": "company = $1 AND deleted IS NULL AND project = $2",
  "work of a user": "company = $1 AND deleted IS NULL AND (author = $2 OR assignee = $2)",
  "hosts of a user": "company = $1 AND (author = $2 OR host = $3)",
  "hosts of a task": "company = $1 AND (author = $2 OR host = $3) AND task = $4",
  members: "company = $1",
} as const;
type ClauseName = keyof typeof CLAUSES;
const CLAUSE_NAMES = Object.keys(CLAUSES) as ClauseName[];

/** Shapes of one tenant, at most: a round through all clauses, with other users each time. */
const ROUNDS_PER_TENANT = 20;
const SHAPES_PER_TENANT = ROUNDS_PER_TENANT * CLAUSE_NAMES.length;

const COLUMN_NAMES = ["id", "company", "project", "author", "assignee", "host", "task"];
const TABLE: Table = {
  oid: 16_700,
  schema: "public",
  name: "records",
  columns: [
    ...COLUMN_NAMES.map((name) => columnOf(name, 20, "int8")),
    columnOf("deleted", 1184, "timestamptz"),
  ].map((column, index) => (index === 0 ? { ...column, keyIndex: 0 } : column)),
  replicaIdentity: "f",
};
const RELATION: RelationSpec = {
  oid: TABLE.oid,
  schema: TABLE.schema,
  name: TABLE.name,
  columns: TABLE.columns.map(({ name }) => ({ name, isBool: false })),
  key: keyColumnsOf(TABLE),
};

interface Planned {
  readonly where: WhereTemplate;
  /** Which parameter each constant of the template is, from 0. */
  readonly parameters: readonly number[];
  readonly template: ClauseTemplate;
}

export function createTenantPopulation(options: PopulationOptions): Population {
  return createClausePopulation(tenantClauses(), options);
}

function tenantClauses(): ClauseSet<ClauseName> {
  const planned = new Map(CLAUSE_NAMES.map((name) => [name, plan(CLAUSES[name])]));
  return {
    relation: RELATION,
    templateNameOf: (slot) => CLAUSE_NAMES[slot % CLAUSE_NAMES.length]!,
    shapeOf: (name, slot) => shapeOf(planned.get(name)!, slot),
    templateOf: (name) => planned.get(name)!.template,
    createIndex: (name) => indexOf(name, planned.get(name)!),
  };
}

/** Has a clause analysed once, with parameters that tell themselves apart. */
function plan(text: string): Planned {
  const count = new Set(text.match(/\$\d/g)).size;
  const markers = Array.from({ length: count }, (_, index) => String(1001 + index));
  const definition = defineShape(TABLE, {
    where: text,
    params: Object.fromEntries(markers.map((marker, index) => [String(index + 1), marker])),
    columns: undefined,
    replica: "default",
    log: "full",
  });
  const where = definition.template.where!;
  const parameters = definition.constants.map((constant) => markers.indexOf(constant));
  const residual = where.plan.isExact ? {} : { residual: compileFilter(where, {}) };
  return { where, parameters, template: { plan: where.plan, ...residual } };
}

function shapeOf({ where, parameters }: Planned, slot: number): ClauseShape {
  const values = parametersOf(slot);
  const constants = parameters.map((parameter) => values[parameter]!);
  const entries = where.plan.isConjunction === true ? [] : accessEntries(where, constants);
  return { constants, entries };
}

/** Tenant, user or project, host, task. No two slots with one clause have the same. */
function parametersOf(slot: number): readonly string[] {
  const tenant = 1 + Math.floor(slot / SHAPES_PER_TENANT);
  const round = Math.floor((slot % SHAPES_PER_TENANT) / CLAUSE_NAMES.length);
  const user = tenant * 100 + round;
  // Who asks by the tenant alone is a tenant of its own in every round.
  const isAlone = ALONE.has(CLAUSE_NAMES[slot % CLAUSE_NAMES.length]!);
  const asked = isAlone ? tenant * ROUNDS_PER_TENANT + round : tenant;
  return [asked, user, 1 + (user % 5000), 1 + (user % 300)].map(String);
}

const ALONE: ReadonlySet<ClauseName> = new Set(
  CLAUSE_NAMES.filter((name) => !CLAUSES[name].includes("$2")),
);

/**
 * By the equalities that all rows of a shape have in common, joined; what is left is tried for the
 * few that are found. So would the best of ordinary indexes.
 */
function indexOf<Ref extends string | number>(
  name: ClauseName,
  { parameters }: Planned,
): ClauseIndex<Ref> {
  const columns = EQUAL_COLUMNS[name];
  const keyOf = (texts: readonly (string | null)[]): readonly string[] => [texts.join(",")];
  return new TextIndex(
    (constants) => keyOf(columns.map(({ parameter }) => constants[parameters.indexOf(parameter)]!)),
    (row) => keyOf(columns.map(({ column }) => row.text(column))),
  );
}

const [, company, project, , , , task] = COLUMN_NAMES.keys();
const EQUAL_COLUMNS: Record<ClauseName, readonly { column: number; parameter: number }[]> = {
  "work of a company": [{ column: company!, parameter: 0 }],
  "work of a project": [
    { column: company!, parameter: 0 },
    { column: project!, parameter: 1 },
  ],
  "work of a user": [{ column: company!, parameter: 0 }],
  "hosts of a user": [{ column: company!, parameter: 0 }],
  "hosts of a task": [
    { column: company!, parameter: 0 },
    { column: task!, parameter: 3 },
  ],
  members: [{ column: company!, parameter: 0 }],
};

function columnOf(name: string, typeOid: number, typeName: string): TableColumn {
  return {
    name,
    typeOid,
    typeName,
    typeKind: "b",
    typeModifier: -1,
    dimensionCount: 0,
    isNotNull: false,
    hasByteEquality: true,
  };
}
