/**
 * Brings back the shapes of an earlier process: new ids, the handles of old (law 8 begins anew).
 * No snapshot is taken again and no object per shape is kept.
 *
 * Transactions that a shape's snapshot already shows may be sent once more, when they were never
 * confirmed to Postgres. So shapes whose snapshot lies beyond where the stream will begin are gated
 * again, with the bounds that were stored. They are few: those made in the last seconds.
 *
 * Shapes that another version defined in a way that this one does not read are removed: their
 * clients fetch again, which beats a server that does not start.
 */

import { assert } from "../lib/assert.ts";
import { LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import type { LogSlot, ShapeId, StorageKey } from "../model/ids.ts";
import { LSN_ZERO, type Lsn } from "../model/lsn.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore } from "../storage/storage.ts";
import { entriesOf } from "../where/access-entries.ts";
import { parseTemplate } from "../where/template-text.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { TemplateRegistry } from "./template-registry.ts";

export interface RestoreOptions {
  readonly router: Router;
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
  readonly logger: Logger;
}

/** Shapes whose snapshot may show transactions that are yet to come, until that is decided. */
export interface UnplacedShapes {
  readonly ids: readonly ShapeId[];
  readonly keys: readonly StorageKey[];
  readonly lsns: readonly Lsn[];
}

export interface RestoredShapes {
  readonly unplaced: UnplacedShapes;
  /** To be removed before anything is appended: see `removeUnusableShapes`. */
  readonly unusable: readonly StorageKey[];
}

/** @throws {LitzError} CORE_MEMORY_EXHAUSTED when the shapes do not fit in the core's budget. */
export async function restoreShapes(options: RestoreOptions): Promise<RestoredShapes> {
  const { logger, registry, router, store, templates } = options;
  const { position } = store;
  const ids: ShapeId[] = [];
  const keys: StorageKey[] = [];
  const lsns: Lsn[] = [];
  const unusable = new UnusableTemplates();

  await store.restore((key, hash, text, constants, snapshotLsn): LogSlot | undefined => {
    const acquired = unusable.try(key, text, () => {
      const template = templates.find(text)?.template ?? parseTemplate(text);
      return { template, live: templates.acquire(template) };
    });
    if (acquired === undefined) return undefined;
    const { template, live } = acquired;
    const id = registry.add(key, hash);
    const entries = entriesOf(template.where, () => decodeConstants(constants));
    const isRoom = live !== undefined && id !== undefined;
    if (!isRoom || !router.addShape(id, live.id, constants, entries)) {
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
  if (unusable.keys.length > 0) {
    const { reason, keys } = unusable;
    logger.warn({ shapes: keys.length, reason }, "stored shapes cannot be used and are removed");
  }
  return { unplaced: { ids, keys, lsns }, unusable: unusable.keys };
}

/** Resolves when that is durable: another version must not find them, with a gap in their logs. */
export async function removeUnusableShapes(
  unusable: readonly StorageKey[],
  store: Pick<ShapeStore, "removeShape">,
): Promise<void> {
  for (let first = 0; first < unusable.length; first += REMOVALS_PER_SYNC) {
    const keys = unusable.slice(first, first + REMOVALS_PER_SYNC);
    await Promise.all(keys.map((key) => store.removeShape(key)));
  }
}

/** Some 30 B of journal each. */
const REMOVALS_PER_SYNC = 10_000;

/** Templates that this version cannot read or run, or that contradict those of the same table. */
class UnusableTemplates {
  readonly #texts = new Set<string>();
  /** Of the shapes of these templates. */
  readonly keys: StorageKey[] = [];
  /** What is wrong with the first. */
  reason: string | undefined;

  try<Result>(key: StorageKey, text: string, use: () => Result): Result | undefined {
    if (!this.#texts.has(text)) {
      try {
        return use();
      } catch (error) {
        if (!(error instanceof LitzError)) throw error;
        this.#texts.add(text);
        this.reason ??= error.message;
      }
    }
    this.keys.push(key);
    return undefined;
  }
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
