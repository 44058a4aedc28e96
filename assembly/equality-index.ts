/**
 * The equality index: from the values that a row has in the columns of a path to the shapes whose
 * constants they are. One table for all paths of all relations.
 *
 *     hash(path, values) ──> leaf table ──> shape id ──> constants column
 *                            tag, id                     verified against the values: exact
 *
 * A shape's constants, in its row of the shape table, 64 bits:
 *
 *     no terms         0
 *     one integer      the integer
 *     one other term   ValueId
 *     several terms    ValueId of the tuple: 8 bytes for each integer, the u32 ValueId of others
 *
 * Shapes of different templates may share path and constants. The leaf table names them by their id
 * set, whose reference is the id itself where there is only one: a shape that is alone with its
 * constants, as nearly all are, costs its entry and nothing more.
 *
 * Invariants (`verify` checks 1 to 4):
 *
 *   1. Every shape is in the set that is found by its own path and constants.
 *   2. The leaf table has one entry for each set, and no other.
 *   3. All members of a set have one path and equal constants.
 *   4. No two shapes have the same template and constants.
 *   5. Each shape holds one reference to the value of its constants and, if that is a tuple, one to
 *      each value in it.
 *   6. The template in a shape's row is 0 if and only if it is neither in the index nor in that of
 *      definitions, which has the shapes of templates with a plan.
 *
 * `add` may allocate. REQUIRES: `pagePool.reserve(pagesForAdd(...))`. The rest never does.
 */

import * as tree from "./condition-tree";
import { Path, Relation } from "./condition-tree";
import * as idSet from "./id-set";
import * as leafTable from "./leaf-table";
import * as literal from "./literal";
import { OWNER_EQUALITY_INDEX } from "./owners";
import * as pagePool from "./page-pool";
import * as pathKey from "./path-key";
import * as record from "./record";
import * as shapeTable from "./shape-table";
import { STATE_GATED } from "./shape-table";
import * as valueStore from "./value-store";

/** No shape, and no set of them. */
export const NONE: u32 = 0;

/** Room for the tuple of the most terms there may be. */
const tuple: usize = memory.data(512, 8);

/** How many ids one `listShapes` looks at: their list fits in the smallest scratch. */
const LISTED_ROWS: u32 = 16000;

/** Room for a part of a group. */
const members: usize = memory.data(512, 8);
const MEMBERS_MAX: u32 = 128;

let table: usize = 0;
/** What `intern` made. */
let interned: u64 = 0;
/** Where `listShapes` ended. */
let listEnd: u32 = 0;

/** To be called once. */
export function create(): void {
  table = leafTable.create(OWNER_EQUALITY_INDEX, hashOfSet);
}

/** The set of shapes whose path and constants are the key of that side, NONE if it is empty. */
export function find(path: Path, side: u32): u32 {
  leafTable.seek(table, pathKey.hashOf(side));
  while (true) {
    const set = leafTable.next();
    if (set == leafTable.NONE) return NONE;
    if (hasKey(idSet.first(set), path, side)) return set;
  }
}

/** Where in the leaf table, whose payloads are sets, a search for a hash begins. */
export function placeOf(hash: u64): u32 {
  return leafTable.placeOf(table, hash);
}

/** Where it goes on after a place. */
export function placeAfter(hash: u64, place: u32): u32 {
  return leafTable.placeAfter(table, hash, place);
}

/**
 * Brings nearer what `find` and the router read of a set's first shape. What it returns has no
 * meaning.
 */
export function touchSet(set: u32): u32 {
  const id = idSet.first(set);
  return <u32>shapeTable.constants(id) + shapeTable.template(id) + shapeTable.state(id);
}

/** The shape of exactly this template and key, NONE if there is none. */
export function findExact(path: Path, side: u32, template: u32): u32 {
  const set = find(path, side);
  let from: u32 = 0;
  while (true) {
    const count = idSet.copyTo(set, members, MEMBERS_MAX, from);
    for (let index: u32 = 0; index < count; index += 1) {
      from = load<u32>(members + ((<usize>index) << 2));
      if (shapeTable.template(from) == template) return from;
    }
    if (count < MEMBERS_MAX) return NONE;
    from += 1;
  }
}

/**
 * The most pages that `add` acquires for constants of `size` bytes under the key that was read last
 * on the new side.
 */
export function pagesForAdd(path: Path, size: u32): u32 {
  const values = path.byteTermCount + (path.termCount > 1 ? 1 : 0);
  return (
    leafTable.pagesForInsert(table) +
    idSet.pagesForAdd(find(path, record.NEW)) +
    values * valueStore.pagesForIntern(0) +
    pagePool.pagesFor(<usize>size)
  );
}

