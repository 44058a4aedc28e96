/**
 * Verdicts: of the candidates of a change, for which is the WHERE true of the old row, and for
 * which of the new one?
 *
 *     plan is exact        true of the rows that the candidate was marked for
 *     pattern test         `pattern-test.ts`
 *     everything else      one call of TypeScript per change, for all of them together
 *
 *     list, in place    ┌────────────┬─────────┐   rows: bit 24 the old one, bit 25 the new;
 *                       │ id, 24 bits│ rows, 2 │   before what the candidate was marked for,
 *                       └────────────┴─────────┘   after for which the WHERE is true
 *
 * A row that a shape was not marked for is none of its own: the accesses never miss. Those that
 * TypeScript has to judge are gathered at the front of the list.
 *
 * Allocates nothing, but TypeScript does for what it judges.
 */

import * as candidates from "./candidates";
import { Relation } from "./condition-tree";
import * as patternTest from "./pattern-test";
import * as planned from "./planned-shapes";
import * as record from "./record";
import { positionOf } from "./relation-columns";
import * as shapeTable from "./shape-table";

export const ID_MASK: u32 = 0xffffff;

/**
 * TypeScript's part, `src/router/residuals.ts`: turns the rows of `count` candidates into verdicts,
 * where they lie. It reads the rows through `routerReadColumn`.
 */
declare function judgeResiduals(list: usize, count: u32): void;

let judged: Relation | null = null;
let readAddress: usize = 0;

/** Turns the list of candidates into a list of verdicts, and takes their marks back. */
export function judge(relation: Relation): void {
  judged = relation;
  const list = candidates.list();
  const count = candidates.count();
  let asked: u32 = 0;
  for (let index: u32 = 0; index < count; index += 1) {
    const at = list + ((<usize>index) << 2);
    const id = load<u32>(at);
    const rows = candidates.takeMarks(id);
    const plan = planned.planOf(shapeTable.template(id));
    const verdict = plan.isExact ? rows : patternTest.verdict(relation, plan, id, rows);
    if (verdict != patternTest.UNDECIDED) {
      store<u32>(at, id | verdict);
      continue;
    }
    const front = list + ((<usize>asked) << 2);
    store<u32>(at, load<u32>(front));
    store<u32>(front, id | rows);
    asked += 1;
  }
  if (asked != 0) judgeResiduals(list, asked);
}

/**
 * For TypeScript, while it judges: the size of a column of a row, `record.NULL` for NULL; its text
 * is at `lastAddress`. A column that is not sent makes the change doubtful.
 */
export function readColumn(side: u32, column: u32): u32 {
  const value = record.at(side, positionOf(judged as Relation, column));
  readAddress = record.addressOf(value);
  if (record.hasBytes(value)) return record.sizeOf(value);
  if (record.sizeOf(value) == record.ABSENT) candidates.doubt();
  return record.NULL;
}

export function lastAddress(): usize {
  return readAddress;
}
