/**
 * The stream: from frames to changes. It knows what a transaction is, counts the changes in it,
 * takes row changes to the router and stops where TypeScript has to act.
 *
 * The op of a change is its place in the transaction, counted in twos over all changes that
 * Postgres delivers, wanted or not (protocol 6); the odd number is for the second half of a key
 * change.
 *
 * Invariants:
 *
 *   1. A frame is consumed when all that it asks for is done, and then only. So a stop for want of
 *      room leaves the change pending, and the next run starts it again.
 *   2. Between two runs the record and the projections hold nothing that matters.
 *
 * Allocates nothing.
 */

import * as commitRing from "./commit-ring";
import * as bodies from "./body-encoder";
import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as partitionMap from "./partition-map";
import { Link } from "./partition-map";
import * as pgoutput from "./pgoutput";
import * as record from "./record";
import * as regions from "./regions";
import * as router from "./router";
import * as state from "./run-state";
import * as scout from "./scout";
import * as tape from "./tape";
import * as wire from "./wire";

const BEGIN_SIZE: usize = 21;
const COMMIT_SIZE: usize = 26;
/** XLogData ends with it, in front of the message (Postgres manual, 54.4). */
const SENT_TIME_SIZE: usize = 8;

/** Not a stop: on with the next frame. */
const GO_ON: u32 = 0xffffffff;

let isInTransaction: bool = false;
/** Whether the transaction lies at or below `skipLsn`. */
let isSkipped: bool = false;
let skipLsn: u64 = 0;
/** Number of the transaction in this process, for `relation.reportedIn`. 0 is none. */
let serial: u32 = 0;
let op: u32 = 0;
/** Changes of the transactions that have ended and were not skipped, over all connections. */
let changeCount: u64 = 0;
/** Whether a body of this transaction was written. */
let hasReached: bool = false;
let stopsAtEveryCommit: bool = false;
/** Whether the change that is pending was handed to the tape. */
let isOnTape: bool = false;
/** Number of the change of a partition that is pending, for `relation.routedIn`. 0 is none. */
let changeSerial: u32 = 1;

export function skipTo(lsn: u64): void {
  skipLsn = lsn;
}

export function setStopAtEveryCommit(isWanted: bool): void {
  stopsAtEveryCommit = isWanted;
}

/** Counts changes of the transaction that TypeScript deals with. */
export function addOps(count: u32): void {
  op += count * 2;
  state.set(state.OP, op);
}

/** Forgets input, output and a half-received transaction. */
export function reset(): void {
  regions.clearInput();
  scout.forget();
  regions.clearOutput();
  regions.forgetLack();
  const bodiesAddress = state.get(state.BODIES_ADDRESS);
  const matchesAddress = state.get(state.MATCHES_ADDRESS);
  state.clear();
  state.set(state.BODIES_ADDRESS, bodiesAddress);
  state.set(state.MATCHES_ADDRESS, matchesAddress);
  state.setLong(state.CHANGE_COUNT, changeCount);
  isInTransaction = false;
  isSkipped = false;
  hasReached = false;
  isOnTape = false;
  changeSerial += 1;
  op = 0;
}

/** Deals with pending frames until there is a reason to stop. */
export function run(): u32 {
  let outcome = GO_ON;
  while (outcome == GO_ON) outcome = step();
  state.set(state.OP, op);
  state.set(state.IN_TRANSACTION, <u32>isInTransaction);
  regions.publishPending();
  return outcome;
}

function step(): u32 {
  const frame = wire.next();
  if (frame == wire.WAL_DATA) return message(wire.messageStart(), wire.messageEnd());
  if (frame == wire.INCOMPLETE) return state.NEEDS_INPUT;
  if (frame == wire.BAD) return malformed(wire.badReason());
  if (frame == wire.KEEPALIVE_FRAME) {
    state.setLong(state.WAL_END, wire.keepaliveWalEnd());
    state.set(state.REPLY_REQUESTED, <u32>wire.isReplyRequested());
    wire.consume();
    return state.KEEPALIVE;
  }
  const start = wire.foreignStart();
  return hand(state.FOREIGN_FRAME, wire.foreignType(), start, wire.messageEnd() - start);
}