/**
 * Files a shape under the key that was read last on the new side. False, with nothing changed, if
 * there are as many values as there can be.
 * REQUIRES: it is minted and not in the index; invariant 4 will hold.
 */
export function add(id: u32, template: u32, path: Path): bool {
  assert(shapeTable.isLive(id) && shapeTable.template(id) == 0);
  assert(findExact(path, record.NEW, template) == NONE); // 4
  const set = find(path, record.NEW);
  if (!intern(path)) return false;
  const newSet = idSet.add(set, id);
  if (newSet == NONE) {
    release(path, interned);
    return false;
  }
  shapeTable.setTemplate(id, template);
  shapeTable.setConstants(id, interned);
  const hash = pathKey.hashOf(record.NEW);
  if (set == NONE) leafTable.insert(table, hash, newSet);
  else if (newSet != set) rename(hash, set, newSet);
  tree.countShape(template, 1);
  return true;
}

/** REQUIRES: the shape is in the index. */
export function remove(id: u32): void {
  const template = shapeTable.template(id);
  const path = pathOf(template);
  const constants = shapeTable.constants(id);
  readStored(path, constants);
  const hash = pathKey.hashOf(pathKey.STORED);
  const set = find(path, pathKey.STORED);
  assert(idSet.has(set, id));
  const newSet = idSet.remove(set, id);
  if (newSet == NONE) {
    const wasThere = leafTable.remove(table, hash, set);
    assert(wasThere);
  } else if (newSet != set) {
    rename(hash, set, newSet);
  }
  release(path, constants);
  shapeTable.setConstants(id, 0);
  shapeTable.setTemplate(id, 0);
  shapeTable.setStateBit(id, STATE_GATED, false);
  tree.countShape(template, -1);
}

function rename(hash: u64, set: u32, newSet: u32): void {
  const wasThere = leafTable.replace(table, hash, set, newSet);
  assert(wasThere);
}

export function setGated(id: u32, isGated: bool): void {
  assert(shapeTable.template(id) != 0);
  shapeTable.setStateBit(id, STATE_GATED, isGated);
}

/**
 * Writes the shapes of a relation with ids above `after` to `target`, ascending, and returns how
 * many they are. Looks at LISTED_ROWS ids, so a relation is listed in several calls: see
 * `listedUpTo`.
 */
export function listShapes(relation: Relation, after: u32, target: usize): u32 {
  const end = min(after + 1 + LISTED_ROWS, shapeTable.limit());
  let at = target;
  for (let id = after + 1; id < end; id += 1) {
    const template = shapeTable.template(id);
    if (template == 0 || tree.relationOf(tree.templateAt(template)) != relation) continue;
    store<u32>(at, id);
    at += 4;
  }
  listEnd = end < shapeTable.limit() ? end - 1 : NONE;
  return (<u32>(at - target)) >> 2;
}

/** After what id `listShapes` has to go on, NONE if that was all. */
export function listedUpTo(): u32 {
  return listEnd;
}

export function count(): u32 {
  return leafTable.count(table);
}

export function liveBytes(): usize {
  return leafTable.liveBytes(table);
}

// --- Constants ---------------------------------------------------------------------------------

/** Whether a shape lies under this path and has the constants that are the key of that side. */
function hasKey(id: u32, path: Path, side: u32): bool {
  if (tree.templateAt(shapeTable.template(id)).path != path) return false;
  const constants = shapeTable.constants(id);
  const count = path.termCount;
  if (count <= 1) return count == 0 || isEqual(constants, path, side, 0);
  let at = valueStore.address(<u32>constants);
  for (let index: u32 = 0; index < count; index += 1) {
    const isInt = tree.termKind(path, index) == literal.INT;
    if (!isEqual(isInt ? load<u64>(at) : <u64>load<u32>(at), path, side, index)) return false;
    at += isInt ? 8 : 4;
  }
  return true;
}

/** Whether an integer or a ValueId is what the key has in a term. */
function isEqual(constant: u64, path: Path, side: u32, index: u32): bool {
  const slot = pathKey.slot(side, index);
  if (tree.termKind(path, index) == literal.INT) return constant == slot;
  return record.same(slot, valueAt(<u32>constant));
}

function valueAt(valueId: u32): record.Value {
  return ((<u64>valueStore.address(valueId)) << 32) | (<u64>valueStore.size(valueId));
}

/**
 * Turns the key of the new side into constants, `interned`, and takes the references of invariant
 * 5. False: the value store is full, and no reference was taken.
 */
