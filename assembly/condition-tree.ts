/**
 * The condition tree: which tables there are, by which columns the shapes of a table are found, and
 * in which forms their changes are written.
 *
 *     Relation ──┬── Path ────── (column, kind), (column, kind)         `tenant_id = ? AND id = ?`
 *                ├── Path ────── (no terms)                             every row
 *                ├── Projection  columns, replica mode: `projection.ts`
 *                └── Projection
 *                                     Template = one path + one projection; a shape = a template
 *                                                + constants, which the equality index knows
 *
 * A template whose WHERE is more than one AND of equalities has a plan in place of a path: its
 * shapes are found through the relation's accesses (`access.ts`, `plan.ts`).
 *
 * A *path* is what a row is probed with: one probe per path, however many shapes there are. A
 * *projection* is what a change is written as: one body per projection that has a match. Templates
 * with equal terms share a path, and those with equal columns and mode a projection, so both counts
 * are those of what is really different.
 *
 * Relations and templates are rows of pools, numbered from 1; paths and projections are blocks
 * whose size depends on their terms or columns. Nothing moves while it lives, so addresses are
 * kept.
 *
 * Invariants (`verify` checks them all):
 *
 *   1. relation.templateCount is the sum over its projections, and that over its paths and the
 *      templates with plans. So is, over paths and those templates, relation.shapeCount.
 *   2. A template has either a path or a plan.
 *   3. No two paths of a relation have equal terms; no two projections are alike.
 *   4. Every relation is found by its oid.
 *   5. Between two changes no projection has hits.
 *
 * Only the `add` functions allocate. They reserve what they need and change nothing if refused.
 */

import * as blockPool from "./block-pool";
import * as hash from "./hash";
import * as leafTable from "./leaf-table";
import { OWNER_CONDITION_TREE } from "./owners";
import * as pagePool from "./page-pool";
import * as projections from "./projection";
import { Projection } from "./projection";
import * as relationColumns from "./relation-columns";
import { RelationColumns } from "./relation-columns";
import * as rowPool from "./row-pool";

/** A table: a row of a pool, and a block for what depends on its columns. */
@unmanaged
export class Relation extends RelationColumns {
  id: u32;
  oid: u32;
  templateCount: u32;
  /** 0: its rows are passed over unread. */
  shapeCount: u32;
  firstPath: Path | null;
  firstProjection: Projection | null;
  /** The transaction in which it was last reported as unroutable. */
  reportedIn: u32;
  /** The change of a partition that was last routed here; see `stream.ts`. */
  routedIn: u32;
  /** The first `Access`, 0 for none. */
  firstAccess: usize;
  /** Templates that have a plan, and their shapes. */
  plannedTemplateCount: u32;
  plannedShapeCount: u32;
  /** See `tape.ts`. */
  isTaped: u32;
}

const RELATION_SIZE: u32 = 128;
if (offsetof<Relation>() > RELATION_SIZE) ERROR("a Relation must fit its row");

/** Followed by its terms, four bytes each: u16 column, u16 kind. */
@unmanaged
export class Path {
  relation: Relation;
  next: Path | null;
  /** Where its hashes start, so that equal values under different paths are unrelated. */
  seed: u64;
  templateCount: u32;
  shapeCount: u32;
  termCount: u32;
  /** Terms whose constants are bytes and therefore interned: all but integers. */
  byteTermCount: u32;
}

const PATH_SIZE: u32 = 32;
if (offsetof<Path>() != PATH_SIZE) ERROR("the terms must follow the Path");

@unmanaged
export class Template {
  /** Null if there is a plan. */
  path: Path | null;
  projection: Projection;
  shapeCount: u32;
  /** A `Plan`, 0 if there is a path. */
  plan: usize;
  /** Bits: 1 its shapes are views, 2 its WHERE has memberships in views. */
  flags: u32;
  /** Of views: the first `Access` that has them as values, 0 for none. */
  firstUser: usize;
}

const TEMPLATE_SIZE: u32 = 32;
if (offsetof<Template>() > TEMPLATE_SIZE) ERROR("a Template must fit its row");

