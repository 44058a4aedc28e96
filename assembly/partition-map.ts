/**
 * The partition map: whose partitions a table is.
 *
 * Postgres sends the changes of a partitioned table under the names of its partitions (protocol
 * 7.11), whose columns may lie in another order than the root's. So a partition has a *link* to
 * every relation that it is a part of, with the place of each of that relation's columns in the
 * partition's tuples:
 *
 *     oid ──> Partition ──> Link ──────────────> Link              one per ancestor
 *                           relation, width      relation, width
 *                           │u16│u16│u16│        │u16│u16│         position per column
 *
 * A change of the partition is routed once for its own shapes and once along each link, with the
 * relation's layout replaced by the link's (`useLayout`).
 *
 * Invariants (`verify` checks them all):
 *
 *   1. Every partition is found by its oid and has a link.
 *   2. No two links of a partition lead to the same relation.
 *
 * Only `link` allocates. It reserves what it needs and changes nothing if refused.
 */

import * as blockPool from "./block-pool";
import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_PARTITION_MAP } from "./owners";
import * as pagePool from "./page-pool";
import { ABSENT_POSITION, RelationColumns } from "./relation-columns";
import * as rowPool from "./row-pool";

/** Followed by its positions, u16 each. */
@unmanaged
export class Link {
  next: Link | null;
  /** Id of the relation that the table is a part of. */
  relation: u32;
  /** How many columns a tuple must have at least to contain all of the layout. */
  widthMin: u32;
  columnCount: u32;
}

const LINK_SIZE: u32 = 16;
if (offsetof<Link>() != LINK_SIZE) ERROR("the positions must follow the Link");

@unmanaged
class Partition {
  id: u32;
  oid: u32;
  firstLink: Link | null;
  reserved: u32;
}

const PARTITION_SIZE: u32 = 16;
if (offsetof<Partition>() != PARTITION_SIZE) ERROR("a Partition must fit its row");

/** 4,096 rows a page: 131,072 partitions. */
const PARTITION_PAGES: u32 = 32;

const partitions: usize = memory.data(32, 8);
const directory: usize = memory.data(128, 8);

if (rowPool.ROW_POOL_SIZE != 32) ERROR("a RowPool must fit its data");

let blocks: usize = 0;
/** oid -> partition id */
let byOid: usize = 0;
/** Most rows come from the partition that the row before came from. */
let lastOid: u32 = 0;
let lastLink: Link | null = null;

/** To be called once. REQUIRES: a page is reserved. */
export function create(): void {
  rowPool.create(partitions, OWNER_PARTITION_MAP, PARTITION_SIZE, directory, PARTITION_PAGES);
  blocks = blockPool.create(OWNER_PARTITION_MAP, 8);
  byOid = leafTable.create(OWNER_PARTITION_MAP, hashOfPartition);
}

/** Number of partitions. */
export function count(): u32 {
  return rowPool.count(partitions);
}

export function liveBytes(): usize {
  return rowPool.liveBytes(partitions) + blockPool.liveBytes(blocks) + leafTable.liveBytes(byOid);
}

/** The first link of a table, null if it is no partition of anything that has shapes. */
export function linksOf(oid: u32): Link | null {
  if (rowPool.count(partitions) == 0) return null;
  if (oid == lastOid) return lastLink;
  const partition = find(oid);
  lastOid = oid;
  lastLink = partition ? partition.firstLink : null;
  return lastLink;
}

/**
 * Makes the relation have the layout of the link until `restoreLayout`. False: it was described
 * anew since, and the link is not of its columns.
 */
export function useLayout(link: Link, relation: RelationColumns): bool {
  if (link.columnCount != relation.columnCount) return false;
  ownLayout = relation.layout;
  ownWidth = relation.widthMin;
  relation.layout = positionsOf(link);
  relation.widthMin = link.widthMin;
  return true;
}

let ownLayout: usize = 0;
let ownWidth: u32 = 0;

