/**
 * The router: one change in, the shapes that it reaches out, with the body that each of them gets.
 *
 *     record ──┬> per path: key ──> equality index ──────┬> hits ──> per projection, group: a body
 *              └> per access ──> candidates ──> verdicts ┘
 *
 * What becomes of a shape (protocol 7.5, 7.6):
 *
 *     key of its path in    the old row   the new row       group      written as
 *                           no            yes               insert     insert
 *                           yes           no                delete     delete
 *                           yes           yes               update     update; nothing if none of
 *                           its
 *                                                                      columns differ; if the row's
 *                                                                      key differs a delete, and an
 *                                                                      insert at op + 1
 *
 * Hits are chained per projection and group while the paths are probed, so that each body is
 * written once and its ids lie together:
 *
 *     projection.firstUpdate ──> hit ──> hit ──> hit <── projection.lastUpdate
 *                                ┌──────────────┬───────────┐
 *                                │ id, gated bit│ next hit  │           index + 1, 0 at the end
 *                                └──────────────┴───────────┘
 *
 * Shapes with subqueries whose rows carry tags have chains of their own for each `ActiveClass`, if
 * their WHERE has several disjuncts. Those that are gated, and gated views, get nothing here: they
 * are in the middle of a move, and changes are replayed for them (`replay.ts`).
 *
 * A change is written behind what the output holds and becomes part of it when all is well; if it
 * does not fit, or the row turns out to be malformed, nothing of it remains.
 *
 * Exact: a shape gets a change if and only if its condition says so. Allocates nothing.
 */

import * as activeClass from "./active-class";
import { ActiveClass } from "./active-class";
import * as bodies from "./body-encoder";
import * as candidates from "./candidates";
import * as tree from "./condition-tree";
import { Path, Relation } from "./condition-tree";
import * as delta from "./delta-writer";
import * as index from "./equality-index";
import * as idSet from "./id-set";
import * as json from "./json-writer";
import * as pathKey from "./path-key";
import { ROW_NEW, ROW_OLD } from "./pattern-test";
import { DELTA, Projection } from "./projection";
import * as record from "./record";
import { NEW, OLD } from "./record";
import * as regions from "./regions";
import * as shapeTable from "./shape-table";
import { STATE_GATED } from "./shape-table";
import * as verdicts from "./verdicts";
import { CLASS_STRIDE, ID_MASK, NO_ROOM_FOR_CLASS } from "./verdicts";

/** What became of a change. */
export const DONE: u32 = 0;
/** Nothing of it was kept: it does not fit, see `regions.lack`. */
export const NO_ROOM: u32 = 1;
/** Nothing of it was kept: the tuples are malformed, or lack a value that is needed. */
export const UNREADABLE: u32 = 2;

/** Groups of hits: what each means for a shape. */
const DELETES: u32 = 0;
const UPDATES: u32 = 1;
const INSERTS: u32 = 2;

/** Bit of an id in the list of matches, see `setGated`. */
const GATED_BIT: u32 = 0x80000000;

/** Flags of a body. */
const HAS_GATED: u32 = 1;
const IS_DELTA: u32 = 2;

/** Ids of a group, a part at a time. */
const members: usize = memory.data(1024, 8);
const MEMBERS_MAX: u32 = 256;

let hitCount: u32 = 0;
let hitsMax: u32 = 0;
let isDoubtful_: bool = false;
let touched: Projection | null = null;
let bodyEnd: u32 = 0;
let matchEnd: u32 = 0;
/** How many matches were kept since the last `takeReach`. */
let reach: u32 = 0;
/** Of a class there was no room for, so some hits are not noted. */
let isShort: bool = false;
let isReplay: bool = false;
/** The row of a replay is what a query found, and was in no change. */
let isFetched: bool = false;

/** Routes an insert. REQUIRES: the record's new side is open. */
export function routeInsert(relation: Relation, op: u32): u32 {
  begin();
  let path = relation.firstPath;
  while (path) {
    if (path.shapeCount != 0 && pathKey.readRow(path, NEW)) probe(path, NEW, INSERTS);
    path = path.next;
  }
  if (relation.plannedShapeCount != 0) probeAccesses(relation, false, true);
  return finish(op);
}