/** 512 rows a page: 131,072 relations. */
const RELATION_PAGES: u32 = 256;
/** 2,048 rows a page: 4,194,304 templates. */
const TEMPLATE_PAGES: u32 = 2048;

const relations: usize = memory.data(32, 8);
const relationDirectory: usize = memory.data(1024, 8);
const templates: usize = memory.data(32, 8);
const templateDirectory: usize = memory.data(8192, 8);

if (rowPool.ROW_POOL_SIZE != 32) ERROR("a RowPool must fit its data");

let blocks: usize = 0;
/** oid -> relation id */
let byOid: usize = 0;
/** Of the next path. Paths come and go, their seeds do not come back. */
let pathSerial: u64 = 0;
/** Most rows come from the table that the row before came from. */
let lastRelation: Relation | null = null;

const TEMPLATE_HEAD_SIZE: usize = 12;

/** To be called once. */
export function create(): void {
  rowPool.create(relations, OWNER_CONDITION_TREE, RELATION_SIZE, relationDirectory, RELATION_PAGES);
  rowPool.create(templates, OWNER_CONDITION_TREE, TEMPLATE_SIZE, templateDirectory, TEMPLATE_PAGES);
  blocks = blockPool.create(OWNER_CONDITION_TREE, 8);
  byOid = leafTable.create(OWNER_CONDITION_TREE, hashOfRelation);
}

/** Number of relations and templates. */
export function count(): u32 {
  return rowPool.count(relations) + rowPool.count(templates);
}

export function liveBytes(): usize {
  const rows = rowPool.liveBytes(relations) + rowPool.liveBytes(templates);
  return rows + blockPool.liveBytes(blocks) + leafTable.liveBytes(byOid);
}

// --- Relations ---------------------------------------------------------------------------------

export function relationAt(id: u32): Relation {
  return changetype<Relation>(rowPool.addressOf(relations, id));
}

/** The relation with the next higher id, null if there is none. */
export function relationAfter(id: u32): Relation | null {
  for (let next = id + 1; next < rowPool.limit(relations); next += 1) {
    const relation = relationAt(next);
    if (relation.id == next) return relation; // A free row has the number of another, or 0.
  }
  return null;
}

/**
 * Returns the relation of an oid, null if it is not known. Reads one word for a run of one table.
 */
export function findRelation(oid: u32): Relation | null {
  const last = lastRelation;
  if (last && last.oid == oid) return last;
  leafTable.seek(byOid, hashOfOid(oid));
  while (true) {
    const id = leafTable.next();
    if (id == leafTable.NONE) return null;
    const relation = relationAt(id);
    if (relation.oid == oid) {
      lastRelation = relation;
      return relation;
    }
  }
}

/**
 * Adds the relation that is described in `size` bytes at `description`, see `descriptions.ts`.
 * Returns null, with nothing changed, if the budget forbids it.
 * REQUIRES: its oid is not known.
 */
export function addRelation(description: usize, size: u32): Relation | null {
  assert(findRelation(load<u32>(description)) == null);
  const blockSize = relationColumns.sizeOf(description, size);
  const pages =
    blockPool.pagesForBlock(blockSize) + rowPool.PAGES_PER_TAKE + leafTable.pagesForInsert(byOid);
  if (!rowPool.hasRoom(relations) || !pagePool.reserve(pages)) return null;

  const id = rowPool.take(relations);
  const relation = relationAt(id);
  relation.id = id;
  relation.oid = load<u32>(description);
  relation.block = blockPool.allocate(blocks, blockSize);
  relation.blockSize = blockSize;
  relationColumns.fill(relation, description, size);
  leafTable.insert(byOid, hashOfOid(relation.oid), id);
  return relation;
}

/**
 * Describes a relation anew, its layout that of the catalog. Columns keep their numbers, so terms
 * and projections stay as they are. False, with nothing changed, if the budget forbids it.
 * REQUIRES: the description is of the same oid.
 */