function message(start: usize, end: usize): u32 {
  const kind = <u32>load<u8>(start);
  if (pgoutput.isChange(kind)) return change(kind, start, end);
  if (kind == pgoutput.BEGIN) return begin(start, end);
  if (kind == pgoutput.COMMIT) return commit(start, end);
  if (kind == pgoutput.RELATION) return hand(state.MESSAGE, kind, start, end - start);
  if (kind == pgoutput.TRUNCATE) {
    if (!isInTransaction) return malformed(state.BAD_TRANSACTION);
    if (!isSkipped) return hand(state.MESSAGE, kind, start, end - start);
  } else if (kind != pgoutput.TYPE && kind != pgoutput.ORIGIN && kind != pgoutput.MESSAGE) {
    return malformed(state.BAD_MESSAGE_KIND);
  }
  wire.consume();
  return GO_ON;
}

/** Hands bytes to TypeScript. They stay where they are until more input comes. */
function hand(outcome: u32, kind: u32, start: usize, size: usize): u32 {
  state.set(state.MESSAGE_KIND, kind);
  state.set(state.MESSAGE_ADDRESS, <u32>start);
  state.set(state.MESSAGE_SIZE, <u32>size);
  wire.consume();
  return outcome;
}

function malformed(reason: u32): u32 {
  state.set(state.REASON, reason);
  return state.MALFORMED;
}

// --- Transactions ------------------------------------------------------------------------------

function begin(start: usize, end: usize): u32 {
  if (end - start < BEGIN_SIZE) return malformed(state.BAD_MESSAGE_SIZE);
  if (isInTransaction) return malformed(state.BAD_TRANSACTION);
  const lsn = bswap<u64>(load<u64>(start + 1));
  const xid = bswap<u32>(load<u32>(start + 17));
  isInTransaction = true;
  isSkipped = lsn <= skipLsn;
  hasReached = false;
  op = 0;
  serial += 1;
  state.setLong(state.TRANSACTION_LSN, lsn);
  state.set(state.XID, xid);
  bodies.setTransaction(lsn, xid);
  wire.consume();
  return GO_ON;
}

function commit(start: usize, end: usize): u32 {
  if (end - start < COMMIT_SIZE) return malformed(state.BAD_MESSAGE_SIZE);
  const lsn = bswap<u64>(load<u64>(start + 2));
  if (!isInTransaction || lsn != state.getLong(state.TRANSACTION_LSN)) {
    return malformed(state.BAD_TRANSACTION);
  }
  commitRing.note(state.get(state.XID));
  isInTransaction = false;
  state.setLong(state.COMMIT_LSN, lsn);
  state.setLong(state.END_LSN, bswap<u64>(load<u64>(start + 10)));
  state.setLong(state.COMMIT_TIME, bswap<u64>(load<u64>(start + 18)));
  state.setLong(state.SENT_TIME, bswap<u64>(load<u64>(start - SENT_TIME_SIZE)));
  if (!isSkipped) changeCount += <u64>(op >> 1);
  state.setLong(state.CHANGE_COUNT, changeCount);
  wire.consume();
  return hasReached || stopsAtEveryCommit ? state.COMMIT : GO_ON;
}

// --- Row changes -------------------------------------------------------------------------------

function change(kind: u32, start: usize, end: usize): u32 {
  if (!isInTransaction) return malformed(state.BAD_TRANSACTION);
  if (tape.isRunning() && !isOnTape) {
    tape.write(pgoutput.oidOfChange(start, end), op, start, end);
    isOnTape = true;
  }
  if (isSkipped) return pass();
  const oid = pgoutput.oidOfChange(start, end);
  const link = partitionMap.linksOf(oid);
  if (!link) {
    const rows = scout.unwantedFrom(wire.frameStart());
    // What is taped is handed over one by one.
    if (rows != 0) return tape.isRunning() ? pass() : passOver(rows);
    const what = pgoutput.openChange(start, end);
    if (what == pgoutput.MALFORMED) return malformed(pgoutput.reasonFound());
    if (what == pgoutput.UNWATCHED) return pass();
    const relation = pgoutput.relationOfChange();
    const outcome =
      what == pgoutput.UNROUTABLE
        ? unroutable(relation, pgoutput.reasonFound())
        : route(kind, relation);
    if (isDone(outcome)) pass();
    return outcome;
  }
  return partitionChange(kind, oid, link, start, end);
}

