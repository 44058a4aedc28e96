/**
 * The views that shapes with subqueries stand on: found by what they select, made when the first
 * shape wants them, gone with the last one.
 *
 *     mint, route, gate ─> query: how many rows give each value ─> place ─> fill ─> ready
 *
 * A view is a shape: of a template, with constants, with an id. But nobody reads it, so it has
 * neither handle nor log, and nothing of it is on disk: whatever it holds Postgres knows better.
 *
 * Whoever is about to make a shape holds a *lease* on its views, for until the shape is routed to
 * nothing shows that they are used. A view goes nevertheless if its table was emptied or changed;
 * then its id stays out of use for as long as there is a lease, so that none means another view.
 */

import { LitzError, shuttingDown } from "../lib/errors.ts";
import { nextTurn } from "../lib/next-turn.ts";
import { encodeConstants } from "../model/constants-codec.ts";
import type { ShapeId } from "../model/ids.ts";
import {
  routedConstants,
  type Constants,
  type Dependency,
  type ShapeDefinition,
} from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { VALUES_WITHOUT_ROOM, type ViewSeed } from "../model/view-seed.ts";
import type { Router } from "../router/router.ts";
import { viewIdsAmong } from "../router/view-ids.ts";
import type { Views } from "../router/views.ts";
import type { Moves } from "../subqueries/moves.ts";
import type { SeededView } from "../subqueries/restoration.ts";
import type { Mark } from "../subqueries/tape.ts";
import { errorOf } from "../subqueries/view-failures.ts";
import { entriesOf } from "../where/access-entries.ts";
import type { BoundaryQueue } from "./boundary-queue.ts";
import { outOfMemory, SnapshotTooEarly } from "./creation-errors.ts";
import type { ShapeRegistry } from "./registry.ts";
import type { LiveTemplate, TemplateRegistry } from "./template-registry.ts";

/** Counts the rows that give each value of subqueries; `postgres/view-query.ts`. */
export interface ViewSource {
  /**
   * @param definitions of one template.
   * @returns for each of them its values, and the number of rows that give them.
   */
  read(
    definitions: readonly ShapeDefinition[],
    signal: AbortSignal,
  ): Promise<{
    readonly bounds: SnapshotBounds;
    readonly seeds: readonly ViewSeed[];
  }>;
}

export interface ViewKeeperOptions {
  readonly router: Router;
  readonly views: Views;
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly moves: Moves;
  readonly boundaries: BoundaryQueue;
  readonly source: ViewSource;
  /** Of the core. */
  readonly memoryBytesMax: number;
  /** Removes the shapes that use a view, and so the view. */
  readonly endUsersOf: (view: ShapeId) => void;
}

/** Views that do not go for being unused until it is given back. */
export interface ViewLease {
  /**
   * The views, by dependency.
   *
   * @throws {LitzError} VIEW_REMOVED, when one of them is gone.
   */
  views(): readonly ShapeId[];
  release(): void;
}

/** Attempts at a view whose snapshot has no clear place, and the pause before the second. */
const ATTEMPTS_MAX = 8;
const RETRY_DELAY_MS = 5;
/**
 * Of the core's memory: room is made for values that take no more of it before they are in there,
 * where they take up to twice as much. Larger ones have to find it, or all shapes might go for one.
 */
const SEED_SHARE_MAX = 1 / 4;
/** Views of a template that one query seeds after a restart. */
const VIEWS_PER_QUERY = 500;
/** Values that are put into the core in one turn: some 4 ms. */
const FILLED_PER_TURN = 5_000;
/** Postings that are swept in one turn of the event loop: about a millisecond. */
const SWEPT_PER_TURN = 50_000;

export class ViewKeeper {
  readonly #options: ViewKeeperOptions;
  readonly #leases = new Map<ShapeId, number>();
  /** Views of stored shapes that are yet to be seeded. */
  readonly #restored = new Map<ShapeId, ShapeDefinition>();
  /** Views that are not ready, by id. */
  readonly #seeding = new Map<ShapeId, Promise<void>>();
  /** Removed, and not swept yet. */
  #retiring: ShapeId[] = [];
  #isSweeping = false;
  readonly #stop = new AbortController();

  constructor(options: ViewKeeperOptions) {
    this.#options = options;
  }

