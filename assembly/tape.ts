/**
 * The tape: changes of tables whose shapes are in the middle of a move are handed to TypeScript as
 * they come, to be replayed (`replay.ts`) when it is known what the shapes saw of them.
 *
 *     change of a table ──┬──> is it taped?                ──> tapeChange(relation, ...)
 *                         └──> is one that it is part of?  ──> tapeChange(relation, ...)
 *
 * Nothing here allocates, but TypeScript does.
 */

import * as tree from "./condition-tree";
import { Relation } from "./condition-tree";
import * as partitionMap from "./partition-map";

/**
 * TypeScript's part, `src/router/router.ts`: a change of a taped relation, which is a whole message
 * of `size` bytes, at a place in the transaction at hand.
 */
declare function tapeChange(relation: u32, op: u32, address: usize, size: u32): void;

let tapedCount: u32 = 0;

export function setTaped(relation: Relation, isTaped: bool): void {
  if (relation.isTaped == <u32>isTaped) return;
  relation.isTaped = <u32>isTaped;
  tapedCount += isTaped ? 1 : -1;
}

/** Whether any table is taped. */
export function isRunning(): bool {
  return tapedCount != 0;
}

/** Hands over a change of the table `oid`, if it is taped. */
export function write(oid: u32, op: u32, start: usize, end: usize): void {
  const size = <u32>(end - start);
  const relation = tree.findRelation(oid);
  if (relation && relation.isTaped != 0) tapeChange(relation.id, op, start, size);
  let link = partitionMap.linksOf(oid);
  while (link) {
    const root = tree.relationAt(link.relation);
    if (root.isTaped != 0 && root != relation) tapeChange(root.id, op, start, size);
    link = link.next;
  }
}
