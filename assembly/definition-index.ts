/**
 * The definition index finds a shape by its template and constants, where these are no key of the
 * equality index, and keeps the constants.
 *
 *     hash(template, constants) ──> leaf table ──> shape id ──> constants column ──> block
 *
 *     constants column    ┌────────────────┬───────────┐
 *                         │ address u32    │ size u32  │      0 for none
 *                         └────────────────┴───────────┘
 *
 * A block is the bytes of `src/model/constants-codec.ts`. A shape takes 6.4 bytes and its block;
 * the bytes of constants that shapes have in common are not shared, since most have a value of
 * their own and a shared one costs eight bytes more.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. The table has one entry for each shape of a template with a plan, and no other.
 *   2. No two of them have the same template and constants.
 *
 * Only `add` allocates, and reserves what it needs.
 */

import * as blockPool from "./block-pool";
import * as tree from "./condition-tree";
import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_DEFINITION_INDEX } from "./owners";
import * as pagePool from "./page-pool";
import * as shapeTable from "./shape-table";

/** No shape. */
export const NONE: u32 = 0;

/** Keeps these hashes apart from those of other tables. */
const HASH_SEED: u64 = 0x646566; // "def"

let table: usize = 0;
let pool: usize = 0;

/** To be called once. REQUIRES: `pagePool.reserve(1)`. */
export function create(): void {
  assert(table == 0);
  table = leafTable.create(OWNER_DEFINITION_INDEX, hashOfShape);
  pool = blockPool.create(OWNER_DEFINITION_INDEX, 8);
}

/** The shape of this template and constants, NONE if there is none. */
export function find(template: u32, address: usize, size: u32): u32 {
  leafTable.seek(table, hashOf(template, address, size));
  while (true) {
    const id = leafTable.next();
    if (id == leafTable.NONE) return NONE;
    if (shapeTable.template(id) != template || sizeOf(id) != size) continue;
    if (memory.compare(addressOf(id), address, size) == 0) return id;
  }
}

/**
 * Files a shape, and sets its template and constants. False, with nothing changed, if the budget
 * forbids it. REQUIRES: invariant 2 will hold.
 */
export function add(id: u32, template: u32, address: usize, size: u32): bool {
  assert(find(template, address, size) == NONE); // 2
  const pages = leafTable.pagesForInsert(table) + blockPool.pagesForBlock(size);
  if (!pagePool.reserve(pages)) return false;
  let block: usize = 0;
  if (size != 0) {
    block = blockPool.allocate(pool, size);
    memory.copy(block, address, size);
  }
  leafTable.insert(table, hashOf(template, address, size), id);
  shapeTable.setTemplate(id, template);
  shapeTable.setConstants(id, ((<u64>block) << 32) | (<u64>size));
  return true;
}

/** Forgets a shape, its template and its constants. REQUIRES: it is there. */
export function remove(id: u32): void {
  const wasThere = leafTable.remove(table, hashOfShape(id), id);
  assert(wasThere);
  if (sizeOf(id) != 0) blockPool.release(pool, addressOf(id), sizeOf(id));
  shapeTable.setConstants(id, 0);
  shapeTable.setTemplate(id, 0);
}

/** Where the constants of a shape lie. REQUIRES: it is there. */
export function addressOf(id: u32): usize {
  return <usize>(shapeTable.constants(id) >> 32);
}

export function sizeOf(id: u32): u32 {
  return <u32>shapeTable.constants(id);
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
  for (let id: u32 = 1; id < shapeTable.limit(); id += 1) {
    const template = shapeTable.template(id);
    if (template == 0 || tree.templateAt(template).plan == 0) continue;
    found += 1;
    assert(find(template, addressOf(id), sizeOf(id)) == id); // 1, 2
  }
  assert(found == leafTable.count(table)); // 1
}

function hashOf(template: u32, address: usize, size: u32): u64 {
  return hash.hashBytes(address, size, HASH_SEED + ((<u64>template) << 32));
}

function hashOfShape(id: u32): u64 {
  return hashOf(shapeTable.template(id), addressOf(id), sizeOf(id));
}
