/**
 * Brings back the shapes of an earlier process: new ids, the handles of old (law 8 begins anew).
 * No snapshot is taken again and no object per shape is kept.
 *
 * Transactions that a shape's snapshot already shows may be sent once more, when they were never
 * confirmed to Postgres. So shapes whose snapshot lies beyond where the stream will begin are gated
 * again, with the bounds that were stored. They are few: those made in the last seconds.
 */

import { assert } from "../lib/assert.ts";
import { LitzError } from "../lib/errors.ts";
import type { LogSlot, ShapeId, StorageKey } from "../model/ids.ts";
import { LSN_ZERO, type Lsn } from "../model/lsn.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore } from "../storage/storage.ts";
import { parseTemplate } from "../where/template-text.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { TemplateRegistry } from "./template-registry.ts";

export interface RestoreOptions {
  readonly router: Router;
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
}

/** Shapes whose snapshot may show transactions that are yet to come, until that is decided. */
export interface UnplacedShapes {
  readonly ids: readonly ShapeId[];
  readonly keys: readonly StorageKey[];
  readonly lsns: readonly Lsn[];
}

/** @throws {LitzError} CORE_MEMORY_EXHAUSTED when the shapes do not fit in the core's budget. */
export async function restoreShapes(options: RestoreOptions): Promise<UnplacedShapes> {
  const { registry, router, store, templates } = options;
  const { position } = store;
  const ids: ShapeId[] = [];
  const keys: StorageKey[] = [];
  const lsns: Lsn[] = [];

  await store.restore((key, hash, text, constants, snapshotLsn): LogSlot => {
    const template = templates.find(text)?.template ?? parseTemplate(text);
    const live = templates.acquire(template);
    const id = registry.add(key, hash);
    if (live === undefined || id === undefined || !router.addShape(id, live.id, constants)) {
      throw new LitzError(
        "the stored shapes need more memory than the core may have; raise LITZ_CORE_MEMORY_MAX",
        { code: "CORE_MEMORY_EXHAUSTED" },
      );
    }
    if (snapshotLsn > position) {
      ids.push(id);
      keys.push(key);
      lsns.push(snapshotLsn);
    }
    return registry.slotOf(id);
  });
  return { ids, keys, lsns };
}

/**
 * Gates those of them whose snapshot lies beyond `confirmed`, up to which Postgres sends nothing
 * again. To be called before the stream begins.
 */
export function gateUnplacedShapes(
  unplaced: UnplacedShapes,
  confirmed: Lsn,
  { registry, store, writer }: { registry: ShapeRegistry; store: ShapeStore; writer: ChangeWriter },
): void {
  unplaced.ids.forEach((id, index) => {
    const key = unplaced.keys[index]!;
    if ((unplaced.lsns[index] ?? LSN_ZERO) <= confirmed || registry.keyOf(id) !== key) return;
    const bounds = store.snapshotBounds(key);
    assert(bounds !== undefined, "a restored shape has a complete snapshot");
    writer.gate(id);
    // Nothing is held yet that could have to become durable.
    void writer.place(id, bounds);
  });
}