  /** The views of a definition, be they ready or not. Undefined: one of them there is not. */
  find({ template, constants }: ShapeDefinition): readonly ShapeId[] | undefined {
    const views: ShapeId[] = [];
    for (const dependency of template.where?.subqueries?.dependencies ?? []) {
      const view = this.viewOf(dependency, constants);
      if (view === undefined) return undefined;
      views.push(view);
    }
    return views;
  }

  /** The view of one of a definition's subqueries. Undefined: there is none. */
  viewOf(dependency: Dependency, constants: Constants): ShapeId | undefined {
    return this.#find(innerDefinition(dependency, constants));
  }

  /** Whether a view has its values yet. */
  isReady(view: ShapeId): boolean {
    return !this.#seeding.has(view) && !this.#restored.has(view);
  }

  /** The constants that a shape of this definition is routed with. */
  routed(definition: ShapeDefinition, views: readonly ShapeId[]): Constants {
    const { where } = definition.template;
    if (where?.subqueries === undefined) return definition.constants;
    return routedConstants(where, definition.constants, views.map(String));
  }

  /** What was stored of a shape that is routed to. REQUIRES: its views are there. */
  stored(template: LiveTemplate, routed: Constants): Constants {
    const views = viewIdsOf(template, routed);
    if (views.length === 0) return routed;
    const own = routed.length - views.length;
    const inner = views.flatMap((view) => {
      const { router, templates } = this.#options;
      return this.stored(templates.get(router.templateOf(view)), router.constantsOf(view));
    });
    return [...routed.slice(0, own), ...inner];
  }

