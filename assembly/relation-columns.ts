/**
 * The columns of a relation: where the wire puts them and how bodies spell them. One block:
 *
 *     ┌──────────────────┬──────────────────┬────────────┬────────┬─────────┬────────┬─ ─ ─
 *     │ Member per column│ position per col.│ key columns│ prefix │ headers │ "id":  │
 *     └──────────────────┴──────────────────┴────────────┴────────┴─────────┴────────┴─ ─ ─
 *       8 bytes each       u16 each           u16 each     texts, JSON already
 *
 * TypeScript describes all of it but the positions, see `descriptions.ts`. Positions are those of
 * the catalog until a layout says otherwise, because Postgres sends a relation's columns in its
 * own order and leaves some out.
 *
 * Allocates nothing: the condition tree owns the block.
 */

/** The part of a `Relation` that depends on its columns. */
@unmanaged
export class RelationColumns {
  columnCount: u32;
  keyCount: u32;
  /** How many columns a tuple must have at least to contain all of the layout. */
  widthMin: u32;
  /** A `Member` per column. */
  members: usize;
  /** Position in the tuple per column, u16, ABSENT_POSITION for none. */
  layout: usize;
  /** Columns of the key in key order, u16. */
  key: usize;
  /** `{"key":"\"schema\".\"name\"`: how every body begins. */
  prefix: usize;
  prefixSize: u32;
  /** `,"relation":["schema","name"],"txids":[` */
  headers: usize;
  headersSize: u32;
  block: usize;
  blockSize: u32;
}

/** A column as bodies name it. */
@unmanaged
export class Member {
  /** `"name":` */
  text: usize;
  textSize: u16;
  flags: u16;
}

const MEMBER_SIZE: usize = 8;
if (offsetof<Member>() != MEMBER_SIZE) ERROR("a Member must be MEMBER_SIZE bytes");

/** Member flags. */
export const FLAG_BOOL: u32 = 1;
export const FLAG_KEY: u32 = 2;

export const ABSENT_POSITION: u32 = 0xffff;

const HEAD_SIZE: usize = 16;

/** Texts are copied a vector at a time, and the last block of memory has nothing behind it. */
const OVERREAD: u32 = 16;

/** How big a block the description needs. */
export function sizeOf(description: usize, size: u32): u32 {
  const columnCount = <u32>load<u16>(description, 4);
  const keyCount = <u32>load<u16>(description, 6);
  const textSize = size - textsOffset(keyCount, columnCount);
  return columnCount * <u32>MEMBER_SIZE + ((columnCount + keyCount) << 1) + textSize + OVERREAD;
}

/** Fills the block from a description. REQUIRES: it has `sizeOf` the same. */
export function fill(relation: RelationColumns, description: usize, size: u32): void {
  const columnCount = <u32>load<u16>(description, 4);
  const keyCount = <u32>load<u16>(description, 6);
  const texts = textsOffset(keyCount, columnCount);
  relation.columnCount = columnCount;
  relation.keyCount = keyCount;
  relation.prefixSize = load<u32>(description, 8);
  relation.headersSize = load<u32>(description, 12);
  assert(texts + relation.prefixSize + relation.headersSize <= size);

  relation.members = relation.block;
  relation.layout = relation.members + <usize>columnCount * MEMBER_SIZE;
  relation.key = relation.layout + (columnCount << 1);
  relation.prefix = relation.key + (keyCount << 1);
  relation.headers = relation.prefix + <usize>relation.prefixSize;
  memory.copy(relation.key, description + HEAD_SIZE, keyCount << 1);
  memory.copy(relation.prefix, description + texts, size - texts);
  fillMembers(relation, description + HEAD_SIZE + (keyCount << 1));
}

/** Where the texts begin in a description. */
function textsOffset(keyCount: u32, columnCount: u32): u32 {
  return <u32>HEAD_SIZE + (keyCount << 1) + (columnCount << 2);
}

function fillMembers(relation: RelationColumns, entries: usize): void {
  let text = relation.headers + <usize>relation.headersSize;
  for (let column: u32 = 0; column < relation.columnCount; column += 1) {
    const entry = entries + ((<usize>column) << 2);
    const member = memberAt(relation, column);
    member.text = text;
    member.flags = load<u16>(entry);
    member.textSize = load<u16>(entry, 2);
    text += <usize>member.textSize;
    store<u16>(relation.layout + ((<usize>column) << 1), <u16>column);
  }
  relation.widthMin = relation.columnCount;
}

/** Takes over `count` positions at `positions`; columns beyond are absent. */
export function setLayout(relation: RelationColumns, positions: usize, count: u32): void {
  let width: u32 = 0;
  for (let column: u32 = 0; column < relation.columnCount; column += 1) {
    const position =
      column < count ? <u32>load<u16>(positions + ((<usize>column) << 1)) : ABSENT_POSITION;
    store<u16>(relation.layout + ((<usize>column) << 1), <u16>position);
    if (position != ABSENT_POSITION) width = max(width, position + 1);
  }
  relation.widthMin = width;
}

export function memberAt(relation: RelationColumns, column: u32): Member {
  return changetype<Member>(relation.members + <usize>column * MEMBER_SIZE);
}

export function positionOf(relation: RelationColumns, column: u32): u32 {
  return load<u16>(relation.layout + ((<usize>column) << 1));
}
