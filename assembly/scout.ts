/**
 * The scout goes some frames ahead of the stream and finds the rows that nobody wants.
 *
 * A million shapes do not fit in the processor's caches, and one probe after the other waits for
 * one line of memory after the other: 100 ns each. The scout asks for the lines of a whole window
 * of rows before it needs the first of them, so they are fetched at the same time.
 *
 *     1  each row of the window: the hashes of its keys under all paths
 *     2  each hash: touch its bucket
 *     3  each hash: is there an entry with its tag? Those for which the bucket leaves that to the
 *        next one go back to 2
 *     4  each set, and each row of the membership index, that was found: touch it
 *     5  the stream comes along: rows without an entry are counted and passed over, as many as
 *        follow each other at once, the others routed as if there were no scout, by lines that are
 *        near
 *
 * Touching is a loop of its own because a processor looks only some 500 instructions ahead of a
 * load that it waits for: between two touches there must be next to nothing.
 *
 * What it says holds for as long as the index and INPUT stay as they are: the stream may stop and
 * go on in the middle of a window, but whoever changes either calls `forget`.
 *
 * Invariants:
 *
 *   1. A row is called unwanted only if no path has an entry under its key: no shape would match.
 *      In every doubt, and where anything is wrong with a row, it is not.
 *   2. The addresses of rows ascend.
 *   3. Bits of `apart` from `count` on are set.
 *
 * Allocates nothing.
 */

import * as accesses from "./access";
import { Access } from "./access";
import { IS_NOT_NULL, IS_NULL } from "./access-entry";
import * as key from "./access-key";
import { Path, Relation } from "./condition-tree";
import * as index from "./equality-index";
import * as leafPlace from "./leaf-place";
import * as membershipIndex from "./membership-index";
import * as partitionMap from "./partition-map";
import * as pathKey from "./path-key";
import * as pgoutput from "./pgoutput";
import * as record from "./record";
import { NEW, OLD } from "./record";
import { positionOf } from "./relation-columns";
import * as wire from "./wire";

/** Row changes in a window. More than the processor can have lines on their way at a time. */
const ROWS_MAX: u32 = 64;
/**
 * A row has a key for every path of its table, and two if it is an update that moves it. Where
 * there are many paths, a window has fewer rows.
 */
const PROBES_MAX: u32 = 256;
/**
 * How many frames a window may have that are no rows: in a stream of small transactions two a row.
 */
const FRAMES_MAX: u32 = 256;

/** Where the frame of each row begins and where it ends. */
const rows: usize = memory.data(512, 8);
/** (hash u64, place in the leaf table u32, row and which index u32) of each probe. */
const probes: usize = memory.data(4096, 8);
/** What the probes have found, u32 each. */
const finds: usize = memory.data(1024, 8);

if (ROWS_MAX * 8 != 512 || PROBES_MAX * 16 != 4096 || PROBES_MAX * 4 != 1024) {
  ERROR("rows, probes and finds must fit their data");
}

/** Which index a probe is of, beside its row, and what it has found. */
const EQUALITY: u32 = 0;
const MEMBERSHIP: u32 = 0x80000000;

let count: u32 = 0;
let cursor: u32 = 0;
/** A bit for each row that the router must look at. */
let unknown: u64 = 0;
/** A bit for each row whose frame does not begin where that of the row before it ends. */
let apart: u64 = 0;
let probeCount: u32 = 0;
let isOutOfProbes: bool = false;
/** Gives what is only read to be near somewhere to go. */
let sink: u32 = 0;

/** Forgets what it has seen. To be called when the index, a layout or INPUT changes. */
export function forget(): void {
  count = 0;
  cursor = 0;
}

/**
 * How many row changes that no shape wants follow each other at once, from the frame on that the
 * stream looks at, which is one. 0: the router must look at it.
 */
export function unwantedFrom(frame: usize): u32 {
  while (cursor < count && startOf(cursor) < frame) cursor += 1;
  if (cursor == count || startOf(cursor) != frame) explore(frame);
  if (((unknown >> cursor) & 1) != 0) return 0;
  const ends = ((unknown | apart) >> cursor) >> 1;
  return 1 + min(<u32>ctz(ends), ROWS_MAX - 1 - cursor);
}

/** Where the last of so many rows ends. REQUIRES: `unwantedFrom` has said at least as many. */
export function endOf(rowCount: u32): usize {
  return <usize>load<u32>(rows + ((<usize>(cursor + rowCount - 1)) << 3), 4);
}

/** Sees as many frames as there are or fit, from one that is a row change. */
function explore(frame: usize): void {
  count = 0;
  cursor = 0;
  unknown = 0;
  apart = u64.MAX_VALUE;
  probeCount = 0;
  let at = frame;
  let rowEnd: usize = 0;
  let frames: u32 = 0;
  while (count < ROWS_MAX && frames < FRAMES_MAX) {
    const kind = wire.lookAt(at);
    const end = wire.messageEnd();
    if (kind == wire.WAL_DATA) {
      const start = wire.messageStart();
      if (pgoutput.isChange(<u32>load<u8>(start))) {
        if (!addRow(at, start, end)) break;
        if (at == rowEnd) apart ^= (<u64>1) << (count - 1);
        rowEnd = end;
      }
    } else if (kind != wire.KEEPALIVE_FRAME) {
      break;
    }
    at = end;
    frames += 1;
  }
  wire.lookAt(frame);
  ask();
}