export function restoreLayout(relation: RelationColumns): void {
  relation.layout = ownLayout;
  relation.widthMin = ownWidth;
}

/**
 * Makes the table a partition of the relation, its tuples laid out as the `columnCount` positions
 * say. A link that is there already is replaced. False, with nothing changed, if the budget forbids
 * it.
 */
export function link(oid: u32, relation: u32, positions: usize, columnCount: u32): bool {
  const size = sizeOfLink(columnCount);
  const pages =
    blockPool.pagesForBlock(size) + rowPool.PAGES_PER_TAKE + leafTable.pagesForInsert(byOid);
  if (!rowPool.hasRoom(partitions) || !pagePool.reserve(pages)) return false;
  unlink(oid, relation);
  const partition = find(oid) || add(oid);
  const made = changetype<Link>(blockPool.allocate(blocks, size));
  made.relation = relation;
  made.columnCount = columnCount;
  made.widthMin = 0;
  for (let column: u32 = 0; column < columnCount; column += 1) {
    const position = <u32>load<u16>(positions + ((<usize>column) << 1));
    store<u16>(positionsOf(made) + ((<usize>column) << 1), <u16>position);
    if (position != ABSENT_POSITION) made.widthMin = max(made.widthMin, position + 1);
  }
  made.next = partition.firstLink;
  partition.firstLink = made;
  lastOid = 0;
  return true;
}

/** The table is no partition of the relation any more, if it was. */
export function unlink(oid: u32, relation: u32): void {
  const partition = find(oid);
  if (!partition) return;
  let before: Link | null = null;
  let link = partition.firstLink;
  while (link && link.relation != relation) {
    before = link;
    link = link.next;
  }
  if (!link) return;
  if (before) before.next = link.next;
  else partition.firstLink = link.next;
  blockPool.release(blocks, changetype<usize>(link), sizeOfLink(link.columnCount));
  lastOid = 0;
  if (partition.firstLink) return;
  const wasThere = leafTable.remove(byOid, hashOfOid(oid), partition.id);
  assert(wasThere);
  rowPool.give(partitions, partition.id);
}

function add(oid: u32): Partition {
  const id = rowPool.take(partitions);
  const partition = partitionAt(id);
  partition.oid = oid;
  partition.id = id;
  leafTable.insert(byOid, hashOfOid(oid), id);
  return partition;
}

function find(oid: u32): Partition | null {
  leafTable.seek(byOid, hashOfOid(oid));
  while (true) {
    const id = leafTable.next();
    if (id == leafTable.NONE) return null;
    const partition = partitionAt(id);
    if (partition.oid == oid) return partition;
  }
}

function partitionAt(id: u32): Partition {
  return changetype<Partition>(rowPool.addressOf(partitions, id));
}

function positionsOf(link: Link): usize {
  return changetype<usize>(link) + <usize>LINK_SIZE;
}

function sizeOfLink(columnCount: u32): u32 {
  return LINK_SIZE + (columnCount << 1);
}

function hashOfOid(oid: u32): u64 {
  return hash.hashWord(<u64>oid, 0);
}

function hashOfPartition(id: u32): u64 {
  return hashOfOid(partitionAt(id).oid);
}

/** Checks every invariant in O(links squared per partition). */
export function verify(): void {
  rowPool.verify(partitions);
  blockPool.verify(blocks);
  leafTable.verify(byOid);
  let found: u32 = 0;
  for (let id: u32 = 1; id < rowPool.limit(partitions); id += 1) {
    const partition = partitionAt(id);
    if (partition.id != id) continue; // A free row.
    found += 1;
    assert(find(partition.oid) == partition && partition.firstLink != null); // 1
    let link = partition.firstLink;
    while (link) {
      let other = link.next;
      while (other) {
        assert(other.relation != link.relation); // 2
        other = other.next;
      }
      link = link.next;
    }
  }
  assert(found == rowPool.count(partitions) && found == leafTable.count(byOid));
}
