/**
 * Projections: in which form changes of a table are written. Templates of equal columns, mode and
 * tags share one, so a change is written once for all their shapes.
 *
 *     ┌──────────────────────────────────────────┬────────────────┬─ ─ ─ ─ ─ ─ ─┐
 *     │ Projection: counts, mode, hits by group  │ columns, u16   │ tags        │
 *     └──────────────────────────────────────────┴────────────────┴─ ─ ─ ─ ─ ─ ─┘
 *
 *     mode     DEFAULT, FULL    JSON bodies, `body-encoder.ts`; columns ascend
 *              DELTA            what a view of a subquery gains and loses, `delta-writer.ts`;
 *                               columns as the subquery names them
 *     tags     of shapes with subqueries: how `tag-writer.ts` marks their rows
 *
 * Only `add` allocates. REQUIRES: its block's pages are reserved.
 */

import * as blockPool from "./block-pool";
import { RelationColumns } from "./relation-columns";

export const DEFAULT: u32 = 0;
export const FULL: u32 = 1;
export const DELTA: u32 = 2;

/** Texts are copied a vector at a time, and the last block of memory has nothing behind it. */
const OVERREAD: u32 = 16;

@unmanaged
export class Projection {
  relation: RelationColumns;
  next: Projection | null;
  templateCount: u32;
  columnCount: u32;
  mode: u32;
  /** Bytes of the description of tags, 0 for none. */
  tagsSize: u32;
  /** While a change is routed: the next projection that it touches. */
  nextTouched: Projection | null;
  isTouched: u32;
  /** Index + 1 of the first and the last hit, per group; see `router.ts`. */
  firstDelete: u32;
  lastDelete: u32;
  firstUpdate: u32;
  lastUpdate: u32;
  firstInsert: u32;
  lastInsert: u32;
  /** While a change is routed: the first `ActiveClass`, 0 for none. */
  firstClass: u32;
  reserved: u32;
}

const PROJECTION_SIZE: u32 = 64;
if (offsetof<Projection>() != PROJECTION_SIZE) ERROR("the columns must follow the Projection");

export function columnAt(projection: Projection, index: u32): u32 {
  return load<u16>(columnsOf(projection) + ((<usize>index) << 1));
}

/** Where the description of the tags is. REQUIRES: there is one. */
export function tagsOf(projection: Projection): usize {
  return columnsOf(projection) + ((<usize>projection.columnCount) << 1);
}

/** The one that is alike in the list that begins with `first`. `columns`: and tags behind them. */
export function find(
  first: Projection | null,
  mode: u32,
  columns: usize,
  columnCount: u32,
  tagsSize: u32,
): Projection | null {
  const size = <usize>((columnCount << 1) + tagsSize);
  let projection = first;
  while (projection) {
    const isAlike =
      projection.mode == mode &&
      projection.columnCount == columnCount &&
      projection.tagsSize == tagsSize;
    if (isAlike && memory.compare(columnsOf(projection), columns, size) == 0) return projection;
    projection = projection.next;
  }
  return null;
}

/** Makes one from a block of the pool. */
export function add(
  pool: usize,
  relation: RelationColumns,
  mode: u32,
  columns: usize,
  columnCount: u32,
  tagsSize: u32,
): Projection {
  const size = sizeFor(columnCount, tagsSize);
  const projection = changetype<Projection>(blockPool.allocate(pool, size));
  memory.fill(changetype<usize>(projection), 0, <usize>PROJECTION_SIZE);
  projection.relation = relation;
  projection.mode = mode;
  projection.columnCount = columnCount;
  projection.tagsSize = tagsSize;
  memory.copy(columnsOf(projection), columns, (columnCount << 1) + tagsSize);
  return projection;
}

export function release(pool: usize, projection: Projection): void {
  const size = sizeFor(projection.columnCount, projection.tagsSize);
  blockPool.release(pool, changetype<usize>(projection), size);
}

export function sizeFor(columnCount: u32, tagsSize: u32): u32 {
  return PROJECTION_SIZE + (columnCount << 1) + (tagsSize == 0 ? 0 : tagsSize + OVERREAD);
}

/** Whether it is the one that its list has of its kind, and holds nothing of a change. */
export function verify(first: Projection | null, projection: Projection): void {
  const columns = columnsOf(projection);
  const count = projection.columnCount;
  assert(find(first, projection.mode, columns, count, projection.tagsSize) == projection);
  assert(!projection.isTouched && projection.firstClass == 0);
  assert((projection.firstDelete | projection.firstUpdate | projection.firstInsert) == 0);
}

function columnsOf(projection: Projection): usize {
  return changetype<usize>(projection) + <usize>PROJECTION_SIZE;
}