/** Adds a row to the window. False: there is no room for its probes. */
function addRow(frame: usize, start: usize, end: usize): bool {
  isOutOfProbes = false;
  const isSeen = seeRow(start, end);
  if (isOutOfProbes && count != 0) return false;
  if (!isSeen) unknown |= (<u64>1) << count;
  const row = rows + ((<usize>count) << 3);
  store<u32>(row, <u32>frame);
  store<u32>(row, <u32>end, 4);
  count += 1;
  return true;
}

/** Steps 2 to 4. */
function ask(): void {
  let end = probes + ((<usize>probeCount) << 4);
  let findsEnd = finds;
  let touched: u32 = 0;
  while (end != probes) {
    for (let probe = probes; probe < end; probe += 16) {
      touched += leafPlace.touch(load<u32>(probe, 8));
    }
    // Probes that go on take the place of those that are done with.
    let kept = probes;
    for (let probe = probes; probe < end; probe += 16) {
      const found = leafPlace.peek(load<u32>(probe, 8), load<u64>(probe));
      if (found == leafPlace.NONE) continue;
      const row = load<u32>(probe, 12);
      if (found == leafPlace.PASSED) {
        kept = keep(kept, load<u64>(probe), load<u32>(probe, 8), row);
        continue;
      }
      unknown |= (<u64>1) << (row & ~MEMBERSHIP);
      store<u32>(findsEnd, found | (row & MEMBERSHIP));
      findsEnd += 4;
    }
    end = kept;
  }
  for (let at = finds; at < findsEnd; at += 4) {
    const found = load<u32>(at);
    if (found & MEMBERSHIP) touched += membershipIndex.touchRow(found & ~MEMBERSHIP);
    else touched += index.touchSet(found);
  }
  sink = touched;
}

/** Puts a probe where others end, for the place after its own. Returns where they end now. */
function keep(target: usize, hash: u64, place: u32, row: u32): usize {
  const next =
    row & MEMBERSHIP ? membershipIndex.placeAfter(hash, place) : index.placeAfter(hash, place);
  if (next == 0) return target;
  store<u64>(target, hash);
  store<u32>(target, next, 8);
  store<u32>(target, row, 12);
  return target + 16;
}

/** Notes the keys of a row. False: this one the router must look at whatever they are. */
function seeRow(start: usize, end: usize): bool {
  if (partitionMap.linksOf(pgoutput.oidOfChange(start, end))) return false;
  const what = pgoutput.openChange(start, end);
  if (what == pgoutput.UNWATCHED) return true;
  if (what != pgoutput.OPEN) return false;
  const kind = <u32>load<u8>(start);
  const relation = pgoutput.relationOfChange();
  let path = relation.firstPath;
  while (path) {
    if (path.shapeCount != 0 && !seePath(path, kind)) return false;
    path = path.next;
  }
  if (relation.plannedShapeCount != 0 && !seeAccesses(relation, kind)) return false;
  return record.faultFound() == 0 && !record.lacksValue();
}

function seePath(path: Path, kind: u32): bool {
  if (kind == pgoutput.INSERT) return seeSide(path, NEW);
  if (kind == pgoutput.DELETE) return seeSide(path, OLD);
  if (pathKey.isUnchanged(path)) return seeSide(path, NEW);
  return seeSide(path, OLD) && seeSide(path, NEW);
}

/** False: there is no room for one more probe. */
function seeSide(path: Path, side: u32): bool {
  if (!pathKey.readRow(path, side)) return true;
  return note(pathKey.hashOf(side), EQUALITY);
}

/** Of the accesses only those that are one probe are looked at; others say nothing for certain. */
function seeAccesses(relation: Relation, kind: u32): bool {
  let access = accesses.firstOf(relation);
  while (access) {
    if (access.entryCount != 0) {
      if (kind != pgoutput.DELETE && !seeAccess(access, NEW)) return false;
      if (kind != pgoutput.INSERT && !seeAccess(access, OLD)) return false;
    }
    access = access.next;
  }
  return true;
}

function seeAccess(access: Access, side: u32): bool {
  const type = accesses.typeOf(access);
  if (type == accesses.NULL) {
    const value = record.at(side, positionOf(access.relation, accesses.columnOf(access)));
    if (record.sizeOf(value) == record.ABSENT) return false;
    const state = record.hasBytes(value) ? IS_NOT_NULL : IS_NULL;
    return note(membershipIndex.hashOf(access.id, state), MEMBERSHIP);
  }
  if (type != accesses.EQUALITY) return false;
  const outcome = key.findInRow(access, side);
  if (outcome == key.FOUND) return note(membershipIndex.hashOf(access.id, key.last()), MEMBERSHIP);
  return outcome == key.UNKNOWN;
}

/** Notes a probe of the row at hand. */
function note(hash: u64, kind: u32): bool {
  if (probeCount == PROBES_MAX) {
    isOutOfProbes = true;
    return false;
  }
  const probe = probes + ((<usize>probeCount) << 4);
  const place = kind == EQUALITY ? index.placeOf(hash) : membershipIndex.placeOf(hash);
  store<u64>(probe, hash);
  store<u32>(probe, place, 8);
  store<u32>(probe, count | kind, 12);
  probeCount += 1;
  return true;
}

function startOf(row: u32): usize {
  return <usize>load<u32>(rows + ((<usize>row) << 3));
}
