/**
 * The meaning of clauses against Postgres.
 *
 * Goal: for generated clauses over rows of every supported type, (a) our evaluator and (b) the SQL
 * that we write of the clause select the rows that Postgres selects by the clause itself, or all
 * refuse; and (c) the access plan gives every row that is selected, and no other if it says it is
 * exact. What we do not support may be refused, though not much of it.
 *
 * RUNS multiplies the clauses, SEED replays them. A difference that is found becomes a line in
 * `test/where/meaning.test.ts`.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";
import { ClauseGenerator } from "./clause-generator.ts";
import { Comparison, explainDifference } from "./comparison.ts";

let comparison: Comparison;
const random = seededRandom("differential");

beforeAll(async () => {
  comparison = await Comparison.open(random);
});
afterAll(() => comparison.close());

const CLAUSES = runsOf(5_000);
/**
 * Where a part of a conjunction is false, an error in another may not be raised: that is a matter
 * of the order in which they are looked at, which Postgres does not promise.
 */
const ONE_SIDE_SHARE_MAX = 0.01;
/** Of what Postgres takes. */
const REFUSED_SHARE_MAX = 0.25;
const DIFFERENCES_SHOWN = 20;

test(
  "a clause means what Postgres takes it for",
  async () => {
    const generator = new ClauseGenerator(random);
    const counts = {
      agreed: 0,
      selecting: 0,
      bothRefuse: 0,
      weRefuse: 0,
      onlyWeAnswer: 0,
      onlyTheyAnswer: 0,
    };
    const refusals = new Map<string, number>();
    const differences: string[] = [];
    for (let done = 0; done < CLAUSES; done += 1) {
      const clause = generator.next();
      const outcome = await comparison.compare(clause);
      if (outcome.is === "different") {
        differences.push(explainDifference(clause, outcome));
        if (differences.length === DIFFERENCES_SHOWN) break;
      } else {
        counts[outcome.is] += 1;
        if (outcome.is === "agreed" && outcome.ids.length > 0) counts.selecting += 1;
        if (outcome.is === "weRefuse") {
          const reason = outcome.reason
            .replace(/At location \d+: /, "")
            .replace(/(?:: |'|").*$/s, "");
          refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
        }
      }
    }
    const commonest = [...refusals].sort((a, b) => b[1] - a[1]).slice(0, 8);
    console.log("differential:", JSON.stringify(counts), JSON.stringify(commonest));
    expect(differences.join("\n")).toBe("");
    assert.ok(counts.selecting > CLAUSES / 5, `${counts.selecting} clauses select something`);
    const { onlyWeAnswer, onlyTheyAnswer } = counts;
    assert.ok(onlyWeAnswer < CLAUSES * ONE_SIDE_SHARE_MAX, `only we answer: ${onlyWeAnswer}`);
    assert.ok(onlyTheyAnswer < CLAUSES * ONE_SIDE_SHARE_MAX, `only they answer: ${onlyTheyAnswer}`);
    const share = counts.weRefuse / (counts.agreed + counts.weRefuse);
    assert.ok(share < REFUSED_SHARE_MAX, `${share} of the clauses are refused`);
  },
  Math.max(120_000, CLAUSES * 40),
);