  /**
   * Makes sure that the views of a definition are there and ready, theirs first.
   *
   * @throws {LitzError} when one cannot be made now.
   */
  async acquire(definition: ShapeDefinition): Promise<ViewLease> {
    const views: ShapeId[] = [];
    const lease = {
      views: () => {
        if (!views.every((view) => this.#options.router.isRouted(view))) throw gone(definition);
        return views;
      },
      release: () => this.#release(views),
    };
    try {
      for (const dependency of definition.template.where?.subqueries?.dependencies ?? []) {
        views.push(
          await this.#acquire(innerDefinition(dependency, definition.constants), dependency),
        );
      }
      return lease;
    } catch (error) {
      lease.release();
      throw error;
    }
  }

  /**
   * The views of a stored shape, made if there are none, to be seeded by `seedRestored`. To be
   * called before the stream is followed.
   *
   * @throws {LitzError} CORE_MEMORY_EXHAUSTED.
   */
  restore({ template, constants }: ShapeDefinition): readonly ShapeId[] {
    return (template.where?.subqueries?.dependencies ?? []).map((dependency) => {
      const definition = innerDefinition(dependency, constants);
      const inner = this.restore(definition);
      const found = this.#find(definition);
      if (found !== undefined) return found;
      const view = this.#add(definition, dependency.kinds, inner);
      this.#options.moves.beginRestored(view);
      this.#restored.set(view, definition);
      return view;
    });
  }

  /** Reads what restored views have. Resolves when the shapes that use them can catch up. */
  async seedRestored(): Promise<void> {
    const { moves, router, templates } = this.#options;
    const seeds = new Map<ShapeId, SeededView>();
    let missing: readonly ShapeId[] = [...this.#restored.keys()];
    for (let attempt = 0; missing.length > 0; attempt++) {
      if (attempt > 0) await pause(RETRY_DELAY_MS * 2 ** Math.min(attempt, 8));
      const wanted = missing.filter((view) => router.isRouted(view));
      for (const [id, views] of grouped(wanted, (view) => router.templateOf(view))) {
        const template = templates.get(id);
        for (let first = 0; first < views.length; first += VIEWS_PER_QUERY) {
          const some = views.slice(first, first + VIEWS_PER_QUERY);
          const read = this.#readSeeds(template, some);
          for (const one of await read.catch((error: unknown) => this.#giveUp(some, error))) {
            seeds.set(one.view, one);
          }
        }
      }
      missing = await moves.restore([...seeds.values()]);
    }
    const views = [...this.#restored.keys()];
    this.#restored.clear();
    this.releaseUnused(views);
  }

  /** What restored views have cannot be read: the shapes that use them end. */
  giveUpRestored(): void {
    this.#endUsersOf([...this.#restored.keys()]);
    this.#restored.clear();
  }

  /** There is no memory for what some restored views have grown to: they go, and only they. */
  #giveUp(views: readonly ShapeId[], error: unknown): readonly SeededView[] {
    if (!(error instanceof LitzError) || error.code !== VALUES_WITHOUT_ROOM) throw error;
    this.#endUsersOf(views);
    return [];
  }

  #endUsersOf(views: readonly ShapeId[]): void {
    const { endUsersOf, router } = this.#options;
    // With a view's shapes go other views that only these used.
    for (const view of views) if (router.isRouted(view)) endUsersOf(view);
  }

  async #readSeeds(template: LiveTemplate, views: readonly ShapeId[]): Promise<SeededView[]> {
    const definitions = views.map((view) => this.#restored.get(view)!);
    const { bounds, seeds } = await this.#options.source.read(definitions, this.#stop.signal);
    return views.map((view, index) => ({ view, template, bounds, seed: seeds[index]! }));
  }

  /** Views that nobody uses any more go. To be called when a shape that had them is gone. */
  releaseUnused(views: readonly ShapeId[]): void {
    for (const view of views) {
      if (this.#leases.has(view) || !this.#options.router.isRouted(view)) continue;
      if (this.#options.router.usersOf(view).ids.length === 0) this.remove(view);
    }
  }

  /** REQUIRES: the view is routed to and nobody uses it. */
  remove(view: ShapeId): void {
    const { moves, router, templates, views } = this.#options;
    const live = templates.get(router.templateOf(view));
    const routed = router.constantsOf(view);
    const inner = viewIdsOf(live, routed);
    router.removeShape(
      view,
      entriesOf(live.template.where, () => routed),
    );
    moves.removed(view);
    views.removeView(view);
    templates.release(live);
    this.#retire(view);
    this.releaseUnused(inner);
  }

  close(): void {
    this.#options.moves.close();
    this.#stop.abort(shuttingDown());
  }

  #find(definition: ShapeDefinition): ShapeId | undefined {
    const { router, templates } = this.#options;
    const live = templates.find(definition.template.text);
    const views = live === undefined ? undefined : this.find(definition);
    if (live === undefined || views === undefined) return undefined;
    return router.findShape(live.id, encodeConstants(this.routed(definition, views)));
  }

  async #acquire(definition: ShapeDefinition, dependency: Dependency): Promise<ShapeId> {
    const lease = await this.acquire(definition);
    try {
      const view = await this.#options.boundaries.run(() => {
        const found =
          this.#find(definition) ?? this.#register(definition, dependency, lease.views());
        this.#leases.set(found, (this.#leases.get(found) ?? 0) + 1);
        return found;
      });
      await this.#whenReady(view, definition);
      return view;
    } finally {
      lease.release();
    }
  }

  async #whenReady(view: ShapeId, definition: ShapeDefinition): Promise<void> {
    try {
      await this.#seeding.get(view);
      if (!this.#options.router.isRouted(view)) throw gone(definition);
    } catch (error) {
      this.#release([view]);
      throw error;
    }
  }

  /** At a boundary. @throws {LitzError} CORE_MEMORY_EXHAUSTED. */
  #register(
    definition: ShapeDefinition,
    { kinds }: Dependency,
    inner: readonly ShapeId[],
  ): ShapeId {
    const view = this.#add(definition, kinds, inner);
    this.#options.moves.begin(view);
    const seeded = this.#seed(view, definition).finally(() => {
      if (this.#seeding.get(view) === seeded) this.#seeding.delete(view);
    });
    seeded.catch(() => undefined);
    this.#seeding.set(view, seeded);
    return view;
  }

  /**
   * Mints a view and routes to it. REQUIRES: a boundary; there is no such view.
   *
   * @throws {LitzError} CORE_MEMORY_EXHAUSTED.
   */
  #add(
    definition: ShapeDefinition,
    kinds: Dependency["kinds"],
    inner: readonly ShapeId[],
  ): ShapeId {
    const { registry, router, templates, views } = this.#options;
    const routed = this.routed(definition, inner);
    const live = templates.acquire(definition.template, kinds);
    if (live === undefined) throw outOfMemory();
    const view = registry.addView();
    if (view === undefined) {
      templates.release(live);
      throw outOfMemory();
    }
    views.addView(view, live.id);
    const entries = entriesOf(definition.template.where, () => routed);
    if (!router.addShape(view, live.id, encodeConstants(routed), entries)) {
      views.removeView(view);
      this.#retire(view);
      templates.release(live);
      throw outOfMemory();
    }
    return view;
  }

  /** Counts what gives the view's values and places that in time. */
  async #seed(view: ShapeId, definition: ShapeDefinition): Promise<void> {
    const { boundaries, moves, router, source } = this.#options;
    for (let attempt = 1; ; attempt++) {
      let seed: ViewSeed | undefined;
      try {
        const { bounds, seeds } = await source.read([definition], this.#stop.signal);
        seed = seeds[0]!;
        const place = await moves.whenReached(view, bounds);
        if (place !== undefined) {
          await this.#fill(view, seed, place);
          return;
        }
        if (attempt === ATTEMPTS_MAX) throw new SnapshotTooEarly();
      } catch (error) {
        await boundaries.run(() => {
          // Nobody uses it: shapes are made on views that are ready.
          if (router.isRouted(view)) this.remove(view);
        });
        throw seed !== undefined && this.#mayFit(seed, error) ? outOfMemory() : error;
      }
      await pause(RETRY_DELAY_MS * 2 ** attempt);
    }
  }

  /**
   * Gives the view its values, some a turn, whatever is being read: until it is placed nobody asks
   * for them, and what its table does meanwhile is on the tape.
   */
  async #fill(view: ShapeId, seed: ViewSeed, place: Mark): Promise<void> {
    const { boundaries, moves } = this.#options;
    const values = seed[Symbol.iterator]();
    while (!boundaries.runNow(() => this.#fillSome(view, values))) {
      await nextTurn();
      this.#stop.signal.throwIfAborted();
    }
    await boundaries.run(() => moves.place(view, place));
  }

  /** Whether there are no more. */
  #fillSome(view: ShapeId, values: Iterator<readonly [Uint8Array, number]>): boolean {
    const { router, views } = this.#options;
    // The lease keeps the id, but not the view.
    if (!router.isRouted(view)) return true;
    for (let left = FILLED_PER_TURN; left > 0; left--) {
      const next = values.next();
      if (next.done === true) return true;
      const [tuple, count] = next.value;
      const outcome = views.apply(view, tuple, count);
      if (outcome !== "applied") throw errorOf(outcome);
    }
    return false;
  }

  /** Whether the core had no room for values that would have it if others went. */
  #mayFit(seed: ViewSeed, error: unknown): boolean {
    const { memoryBytesMax } = this.#options;
    if (!(error instanceof LitzError) || error.code !== VALUES_WITHOUT_ROOM) return false;
    return seed.bytes <= SEED_SHARE_MAX * memoryBytesMax;
  }

  #release(views: readonly ShapeId[]): void {
    for (const view of views) {
      const count = this.#leases.get(view);
      if (count === undefined) continue;
      if (count > 1) this.#leases.set(view, count - 1);
      else this.#leases.delete(view);
    }
    if (this.#retiring.length > 0) this.#sweep();
    void this.#options.boundaries.run(() => this.releaseUnused(views));
  }

  #retire(view: ShapeId): void {
    this.#retiring.push(view);
    this.#sweep();
  }

  /** The values of removed views are taken out of the index bit by bit, then their ids go back. */
  #sweep(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    setImmediate(() => {
      this.#isSweeping = false;
      const { registry, views } = this.#options;
      if (!views.sweep(SWEPT_PER_TURN)) {
        this.#sweep();
        return;
      }
      // What is left then is so little that it waits for the next to go.
      this.#retiring = this.#retiring.filter((view) => {
        if (!views.isSwept(view) || this.#leases.has(view)) return true;
        registry.retire(view);
        return false;
      });
    });
  }
}

function grouped<Key, Value>(
  values: readonly Value[],
  keyOf: (value: Value) => Key,
): ReadonlyMap<Key, readonly Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return groups;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What a dependency selects, as a definition of its own. */
export function innerDefinition(
  { template, firstConstant, constantCount }: Dependency,
  constants: Constants,
): ShapeDefinition {
  return { template, constants: constants.slice(firstConstant, firstConstant + constantCount) };
}

function viewIdsOf({ template }: LiveTemplate, routed: Constants): readonly ShapeId[] {
  return viewIdsAmong(routed, template.where?.subqueries?.dependencies.length ?? 0);
}

function gone({ template }: ShapeDefinition): LitzError {
  return new LitzError(`a subquery of ${template.table.name} was removed meanwhile, please retry`, {
    code: "VIEW_REMOVED",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}
