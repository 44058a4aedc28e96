/**
 * Replays: a change from the tape, or a row that a query found, routed once more for the shapes of
 * one template that are in the middle of a move. They see their views at other positions than the
 * shapes that the stream serves, and TypeScript knows which (`src/router/residuals.ts`).
 *
 *     change     a whole message, as it was taped
 *     fetched    the tuple of a row, a column for each of the relation's, as its old row and its
 *                new one: it is inserted where the WHERE has become true of it
 *
 * It may be done in the middle of a transaction of the stream, which goes on as if nothing had
 * been. Allocates nothing.
 */

import * as bodies from "./body-encoder";
import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as partitionMap from "./partition-map";
import { Link } from "./partition-map";
import * as pgoutput from "./pgoutput";
import * as record from "./record";
import { NEW, OLD } from "./record";
import * as regions from "./regions";
import * as router from "./router";
import * as state from "./run-state";

export const DONE: u32 = 0;
/** Nothing of it was kept: the output has to grow. */
export const NO_ROOM: u32 = 1;
/** Nothing of it was kept: it cannot be read. */
export const UNREADABLE: u32 = 2;

let streamLsn: u64 = 0;
let streamXid: u32 = 0;

/** Positions of columns that lie as the catalog has them. */
const inOrder: usize = memory.data(3328, 2);
const COLUMN_COUNT_MAX: u32 = 1664;

if (<i32>COLUMN_COUNT_MAX * 2 != 3328) ERROR("a position for every column");

/** Routes a message. REQUIRES: the output is empty. */
export function change(template: u32, start: usize, end: usize, op: u32): u32 {
  const relation = tree.relationOf(tree.templateAt(template));
  const oid = pgoutput.oidOfChange(start, end);
  if (oid == relation.oid) return routeMessage(template, relation, start, end, op);
  const link = linkTo(relation, oid);
  if (!link || !partitionMap.useLayout(link, relation)) return UNREADABLE;
  const outcome = routeMessage(template, relation, start, end, op);
  partitionMap.restoreLayout(relation);
  return outcome;
}

/** Routes a tuple. REQUIRES: the output is empty. */
export function fetched(template: u32, start: usize, end: usize): u32 {
  const relation = tree.relationOf(tree.templateAt(template));
  record.reset();
  if (!record.open(OLD, start, end) || !record.open(NEW, start, end)) return UNREADABLE;
  if (record.count(NEW) != relation.columnCount) return UNREADABLE;
  const layout = relation.layout;
  relation.layout = layoutInOrder();
  const outcome = outcomeOf(router.routeAgain(template, true, true, 0, true));
  relation.layout = layout;
  return outcome;
}

/** The transaction at hand is another for a while. */
export function begin(lsn: u64, xid: u32): void {
  assert(regions.isOutputEmpty());
  streamLsn = state.getLong(state.TRANSACTION_LSN);
  streamXid = state.get(state.XID);
  enter(lsn, xid);
}

/** It is again that of the stream. */
export function end(): void {
  enter(streamLsn, streamXid);
}

function enter(lsn: u64, xid: u32): void {
  state.setLong(state.TRANSACTION_LSN, lsn);
  state.set(state.XID, xid);
  bodies.setTransaction(lsn, xid);
}

function routeMessage(template: u32, relation: Relation, start: usize, end: usize, op: u32): u32 {
  const what = pgoutput.openChangeOf(relation, start, end);
  if (what == pgoutput.UNWATCHED) return DONE;
  if (what != pgoutput.OPEN) return UNREADABLE;
  const kind = <u32>load<u8>(start);
  const hasOld = kind != pgoutput.INSERT;
  const hasNew = kind != pgoutput.DELETE;
  return outcomeOf(router.routeAgain(template, hasOld, hasNew, op, false));
}

/** What is not the stream's is not counted as such. */
function outcomeOf(result: u32): u32 {
  router.takeReach();
  if (result == router.DONE) return DONE;
  if (result == router.UNREADABLE) return UNREADABLE;
  state.set(state.GROWTH_BYTES, <u32>regions.growthBytes());
  return NO_ROOM;
}

function linkTo(relation: Relation, oid: u32): Link | null {
  let link = partitionMap.linksOf(oid);
  while (link && link.relation != relation.id) link = link.next;
  return link;
}

function layoutInOrder(): usize {
  if (load<u16>(inOrder, 2) == 0) {
    for (let column: u32 = 0; column < COLUMN_COUNT_MAX; column += 1) {
      store<u16>(inOrder + ((<usize>column) << 1), <u16>column);
    }
  }
  return inOrder;
}