/**
 * A change of a partition is one for its own shapes and one for those of every table that it is a
 * part of. A stop in between leaves the frame pending, and `routedIn` tells who has had it.
 */
function partitionChange(kind: u32, oid: u32, first: Link, start: usize, end: usize): u32 {
  let outcome = routeTo(tree.findRelation(oid), kind, start, end);
  let link: Link | null = first;
  while (link && outcome == GO_ON) {
    const relation = tree.relationAt(link.relation);
    if (partitionMap.useLayout(link, relation)) {
      outcome = routeTo(relation, kind, start, end);
      partitionMap.restoreLayout(relation);
    } else if (relation.routedIn != changeSerial) {
      relation.routedIn = changeSerial;
      outcome = unroutable(relation, state.ROW_TOO_NARROW);
    }
    link = link.next;
  }
  if (outcome != GO_ON) return outcome;
  changeSerial += 1;
  return pass();
}

function routeTo(relation: Relation | null, kind: u32, start: usize, end: usize): u32 {
  if (!relation || relation.routedIn == changeSerial) return GO_ON;
  const what = pgoutput.openChangeOf(relation, start, end);
  if (what == pgoutput.MALFORMED) return malformed(pgoutput.reasonFound());
  if (what == pgoutput.UNWATCHED) return GO_ON;
  const outcome =
    what == pgoutput.UNROUTABLE
      ? unroutable(relation, pgoutput.reasonFound())
      : route(kind, relation);
  if (isDone(outcome)) relation.routedIn = changeSerial;
  return outcome;
}

/** Whether nothing is left to do for the relation, be there a stop or not. */
function isDone(outcome: u32): bool {
  return outcome == GO_ON || outcome == state.UNROUTABLE;
}

/** Routes a change that is open. */
function route(kind: u32, relation: Relation): u32 {
  let result: u32;
  if (kind == pgoutput.INSERT) result = router.routeInsert(relation, op);
  else if (kind == pgoutput.DELETE) result = router.routeDelete(relation, op);
  else result = router.routeUpdate(relation, op);
  if (result == router.DONE) {
    if (router.takeReach() != 0) hasReached = true;
    return GO_ON;
  }
  if (result == router.NO_ROOM) return noRoom();
  if (record.faultFound() != 0) return malformed(record.faultFound());
  const isMissing = record.lacksValue();
  return unroutable(relation, isMissing ? state.TOAST_MISSING : state.VALUE_UNREADABLE);
}

/** Counts the change and goes on behind it. */
function pass(): u32 {
  isOnTape = false;
  op += 2;
  wire.consume();
  return GO_ON;
}

/** The same, for so many changes that nobody wants. */
function passOver(rows: u32): u32 {
  op += rows * 2;
  wire.consumeTo(scout.endOf(rows));
  return GO_ON;
}

/**
 * The change fits nowhere as it is: either there is output to be taken first, or too little room.
 */
function noRoom(): u32 {
  if (!regions.isOutputEmpty()) {
    regions.forgetLack();
    return state.OUTPUT_FULL;
  }
  state.set(state.GROWTH_BYTES, <u32>regions.growthBytes());
  return state.NEEDS_GROWTH;
}

/** A change that cannot be routed exactly is a stop if it is the first of its kind. */
function unroutable(relation: Relation, reason: u32): u32 {
  if (relation.reportedIn == serial) return GO_ON;
  relation.reportedIn = serial;
  state.set(state.RELATION, relation.id);
  state.set(state.REASON, reason);
  return state.UNROUTABLE;
}