/** Routes a delete. REQUIRES: the record's old side is open, with the whole row. */
export function routeDelete(relation: Relation, op: u32): u32 {
  begin();
  let path = relation.firstPath;
  while (path) {
    if (path.shapeCount != 0 && pathKey.readRow(path, OLD)) probe(path, OLD, DELETES);
    path = path.next;
  }
  if (relation.plannedShapeCount != 0) probeAccesses(relation, true, false);
  return finish(op);
}

/** Routes an update. REQUIRES: both sides of the record are open, with whole rows. */
export function routeUpdate(relation: Relation, op: u32): u32 {
  begin();
  let path = relation.firstPath;
  while (path) {
    if (path.shapeCount != 0) probeBoth(path);
    path = path.next;
  }
  if (relation.plannedShapeCount != 0) probeAccesses(relation, true, true);
  return finish(op);
}

/**
 * Routes a change, or a row that a query found, as both its sides, once more for the gated shapes
 * of a template. REQUIRES: the sides of the record that it has are open.
 */
export function routeAgain(
  template: u32,
  hasOld: bool,
  hasNew: bool,
  op: u32,
  isOfQuery: bool,
): u32 {
  begin();
  isReplay = true;
  isFetched = isOfQuery;
  candidates.collectOf(template, hasOld, hasNew);
  if (areJudgeable()) {
    const relation = tree.relationOf(tree.templateAt(template));
    const classes = regions.hitAddress(hitCount);
    takeVerdicts(verdicts.judge(relation, template, classes));
  }
  const result = finish(op);
  isReplay = false;
  isFetched = false;
  return result;
}

/** Whether the change that was UNREADABLE has a value that no access can look up. */
export function isDoubtful(): bool {
  return isDoubtful_;
}

/** How many matches were kept since the last call. */
export function takeReach(): u32 {
  const count = reach;
  reach = 0;
  return count;
}

// --- Probing -----------------------------------------------------------------------------------

function probeBoth(path: Path): void {
  if (pathKey.isUnchanged(path)) {
    if (pathKey.readRow(path, NEW)) probe(path, NEW, UPDATES);
    return;
  }
  const hasOld = pathKey.readRow(path, OLD);
  const hasNew = pathKey.readRow(path, NEW);
  // Different texts may be the same value only if Postgres did not write them; be exact all the
  // same.
  if (hasOld && hasNew && pathKey.areEqual(path, OLD, NEW)) {
    probe(path, NEW, UPDATES);
    return;
  }
  if (hasOld) probe(path, OLD, DELETES);
  if (hasNew) probe(path, NEW, INSERTS);
}

function probe(path: Path, side: u32, group: u32): void {
  const set = index.find(path, side);
  if (set == index.NONE) return;
  if (!idSet.isSet(set)) {
    hit(set, group, null);
    return;
  }
  let from: u32 = 0;
  while (true) {
    const count = idSet.copyTo(set, members, MEMBERS_MAX, from);
    for (let n: u32 = 0; n < count; n += 1) {
      from = load<u32>(members + ((<usize>n) << 2));
      hit(from, group, null);
    }
    if (count < MEMBERS_MAX) return;
    from += 1;
  }
}

/** Finds the shapes of templates that have a plan. */
function probeAccesses(relation: Relation, hasOld: bool, hasNew: bool): void {
  candidates.collect(relation, hasOld, hasNew);
  if (!areJudgeable()) return;
  takeVerdicts(verdicts.judge(relation, verdicts.NO_REPLAY, regions.hitAddress(hitCount)));
}

/** Whether there are candidates that can be judged, and room for what becomes of them. */
function areJudgeable(): bool {
  isDoubtful_ = candidates.isDoubtful();
  if (!isReadable()) {
    candidates.forget();
    return false;
  }
  // Their classes lie behind the hits that there are.
  if (candidates.count() + hitCount > hitsMax) {
    candidates.forget();
    hitCount = hitsMax + 1; // As if all had been reached: there is too little room.
    return false;
  }
  return candidates.count() != 0;
}

