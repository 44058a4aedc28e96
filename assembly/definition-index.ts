/**
 * The definition index finds a shape by its template and constants, where these are no key of the
 * equality index, and keeps the constants, packed (`packed-constants.ts`).
 *
 *     hash(template, constants) ──> leaf table ──> shape id ──> constants column ──> block
 *
 *     constants column    ┌─────────┬─────────────────────────┐
 *                         │ size u8 │ up to 7 bytes, then 0   │
 *                         └─────────┴─────────────────────────┘
 *                      or ┌─────────┬──────────┬──────────────┐
 *                         │ 8       │ size u24 │ address u32  │      of more
 *                         └─────────┴──────────┴──────────────┘
 *
 * Two numbers, or a number and a short word, need no block; a uuid takes one of 24 bytes. So most
 * shapes cost 6.4 bytes here, and one more number, such as the view of a subquery, mostly nothing.
 *
 * The keys under which accesses have filed a shape say much of its constants, but they lie under
 * the keys and not under the shape, and a list that leads back would cost more than the constants.
 * Those that shapes have in common are not shared: most shapes have one of their own, and a shared
 * one costs eight bytes more.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. The table has one entry for each shape of a template with a plan, and no other.
 *   2. No two of them have the same template and constants.
 *   3. Constants have a block if and only if they are more than seven bytes.
 *   4. The text buffer has room for the constants of each, as they were before.
 *
 * Only `add` allocates, and reserves what it needs.
 */

import * as blockPool from "./block-pool";
import * as tree from "./condition-tree";
import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_DEFINITION_INDEX } from "./owners";
import * as packed from "./packed-constants";
import * as pagePool from "./page-pool";
import * as shapeTable from "./shape-table";
import * as textBuffer from "./text-buffer";

/** No shape. */
export const NONE: u32 = 0;

/** Keeps these hashes apart from those of other tables. */
const HASH_SEED: u64 = 0x646566; // "def"

const INLINE_MAX: u32 = 7;
/** In place of the size of constants that lie in the column. */
const IN_BLOCK: u32 = 8;

let table: usize = 0;
let pool: usize = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  table = leafTable.create(OWNER_DEFINITION_INDEX, hashOfShape);
  pool = blockPool.create(OWNER_DEFINITION_INDEX, 8);
}

/** The shape of this template and constants, NONE if there is none. Packs them where they lie. */
export function find(template: u32, address: usize, size: u32): u32 {
  return findPacked(template, address, packed.pack(address, size));
}

/**
 * Files a shape, and sets its template and constants, which it packs where they lie. False, with
 * nothing else changed, if the budget forbids it. REQUIRES: invariant 2 will hold.
 */
export function add(id: u32, template: u32, address: usize, size: u32): bool {
  if (!textBuffer.reserve(size)) return false; // 4
  const packedSize = packed.pack(address, size);
  assert(findPacked(template, address, packedSize) == NONE); // 2
  const pages = leafTable.pagesForInsert(table) + blockPool.pagesForBlock(packedSize);
  if (!pagePool.reserve(pages)) return false;
  shapeTable.setConstants(id, columnFor(address, packedSize));
  leafTable.insert(table, hashOf(template, address, packedSize), id);
  shapeTable.setTemplate(id, template);
  return true;
}

/** Forgets a shape, its template and its constants. REQUIRES: it is there. */
export function remove(id: u32): void {
  const wasThere = leafTable.remove(table, hashOfShape(id), id);
  assert(wasThere);
  if (hasBlock(id)) blockPool.release(pool, addressOf(id), sizeOf(id));
  shapeTable.setConstants(id, 0);
  shapeTable.setTemplate(id, 0);
}

/**
 * Writes the constants of a shape to the text buffer, as they were when it was added, and returns
 * their size. REQUIRES: it is there.
 */
export function writeConstants(id: u32): u32 {
  return packed.unpack(addressOf(id), sizeOf(id), textBuffer.address());
}

/** Reads one constant of a shape: see `packed.lastAddress`. REQUIRES: it is there and has it. */
export function readConstant(id: u32, index: u32): void {
  let at = packed.read(addressOf(id));
  for (let n: u32 = 0; n < index; n += 1) at = packed.read(at);
  assert(at <= addressOf(id) + <usize>sizeOf(id));
}

export function count(): u32 {
  return leafTable.count(table);
}

export function liveBytes(): usize {
  return leafTable.liveBytes(table) + blockPool.liveBytes(pool);
}

/** Checks the invariants in O(shapes). */
export function verify(): void {
  leafTable.verify(table);
  blockPool.verify(pool);
  let found: u32 = 0;
  let blocks: u32 = 0;
  for (let id: u32 = 1; id < shapeTable.limit(); id += 1) {
    const template = shapeTable.template(id);
    if (template == 0 || tree.templateAt(template).plan == 0) continue;
    found += 1;
    assert(findPacked(template, addressOf(id), sizeOf(id)) == id); // 1, 2
    assert(hasBlock(id) == sizeOf(id) > INLINE_MAX); // 3
    if (hasBlock(id)) blocks += 1;
    const unpackedEnd = textBuffer.address() + <usize>writeConstants(id);
    assert(unpackedEnd <= textBuffer.limit()); // 4
  }
  assert(found == leafTable.count(table)); // 1
  assert(blocks == blockPool.blockCount(pool)); // 3
}

function findPacked(template: u32, address: usize, size: u32): u32 {
  const column = size <= INLINE_MAX ? inlined(address, size) : 0;
  leafTable.seek(table, hashOf(template, address, size));
  while (true) {
    const id = leafTable.next();
    if (id == leafTable.NONE) return NONE;
    if (shapeTable.template(id) != template) continue;
    if (column != 0) {
      if (shapeTable.constants(id) == column) return id;
    } else if (sizeOf(id) == size) {
      if (memory.compare(addressOf(id), address, size) == 0) return id;
    }
  }
}

/** What the column says of constants; takes a block for them if they need one. */
function columnFor(address: usize, size: u32): u64 {
  if (size <= INLINE_MAX) return inlined(address, size);
  const block = blockPool.allocate(pool, size);
  memory.copy(block, address, size);
  return ((<u64>block) << 32) | ((<u64>size) << 8) | (<u64>IN_BLOCK);
}

/** 0 only if there are no constants. */
function inlined(address: usize, size: u32): u64 {
  let column = <u64>size;
  for (let index: u32 = 0; index < size; index += 1) {
    const shift = <u64>((index + 1) << 3);
    column |= (<u64>load<u8>(address + <usize>index)) << shift;
  }
  return column;
}

function hasBlock(id: u32): bool {
  return (shapeTable.constants(id) & 0xff) == <u64>IN_BLOCK;
}

/** Where the packed constants of a shape lie: in its block, or in its column behind the size. */
function addressOf(id: u32): usize {
  const column = shapeTable.constants(id);
  return hasBlock(id) ? <usize>(column >> 32) : shapeTable.constantsAddress(id) + 1;
}

function sizeOf(id: u32): u32 {
  const column = shapeTable.constants(id);
  return hasBlock(id) ? (<u32>column) >> 8 : (<u32>column) & 0xff;
}

function hashOf(template: u32, address: usize, size: u32): u64 {
  return hash.hashBytes(address, size, HASH_SEED + ((<u64>template) << 32));
}

function hashOfShape(id: u32): u64 {
  return hashOf(shapeTable.template(id), addressOf(id), sizeOf(id));
}