function intern(path: Path): bool {
  const count = path.termCount;
  interned = 0;
  if (count == 0) return true;
  if (count == 1) return internTerm(path, 0);
  let at = tuple;
  for (let index: u32 = 0; index < count; index += 1) {
    const isInt = tree.termKind(path, index) == literal.INT;
    if (!internTerm(path, index)) {
      releaseTerms(path, tuple, index);
      return false;
    }
    if (isInt) store<u64>(at, interned);
    else store<u32>(at, <u32>interned);
    at += isInt ? 8 : 4;
  }
  interned = <u64>valueStore.intern(tuple, <u32>(at - tuple));
  if (interned == 0) releaseTerms(path, tuple, count);
  return interned != 0;
}

function internTerm(path: Path, index: u32): bool {
  interned = pathKey.slot(record.NEW, index);
  if (tree.termKind(path, index) == literal.INT) return true;
  const valueId = valueStore.intern(record.addressOf(interned), record.sizeOf(interned));
  interned = <u64>valueId;
  return valueId != valueStore.NONE;
}

/** Gives back what `intern` took. */
function release(path: Path, constants: u64): void {
  const count = path.termCount;
  if (count == 0 || (count == 1 && path.byteTermCount == 0)) return;
  const valueId = <u32>constants;
  if (count > 1) releaseTerms(path, valueStore.address(valueId), count);
  valueStore.release(valueId);
}

/** Gives back the values of a tuple's first `count` terms. */
function releaseTerms(path: Path, address: usize, count: u32): void {
  let at = address;
  for (let index: u32 = 0; index < count; index += 1) {
    const isInt = tree.termKind(path, index) == literal.INT;
    if (!isInt) valueStore.release(load<u32>(at));
    at += isInt ? 8 : 4;
  }
}

/** The most bytes that `writeConstants` writes for a shape. */
export function constantsSizeMax(id: u32): u32 {
  const path = pathOf(shapeTable.template(id));
  readStored(path, shapeTable.constants(id));
  let size: u32 = 0;
  for (let index: u32 = 0; index < path.termCount; index += 1) {
    const isText = tree.termKind(path, index) == literal.TEXT;
    size += 4;
    size += isText ? record.sizeOf(pathKey.slot(pathKey.STORED, index)) : literal.TEXT_SIZE_MAX;
  }
  return size;
}

/** Writes the constants of a shape as they were described, and returns their size. */
export function writeConstants(id: u32, target: usize): u32 {
  const path = pathOf(shapeTable.template(id));
  readStored(path, shapeTable.constants(id));
  let at = target;
  for (let index: u32 = 0; index < path.termCount; index += 1) {
    const size = writeTerm(tree.termKind(path, index), pathKey.slot(pathKey.STORED, index), at + 4);
    store<u32>(at, size);
    at += 4 + <usize>size;
  }
  return <u32>(at - target);
}

function writeTerm(kind: u32, slot: u64, target: usize): u32 {
  if (kind == literal.INT) return literal.writeInt(<i64>slot, target);
  const address = record.addressOf(slot);
  if (kind == literal.UUID) return literal.writeUuid(address, target);
  memory.copy(target, address, record.sizeOf(slot));
  return record.sizeOf(slot);
}

/** Reads the key that constants in the index make, into the stored side. */
function readStored(path: Path, constants: u64): void {
  const count = path.termCount;
  let at = count > 1 ? valueStore.address(<u32>constants) : 0;
  for (let index: u32 = 0; index < count; index += 1) {
    const isInt = tree.termKind(path, index) == literal.INT;
    let constant = constants;
    if (count > 1) {
      constant = isInt ? load<u64>(at) : <u64>load<u32>(at);
      at += isInt ? 8 : 4;
    }
    pathKey.setSlot(pathKey.STORED, index, isInt ? constant : valueAt(<u32>constant));
  }
  pathKey.hashSlots(path, pathKey.STORED);
}

/** REQUIRES: the template has no plan. */
function pathOf(template: u32): Path {
  return tree.templateAt(template).path as Path;
}

/** What the leaf table asks when it splits a leaf. */
function hashOfSet(set: u32): u64 {
  const id = idSet.first(set);
  readStored(pathOf(shapeTable.template(id)), shapeTable.constants(id));
  return pathKey.hashOf(pathKey.STORED);
}

/** Checks the invariants in O(shapes). */
export function verify(): void {
  leafTable.verify(table);
  let entries: u32 = 0;
  for (let id: u32 = 1; id < shapeTable.limit(); id += 1) {
    const template = shapeTable.template(id);
    if (template == 0 || !tree.templateAt(template).path) continue;
    assert(shapeTable.isLive(id));
    const path = pathOf(template);
    readStored(path, shapeTable.constants(id));
    const set = find(path, pathKey.STORED);
    assert(idSet.has(set, id)); // 1, 3
    assert(findExact(path, pathKey.STORED, template) == id); // 4
    if (idSet.first(set) == id) entries += 1;
    idSet.verify(set);
  }
  assert(entries == leafTable.count(table)); // 2
}