/** Notes who is reached by the verdicts, of which so many at the front have a class. */
function takeVerdicts(asked: u32): void {
  isDoubtful_ = candidates.isDoubtful();
  const list = candidates.list();
  const count = candidates.count();
  // A hit is written over a class that was read: there are never more hits than verdicts.
  const classes = regions.hitAddress(hitCount);
  for (let index: u32 = 0; index < count; index += 1) {
    const verdict = load<u32>(list + ((<usize>index) << 2));
    const rows = verdict & (ROW_OLD | ROW_NEW);
    if (rows == 0) continue;
    const active = index < asked ? load<u32>(classes + <usize>index * CLASS_STRIDE) : 0;
    if (active == NO_ROOM_FOR_CLASS) {
      isShort = true;
      return;
    }
    const group = rows == ROW_OLD ? DELETES : rows == ROW_NEW ? INSERTS : UPDATES;
    hit(verdict & ID_MASK, group, activeClass.classOf(active));
  }
}

/** Notes that a shape is reached. Beyond the room there is it only counts. */
function hit(id: u32, group: u32, active: ActiveClass | null): void {
  const template = tree.templateAt(shapeTable.template(id));
  let gated: u32 = 0;
  if ((shapeTable.state(id) & STATE_GATED) != 0 && !isReplay) {
    if (template.flags != 0) return; // Of a view, or with one.
    gated = GATED_BIT;
  }
  hitCount += 1;
  if (hitCount > hitsMax) return;
  const projection = template.projection;
  const at = regions.hitAddress(hitCount - 1);
  store<u32>(at, id | gated);
  store<u32>(at, 0, 4);

  if (!projection.isTouched) {
    projection.isTouched = 1;
    projection.nextTouched = touched;
    touched = projection;
  }
  const chain = (active ? chainsOfClass(active) : chainsOf(projection)) + ((<usize>group) << 3);
  const last = load<u32>(chain, 4);
  if (last == 0) store<u32>(chain, hitCount);
  else store<u32>(regions.hitAddress(last - 1), hitCount, 4);
  store<u32>(chain, hitCount, 4);
}

/** Where the index + 1 of the first and of the last hit of every group lie. */
function chainsOf(projection: Projection): usize {
  return changetype<usize>(projection) + offsetof<Projection>("firstDelete");
}

function chainsOfClass(active: ActiveClass): usize {
  return changetype<usize>(active) + offsetof<ActiveClass>("firstDelete");
}

// --- Writing -----------------------------------------------------------------------------------

function begin(): void {
  hitCount = 0;
  isDoubtful_ = false;
  isShort = false;
  hitsMax = regions.matchesMax() - regions.matches();
  touched = null;
}

/** Writes the bodies for all hits and keeps them, or keeps nothing. */
function finish(op: u32): u32 {
  if (hitCount == 0 && !isShort) {
    activeClass.forget();
    return isReadable() ? DONE : UNREADABLE;
  }
  bodyEnd = regions.bodies();
  matchEnd = regions.matches();
  json.open(regions.bytesCursor(), regions.bytesLimit());
  let isWritten: bool = isReadable() && !isShort;
  if (isWritten && hitCount > hitsMax) {
    regions.lack(regions.SHORT_OF_MATCHES);
    isWritten = false;
  }
  let projection = touched;
  while (projection) {
    isWritten = isWritten && writeProjection(projection, op);
    const next = projection.nextTouched;
    forgetHits(projection);
    projection = next;
  }
  activeClass.forget();
  if (!isReadable()) return UNREADABLE;
  if (!isWritten) return NO_ROOM;
  reach += matchEnd - regions.matches();
  regions.keep(json.position(), bodyEnd, matchEnd);
  return DONE;
}

/** Whether the record has turned out as it should so far. */
function isReadable(): bool {
  return record.faultFound() == 0 && !record.lacksValue() && !isDoubtful_;
}