export function redescribeRelation(relation: Relation, description: usize, size: u32): bool {
  assert(load<u32>(description) == relation.oid);
  const blockSize = relationColumns.sizeOf(description, size);
  if (!pagePool.reserve(blockPool.pagesForBlock(blockSize))) return false;
  const block = blockPool.allocate(blocks, blockSize);
  blockPool.release(blocks, relation.block, relation.blockSize);
  relation.block = block;
  relation.blockSize = blockSize;
  relationColumns.fill(relation, description, size);
  return true;
}

/** False, with nothing changed, while it has templates. */
export function removeRelation(relation: Relation): bool {
  if (relation.templateCount != 0) return false;
  assert(relation.isTaped == 0);
  const wasThere = leafTable.remove(byOid, hashOfOid(relation.oid), relation.id);
  assert(wasThere);
  blockPool.release(blocks, relation.block, relation.blockSize);
  lastRelation = null;
  rowPool.give(relations, relation.id);
  return true;
}

// --- Templates ---------------------------------------------------------------------------------

export function templateAt(id: u32): Template {
  return changetype<Template>(rowPool.addressOf(templates, id));
}

/** The table of a template. */
export function relationOf(template: Template): Relation {
  return changetype<Relation>(changetype<usize>(template.projection.relation));
}

/**
 * Adds the template that is described at `description`, see `descriptions.ts`, with a path or, if
 * `plan` is not 0, with that. Returns its id, or 0, with nothing changed, if the budget forbids it.
 */
export function addTemplate(relation: Relation, description: usize, plan: usize): u32 {
  const mode = <u32>load<u16>(description);
  const termCount = <u32>load<u16>(description, 2);
  const columnCount = <u32>load<u16>(description, 4);
  const tagsSize = load<u32>(description, 8);
  const terms = description + TEMPLATE_HEAD_SIZE;
  const columns = terms + (termCount << 2);
  const pages =
    blockPool.pagesForBlock(sizeOfPath(termCount)) +
    blockPool.pagesForBlock(projections.sizeFor(columnCount, tagsSize)) +
    rowPool.PAGES_PER_TAKE;
  if (!rowPool.hasRoom(templates) || !pagePool.reserve(pages)) return 0;

  const id = rowPool.take(templates);
  const template = templateAt(id);
  template.flags = <u32>load<u16>(description, 6);
  if (plan == 0) {
    const path = findPath(relation, terms, termCount) || addPath(relation, terms, termCount);
    path.templateCount += 1;
    template.path = path;
  } else {
    template.plan = plan;
    relation.plannedTemplateCount += 1;
  }
  const found = projections.find(relation.firstProjection, mode, columns, columnCount, tagsSize);
  const projection = found || addProjection(relation, mode, columns, columnCount, tagsSize);
  projection.templateCount += 1;
  template.projection = projection;
  relation.templateCount += 1;
  return id;
}

/** False, with nothing changed, while it has shapes. */
export function removeTemplate(id: u32): bool {
  const template = templateAt(id);
  if (template.shapeCount != 0) return false;
  assert(template.firstUser == 0);
  const path = template.path;
  const projection = template.projection;
  const relation = relationOf(template);
  relation.templateCount -= 1;
  projection.templateCount -= 1;
  if (path) {
    path.templateCount -= 1;
    if (path.templateCount == 0) removePath(path);
  } else {
    relation.plannedTemplateCount -= 1;
  }
  if (projection.templateCount == 0) removeProjection(projection);
  rowPool.give(templates, id);
  return true;
}

/** Counts a shape in or out. */
export function countShape(id: u32, step: i32): void {
  const template = templateAt(id);
  const relation = relationOf(template);
  const path = template.path;
  template.shapeCount += step;
  relation.shapeCount += step;
  if (path) path.shapeCount += step;
  else relation.plannedShapeCount += step;
}

// --- Paths -------------------------------------------------------------------------------------

export function termColumn(path: Path, index: u32): u32 {
  return load<u16>(termsOf(path) + ((<usize>index) << 2));
}

export function termKind(path: Path, index: u32): u32 {
  return load<u16>(termsOf(path) + ((<usize>index) << 2), 2);
}

function findPath(relation: Relation, terms: usize, termCount: u32): Path | null {
  let path = relation.firstPath;
  while (path) {
    if (path.termCount == termCount && equal(termsOf(path), terms, termCount << 2)) return path;
    path = path.next;
  }
  return null;
}

