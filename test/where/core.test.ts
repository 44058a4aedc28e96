/**
 * Clauses through the planner and the core, against Postgres.
 *
 * Goal: a change reaches the shapes whose clause Postgres finds true of its old or its new row, and
 * no others, as what it is to each of them. This is the ring between `differential.test.ts`, which
 * models the core, and `test/router/classes.test.ts`, whose plans are written by hand.
 *
 *     clause ──> defineShape ──> plan, entries ──> core ──> bodies ─┐
 *       └──────> Postgres: ids of rows ──> routing model ──> bodies ┴─ equal?
 *
 * Method: some dozens of clauses, on which Postgres and our evaluator agree, are the shapes of one
 * router. The stream brings each row that Postgres was asked about, and updates of one of them to
 * another. Then most shapes go, and long transactions follow in which most rows are nobody's, so
 * that the scout passes over them, in two pieces that are cut anywhere. At last nothing is left.
 *
 * RUNS multiplies the clauses, SEED replays them. A difference becomes a line in `traps.ts`.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { UNCHANGED } from "../support/pgoutput.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";
import { BUILDS } from "../support/routing-harness.ts";
import type { Change } from "../support/routing-model.ts";
import { ClauseGenerator, type GeneratedClause } from "./clause-generator.ts";
import { Comparison, explainDifference } from "./comparison.ts";
import { RoutedClauses, type AnsweredClause } from "./routed-clauses.ts";
import { TRAPS } from "./traps.ts";

const CLAUSES = runsOf(400);
/** Of the clauses, that both take and that can be told from TRUE. */
const ROUTED_SHARE_MIN = 0.5;
/** Enough that shapes share accesses and sets, few enough that they leave each other rows. */
const SHAPES_PER_ROUTER = 60;
const UPDATES = 100;
/** Several windows of the scout each. */
const LONG_TRANSACTION_CHANGES = 300;
const LONG_TRANSACTIONS = 4;
/** Of the rows, that a shape may select that stays for the long transactions. */
const SELECTED_SHARE_MAX = 0.1;
const KEYS = ["1", "2", "3"];

type Row = readonly (string | null)[];

const random = seededRandom("core");
let comparison: Comparison;

beforeAll(async () => {
  comparison = await Comparison.open(random);
});
afterAll(() => comparison.close());

test(
  "a change reaches the shapes whose clause it concerns",
  async () => {
    const generator = new ClauseGenerator(random);
    const clauses: AnsweredClause[] = [];
    for (let count = 0; count < CLAUSES; count += 1) {
      const clause = await answer(generator.next());
      if (clause !== undefined) clauses.push(clause);
    }
    assert.ok(clauses.length > CLAUSES * ROUTED_SHARE_MIN, `${clauses.length} are routed`);
    for (let from = 0; from < clauses.length; from += SHAPES_PER_ROUTER) {
      routeTo(clauses.slice(from, from + SHAPES_PER_ROUTER));
    }
  },
  Math.max(120_000, CLAUSES * 200),
);

test("and those whose clause is a trap", async () => {
  const clauses: AnsweredClause[] = [];
  for (const [text, ...parameters] of TRAPS) {
    const clause = await answer({ text, parameters });
    assert.ok(clause !== undefined, `${text} is not routed`);
    clauses.push(clause);
  }
  routeTo(clauses);
}, 120_000);

/** Undefined: it is refused, raises an error for some row, or selects all rows without a look. */
async function answer(clause: GeneratedClause): Promise<AnsweredClause | undefined> {
  const outcome = await comparison.compare(clause);
  if (outcome.is === "different") assert.fail(explainDifference(clause, outcome));
  if (outcome.is !== "agreed") return undefined;
  const { definition, ids } = outcome;
  const { where } = definition.template;
  return where === undefined ? undefined : { ...clause, definition, where, selected: new Set(ids) };
}

/** Through both builds: all that happens to shapes, from the first to the last. */
function routeTo(clauses: readonly AnsweredClause[]): void {
  for (const build of BUILDS) {
    const shapes = new RoutedClauses(build, comparison);
    for (const clause of clauses) shapes.add(clause);
    shapes.verify();
    for (const sample of comparison.rows) {
      shapes.route([{ type: "insert", newRow: withKey(sample) }]);
    }
    for (let count = 0; count < UPDATES; count += 1) shapes.route([randomUpdate()]);
    shapes.removeUnless(isScouted);
    for (let count = 0; count < LONG_TRANSACTIONS; count += 1) {
      shapes.route(Array.from({ length: LONG_TRANSACTION_CHANGES }, randomChange), random());
    }
    shapes.removeUnless(() => false);
    shapes.close();
  }
}

/** Whether the scout knows the accesses of the shape, and finds many rows that are none of its. */
function isScouted({ where, selected }: AnsweredClause): boolean {
  const isLookedUp = where.plan.branches.every(({ type }) => ["equality", "null"].includes(type));
  return isLookedUp && selected.size <= comparison.rows.length * SELECTED_SHARE_MAX;
}

function randomChange(): Change {
  const roll = random();
  if (roll < 0.6) return { type: "insert", newRow: randomRow() };
  return roll < 0.8 ? { type: "delete", oldRow: randomRow() } : randomUpdate();
}

/** To another row, now and then to itself, with or without its key. */
function randomUpdate(): Change {
  const oldRow = randomRow();
  const newRow = random() < 0.1 ? withKey(oldRow.slice(0, -1)) : randomRow();
  return { type: "update", oldRow, newRow: withoutUnchanged(oldRow, newRow) };
}

/** Half of the values that stay are not sent again, as if they were stored out of line. */
function withoutUnchanged(oldRow: Row, newRow: Row): readonly (string | null | typeof UNCHANGED)[] {
  return newRow.map((value, column) => {
    const isKey = column === newRow.length - 1;
    const stays = value !== null && value === oldRow[column] && !isKey;
    return stays && random() < 0.5 ? UNCHANGED : value;
  });
}

function randomRow(): Row {
  return withKey(pick(comparison.rows));
}

function withKey(sample: Row): Row {
  return [...sample, pick(KEYS)];
}

function pick<T>(items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}
