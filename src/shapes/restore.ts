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
import { nextTurn } from "../lib/next-turn.ts";
import { decodeConstants, encodeConstants } from "../model/constants-codec.ts";
import type { LogSlot, ShapeId, StorageKey } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ShapeTemplate } from "../model/shape-definition.ts";
import type { Router } from "../router/router.ts";
import type { ShapeStore } from "../storage/storage.ts";
import type { Moves } from "../subqueries/moves.ts";
import { entriesOf } from "../where/access-entries.ts";
import { parseTemplate } from "../where/template-text.ts";
import type { ChangeWriter } from "./change-writer.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { TemplateRegistry } from "./template-registry.ts";
import type { ViewKeeper } from "./view-keeper.ts";
import { UnplacedShapes } from "./unplaced-shapes.ts";

export interface RestoreOptions {
  readonly router: Router;
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly store: ShapeStore;
  readonly moves: Moves;
  readonly viewKeeper: ViewKeeper;
  readonly logger: Logger;
}

export interface RestoredShapes {
  readonly unplaced: UnplacedShapes;
  /** To be removed before anything is appended: see `removeUnusableShapes`. */
  readonly unusable: readonly StorageKey[];
}

/** Gives every stored shape an id and routes to it; those that find no room are unusable, too. */
export async function restoreShapes(options: RestoreOptions): Promise<RestoredShapes> {
  const { logger, moves, registry, router, store, templates, viewKeeper } = options;
  const { position } = store;
  const minutes = registry.minutes();
  const unplaced = new UnplacedShapes();
  const unusable = new UnusableTemplates();
  const dependents: [id: ShapeId, key: StorageKey, snapshotLsn: Lsn][] = [];

  await store.restore((key, hash, text, constants, snapshotLsn): LogSlot | undefined => {
    const acquired = unusable.try(key, text, () => {
      const template = templates.find(text)?.template ?? parseTemplate(text);
      const routed = routedConstants(template, constants, viewKeeper);
      return { template, routed, live: templates.acquire(template) };
    });
    if (acquired === undefined) return undefined;
    const { template, live, routed } = acquired;
    const isDependent = template.where?.subqueries !== undefined;
    const id = registry.add(key, hash, minutes);
    const entries = entriesOf(template.where, () => decodeConstants(routed));
    const isRoom = live !== undefined && id !== undefined;
    if (!isRoom || !router.addShape(id, live.id, routed, entries)) {
      if (id !== undefined) registry.retire(id);
      if (live !== undefined) templates.release(live);
      unusable.refuse(key, "they need more memory than LITZ_CORE_MEMORY_MAX allows");
      return undefined;
    }
    if (isDependent) dependents.push([id, key, snapshotLsn]);
    else if (snapshotLsn > position) unplaced.add(id, key, snapshotLsn);
    return registry.slotOf(id);
  });
  for (const [id, key, snapshotLsn] of dependents) {
    const behind = store.behind.get(key);
    const isUnplaced = snapshotLsn > (behind?.since ?? position);
    moves.beginRestored(id, isUnplaced ? store.snapshotBounds(key) : undefined, behind);
  }
  if (unusable.keys.length > 0) {
    const { reason, keys } = unusable;
    logger.warn({ shapes: keys.length, reason }, "stored shapes cannot be used and are removed");
  }
  return { unplaced, unusable: unusable.keys };
}

/** Stored constants as they are routed: see `ViewKeeper`. */
function routedConstants(
  template: ShapeTemplate,
  constants: Uint8Array,
  viewKeeper: ViewKeeper,
): Uint8Array {
  if (template.where?.subqueries === undefined) return constants;
  const definition = { template, constants: decodeConstants(constants) };
  return encodeConstants(viewKeeper.routed(definition, viewKeeper.restore(definition)));
}

/** Resolves when that is durable: another version must not find them, with a gap in their logs. */
export async function removeUnusableShapes(
  unusable: readonly StorageKey[],
  store: Pick<ShapeStore, "removeShape">,
): Promise<void> {
  const removals: Promise<void>[] = [];
  for (const key of unusable) {
    const removal = store.removeShape(key);
    removal.catch(() => undefined);
    removals.push(removal);
    if (removals.length % REMOVALS_PER_TURN === 0) await nextTurn();
    // Some 30 B of journal each.
    if (removals.length === REMOVALS_PER_SYNC) await Promise.all(removals.splice(0));
  }
  await Promise.all(removals);
}

const REMOVALS_PER_SYNC = 10_000;
/** 10 us each. */
const REMOVALS_PER_TURN = 500;

/**
 * Templates that this version cannot read or run, or that contradict those of the same table; and
 * shapes that find no room.
 */
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

  /** One shape, whose template may be used by others. */
  refuse(key: StorageKey, reason: string): void {
    this.keys.push(key);
    this.reason ??= reason;
  }
}

/**
 * Gates those of them whose snapshot lies beyond `confirmed`, up to which Postgres sends nothing
 * again, and forgets them all. Has to be done before the stream begins.
 */
export async function gateUnplacedShapes(
  unplaced: UnplacedShapes,
  confirmed: Lsn,
  { registry, store, writer }: { registry: ShapeRegistry; store: ShapeStore; writer: ChangeWriter },
): Promise<void> {
  for (const shapes of unplaced.takeBeyond(confirmed)) {
    for (const { id, key } of shapes) {
      if (registry.keyOf(id) !== key) continue;
      const bounds = store.snapshotBounds(key);
      assert(bounds !== undefined, "a restored shape has a complete snapshot");
      writer.gate(id);
      // Nothing is held yet that could have to become durable.
      void writer.place(id, bounds);
    }
    await nextTurn();
  }
}