function addPath(relation: Relation, terms: usize, termCount: u32): Path {
  const path = changetype<Path>(blockPool.allocate(blocks, sizeOfPath(termCount)));
  pathSerial += 1;
  path.relation = relation;
  path.next = relation.firstPath;
  path.seed = hash.hashWord(pathSerial, 0);
  path.templateCount = 0;
  path.shapeCount = 0;
  path.termCount = termCount;
  path.byteTermCount = 0;
  memory.copy(termsOf(path), terms, termCount << 2);
  for (let index: u32 = 0; index < termCount; index += 1) {
    assert(termColumn(path, index) < relation.columnCount);
    if (termKind(path, index) != KIND_INT) path.byteTermCount += 1;
  }
  relation.firstPath = path;
  return path;
}

/** `literal.INT`, which the description uses too. */
const KIND_INT: u32 = 1;

function removePath(path: Path): void {
  assert(path.shapeCount == 0);
  const relation = path.relation;
  if (relation.firstPath == path) {
    relation.firstPath = path.next;
  } else {
    let before = relation.firstPath as Path;
    while (before.next != path) before = before.next as Path;
    before.next = path.next;
  }
  blockPool.release(blocks, changetype<usize>(path), sizeOfPath(path.termCount));
}

function termsOf(path: Path): usize {
  return changetype<usize>(path) + <usize>PATH_SIZE;
}

function sizeOfPath(termCount: u32): u32 {
  return PATH_SIZE + (termCount << 2);
}

// --- Projections -------------------------------------------------------------------------------

function addProjection(
  relation: Relation,
  mode: u32,
  columns: usize,
  columnCount: u32,
  tagsSize: u32,
): Projection {
  const projection = projections.add(blocks, relation, mode, columns, columnCount, tagsSize);
  projection.next = relation.firstProjection;
  relation.firstProjection = projection;
  return projection;
}

function removeProjection(projection: Projection): void {
  const relation = changetype<Relation>(changetype<usize>(projection.relation));
  if (relation.firstProjection == projection) {
    relation.firstProjection = projection.next;
  } else {
    let before = relation.firstProjection as Projection;
    while (before.next != projection) before = before.next as Projection;
    before.next = projection.next;
  }
  projections.release(blocks, projection);
}

// --- Common ------------------------------------------------------------------------------------

function hashOfOid(oid: u32): u64 {
  return hash.hashWord(<u64>oid, 0);
}

function hashOfRelation(id: u32): u64 {
  return hashOfOid(relationAt(id).oid);
}

function equal(a: usize, b: usize, size: u32): bool {
  return memory.compare(a, b, <usize>size) == 0;
}

/** Checks every invariant in O(templates x paths). */
export function verify(): void {
  rowPool.verify(relations);
  rowPool.verify(templates);
  blockPool.verify(blocks);
  leafTable.verify(byOid);
  let found: u32 = 0;
  let next = relationAfter(0);
  while (next) {
    const relation = next as Relation;
    found += 1;
    assert(findRelation(relation.oid) == relation); // 4
    verifyPaths(relation);
    verifyProjections(relation);
    next = relationAfter(relation.id);
  }
  assert(found == rowPool.count(relations) && found == leafTable.count(byOid));
}

function verifyPaths(relation: Relation): void {
  let templateCount = relation.plannedTemplateCount;
  let shapeCount = relation.plannedShapeCount;
  let path = relation.firstPath;
  while (path) {
    templateCount += path.templateCount;
    shapeCount += path.shapeCount;
    assert(path.templateCount != 0);
    assert(findPath(relation, termsOf(path), path.termCount) == path); // 3
    path = path.next;
  }
  assert(templateCount == relation.templateCount && shapeCount == relation.shapeCount); // 1
}

function verifyProjections(relation: Relation): void {
  let templateCount: u32 = 0;
  let projection = relation.firstProjection;
  while (projection) {
    templateCount += projection.templateCount;
    projections.verify(relation.firstProjection, projection); // 3, 5
    projection = projection.next;
  }
  assert(templateCount == relation.templateCount); // 1
}
