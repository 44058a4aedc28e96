// Checked by `tsc`, never run. Every @ts-expect-error line must be an error, or the check fails.

import {
  parseShapeHandle,
  type LogSlot,
  type RelationId,
  type Seq,
  type ShapeHandle,
  type ShapeId,
  type StorageKey,
  type TemplateId,
  type WaiterId,
} from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";

declare const id: ShapeId;
declare const handle: ShapeHandle;
declare const key: StorageKey;
declare const slot: LogSlot;
declare const seq: Seq;
declare const lsn: Lsn;
declare function route(id: ShapeId): void;
declare function open(handle: ShapeHandle): void;
declare function read(key: StorageKey, slot: LogSlot): void;
declare function acknowledge(lsn: Lsn): void;

route(id);
open(handle);
read(key, slot);
acknowledge(lsn);

// @ts-expect-error A handle is not an id.
route(handle);
// @ts-expect-error An id is not a handle.
open(id);
// @ts-expect-error A plain number is not an id: it must come from the registry or a door.
route(1);
// @ts-expect-error A plain text is not a handle: it must have been read as one.
open("1-1750000000000000");
// @ts-expect-error Reading a text as a handle may fail.
open(parseShapeHandle("1-1750000000000000"));
// @ts-expect-error Ids of different things do not mix.
route(0 as TemplateId);
// @ts-expect-error Not even where both are small integers of the core.
route(0 as RelationId | WaiterId);
// @ts-expect-error An id does not print itself as a handle.
open(`${id}`);
// @ts-expect-error What stands on disk is not what indexes memory.
read(slot, key);
// @ts-expect-error Storage knows a shape's place by a name of its own.
read(key, id);
// @ts-expect-error A position in the journal is not one in the WAL.
acknowledge(seq);
// @ts-expect-error An LSN exceeds 2^53: a number cannot stand for it.
acknowledge(1);

// What is branded is still what it is made of: arithmetic, comparison and printing need no cast.
export const uses: readonly [number, boolean, string] = [id + 1, lsn > 0n, handle];