function writeProjection(projection: Projection, op: u32): bool {
  if (!writeChains(projection, chainsOf(projection), 0, op)) return false;
  let active = activeClass.firstOf(projection);
  while (active) {
    const literals = activeClass.literalsOf(active);
    if (!writeChains(projection, chainsOfClass(active), literals, op)) return false;
    active = active.next;
  }
  return true;
}

/** Writes the bodies of the hits that are alike. `active`: see `tag-writer.ts`. */
function writeChains(projection: Projection, chains: usize, active: usize, op: u32): bool {
  const firstDelete = load<u32>(chains, DELETES << 3);
  const firstUpdate = load<u32>(chains, UPDATES << 3);
  const firstInsert = load<u32>(chains, INSERTS << 3);
  // Of rows that a move has taken away a shape is told by an event, a view is not.
  if (firstDelete != 0 && (!isFetched || projection.mode == DELTA)) {
    const first = matchEnd;
    const gated = listMatches(firstDelete);
    if (!writeBody(bodies.DELETE, projection, active, op, first, gated)) return false;
  }
  if (firstUpdate != 0 && !writeUpdate(projection, firstUpdate, active, op)) return false;
  if (firstInsert != 0) {
    const first = matchEnd;
    const gated = listMatches(firstInsert);
    const operation = isFetched ? bodies.INSERT_FETCHED : bodies.INSERT;
    if (!writeBody(operation, projection, active, op, first, gated)) return false;
  }
  return true;
}

function writeUpdate(projection: Projection, chain: u32, active: usize, op: u32): bool {
  if (!bodies.isVisible(projection)) return true;
  const first = matchEnd;
  const gated = listMatches(chain);
  if (projection.mode == DELTA || !bodies.isKeyChanged(projection.relation)) {
    return writeBody(bodies.UPDATE, projection, active, op, first, gated);
  }
  // Both halves go to the same shapes, and share the list of them.
  return (
    writeBody(bodies.DELETE_MOVED, projection, active, op, first, gated) &&
    writeBody(bodies.INSERT_MOVED, projection, active, op + 1, first, gated)
  );
}

/** Lists the ids of a chain of hits. Returns whether one of them is gated. */
function listMatches(chain: u32): bool {
  let any: u32 = 0;
  let next = chain;
  while (next != 0) {
    const at = regions.hitAddress(next - 1);
    const id = load<u32>(at);
    any |= id;
    store<u32>(regions.matchAddress(matchEnd), id);
    matchEnd += 1;
    next = load<u32>(at, 4);
  }
  return (any & GATED_BIT) != 0;
}

function writeBody(
  operation: u32,
  projection: Projection,
  active: usize,
  op: u32,
  firstMatch: u32,
  isGated: bool,
): bool {
  if (bodyEnd == regions.bodiesMax()) {
    regions.lack(regions.SHORT_OF_BODIES);
    return false;
  }
  const start = json.position();
  const isDelta = projection.mode == DELTA;
  if (isDelta) delta.encode(projection, rowsOf(operation));
  else bodies.encode(operation, projection, op, active);
  if (json.isFull()) {
    regions.lack(regions.SHORT_OF_BYTES);
    return false;
  }
  const row = regions.bodyRow(bodyEnd);
  store<u32>(row, <u32>start);
  store<u32>(row, <u32>(json.position() - start), 4);
  store<u32>(row, op, 8);
  store<u32>(row, firstMatch, 12);
  store<u32>(row, matchEnd - firstMatch, 16);
  store<u32>(row, (isGated ? HAS_GATED : 0) | (isDelta ? IS_DELTA : 0), 20);
  bodyEnd += 1;
  return true;
}

/** Which rows a delta has. */
function rowsOf(operation: u32): u32 {
  if (operation == bodies.UPDATE) return delta.HAS_OLD | delta.HAS_NEW;
  return operation == bodies.DELETE ? delta.HAS_OLD : delta.HAS_NEW;
}

function forgetHits(projection: Projection): void {
  projection.isTouched = 0;
  projection.nextTouched = null;
  projection.firstDelete = 0;
  projection.lastDelete = 0;
  projection.firstUpdate = 0;
  projection.lastUpdate = 0;
  projection.firstInsert = 0;
  projection.lastInsert = 0;
}
