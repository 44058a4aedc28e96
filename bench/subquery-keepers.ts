/**
 * What keeps the values of shapes' subqueries, for `subqueries.ts`: the same pairs of a shape and a
 * value in the ways there are, each one step from the one before.
 *
 *     strings             handles name the shapes, each of which keeps its values
 *     integers            ids name the shapes, each of which keeps its values
 *     integers, shared    ids, and values kept once for all shapes with the same subquery
 *     core                the container of this project, a view for each shape
 *     core, shared        the same, a view for all shapes with the same subquery
 */

import { encodeConstants } from "../src/model/constants-codec.ts";
import type { ShapeId, StorageKey, TemplateId } from "../src/model/ids.ts";
import { flatText } from "../src/report/baseline/flat-text.ts";
import { ValueSets } from "../src/report/baseline/value-sets.ts";
import { createCore, granted } from "../src/report/core-engine.ts";
import { settledMemory } from "../src/report/measure.ts";
import { CoreSubqueries } from "../src/report/subqueries/core.ts";
import type { SubquerySet } from "../src/report/subqueries/subquery-set.ts";
import { Accounting, type Owner } from "../src/router/accounting.ts";
import type { Core } from "../src/router/core.ts";
import { Router } from "../src/router/router.ts";
import { ShapeTable } from "../src/router/shape-table.ts";
import { LIVE, ViewBit, Views } from "../src/router/views.ts";

export const ENGINES = ["strings", "integers", "integers, shared", "core", "core, shared"] as const;
export type EngineName = (typeof ENGINES)[number];

/** Whether shapes with the same subquery keep its values together. */
export function isSharing(engine: EngineName): boolean {
  return engine.endsWith("shared");
}

/** Shapes 0, 1, 2 and so on come and go. */
export interface Keeper {
  add(shape: number): void;
  /** Undefined: a membership is not measured here. */
  has?: (shape: number, value: string) => boolean;
  remove(shape: number): void;
  /** After removals: what was put off. */
  sweep(): void;
  /** Of all that is kept on account of subqueries. */
  bytes(): Promise<number>;
}

const SWEPT_PER_CALL = 10_000;
const OF_VALUES: readonly Owner[] = ["subquery index", "value counts", "id sets", "value store"];

export function createKeeper(engine: EngineName, set: SubquerySet): Keeper {
  const toId = (text: string): string | number => (set.kind === "int" ? Number(text) : text);
  switch (engine) {
    case "strings":
      return ownSets(set, handleOf, String);
    case "integers":
      return ownSets(set, (shape) => shape, toId);
    case "integers, shared":
      return sharedSets(set, toId);
    case "core":
      return coreViews(set);
    case "core, shared":
      return coreShapes(set);
  }
}

function handleOf(shape: number): string {
  return flatText(`${3_000_000_000 + shape}-1763800000${shape}`);
}

function ownSets(
  set: SubquerySet,
  ownerOf: (shape: number) => string | number,
  toValue: (text: string) => string | number,
): Keeper {
  const sets = new ValueSets<string | number, string | number>();
  return {
    add: (shape) => sets.add(ownerOf(shape), set.valuesOf(set.subselectOf(shape)).map(toValue)),
    has: (shape, value) => sets.has(ownerOf(shape), toValue(value)),
    remove: (shape) => sets.remove(ownerOf(shape)),
    sweep: () => undefined,
    bytes: heapBytes,
  };
}

/** A shape knows its subquery, and a subquery its shapes: one that it has alone needs no Set. */
function sharedSets(set: SubquerySet, toValue: (text: string) => string | number): Keeper {
  const sets = new ValueSets<number, string | number>();
  const subqueries: number[] = [];
  const users = new Map<number, number | Set<number>>();
  return {
    add(shape) {
      const subquery = set.subselectOf(shape);
      subqueries[shape] = subquery;
      const there = users.get(subquery);
      if (there === undefined) {
        sets.add(subquery, set.valuesOf(subquery).map(toValue));
        users.set(subquery, shape);
      } else if (typeof there === "object") there.add(shape);
      else users.set(subquery, new Set([there, shape]));
    },
    has: (shape, value) => sets.has(subqueries[shape]!, toValue(value)),
    remove(shape) {
      const subquery = subqueries[shape]!;
      const there = users.get(subquery)!;
      if (typeof there === "object" && there.delete(shape) && there.size > 0) return;
      users.delete(subquery);
      sets.remove(subquery);
    },
    sweep: () => undefined,
    bytes: heapBytes,
  };
}

/** Views alone. Their bytes are pages that were taken: rounding and fragments are in them. */
function coreViews(set: SubquerySet): Keeper {
  const core = createCore();
  createRouter(core);
  const shapes = new ShapeTable(core);
  const views = new Views(core);
  const template = 1 as TemplateId;
  const ids: ShapeId[] = [];
  granted(views.addFamily(template, [set.kind]) || undefined);
  return {
    add(shape) {
      const id = granted(shapes.mintView());
      ids[shape] = id;
      views.addView(id, template);
      for (const value of set.valuesOf(set.subselectOf(shape))) {
        granted(views.apply(id, encodeConstants([value]), 1) === "applied" || undefined);
      }
    },
    has: (shape, value) =>
      (views.membershipBits(ids[shape]!, encodeConstants([value]), LIVE) & ViewBit.member) !== 0,
    remove: (shape) => views.removeView(ids[shape]!),
    sweep() {
      while (!views.sweep(SWEPT_PER_CALL));
    },
    bytes: () => Promise.resolve(pagesOf(core, (owner) => OF_VALUES.includes(owner))),
  };
}

/**
 * Whole shapes, `kind = <shape> AND item IN (...)`, less what as many with `kind = <shape>` and
 * some other residual take: so the views' rows, the links between views and shapes, and the
 * references from shapes to views are in it.
 */
function coreShapes(set: SubquerySet): Keeper {
  const withSubselects = createCore();
  const population = new CoreSubqueries(set, withSubselects);
  const without = createCore();
  const ordinary = new OrdinaryShapes(without);
  const isOfShapes = (owner: Owner): boolean => !NOT_OF_SHAPES.includes(owner);
  return {
    add(shape) {
      population.add(shape);
      ordinary.add(shape);
    },
    remove(shape) {
      population.remove(shape);
      ordinary.remove(shape);
    },
    sweep() {
      population.sweep();
      ordinary.sweep();
    },
    bytes: () =>
      Promise.resolve(pagesOf(withSubselects, isOfShapes) - pagesOf(without, isOfShapes)),
  };
}

const NOT_OF_SHAPES: readonly Owner[] = ["free", "static", "page pool", "input and output"];

/** `kind = <shape>`, of a template that needs a residual, as one with a subquery does. */
class OrdinaryShapes {
  readonly #router: Router;
  readonly #shapes: ShapeTable;
  readonly #template: TemplateId;
  #keys = 0;

  constructor(core: Core) {
    this.#router = createRouter(core);
    this.#shapes = new ShapeTable(core);
    const columns = ["id", "item", "kind"].map((name) => ({ name, isBool: false }));
    const table = { oid: 16_801, schema: "public", name: "items", columns, key: [0] };
    this.#template = granted(
      this.#router.addTemplate(granted(this.#router.addRelation(table)), {
        plan: {
          branches: [{ type: "equality", terms: [{ column: 2, kind: "int" }] }],
          isExact: false,
        },
        residual: {
          columns: [1],
          matches: () => {
            throw new Error("no row is routed to these shapes");
          },
        },
        columns: [0, 1, 2],
        replica: "default",
      }),
    );
  }

  add(shape: number): void {
    const texts = [String(shape)];
    this.#keys += 1;
    const id = granted(this.#shapes.mint(this.#keys as StorageKey, 0));
    const entries = [{ branch: 0, values: texts }];
    const isAdded = this.#router.addShape(id, this.#template, encodeConstants(texts), entries);
    granted(isAdded || undefined);
  }

  remove(shape: number): void {
    const texts = [String(shape)];
    const id = this.#router.findShape(this.#template, encodeConstants(texts))!;
    this.#router.removeShape(id, [{ branch: 0, values: texts }]);
    this.#shapes.retire(id);
  }

  sweep(): void {
    this.#shapes.advanceEpoch();
  }
}

function createRouter(core: Core): Router {
  return new Router(core);
}

function pagesOf(core: Core, isMeant: (owner: Owner) => boolean): number {
  return new Accounting(core)
    .report()
    .filter(({ owner }) => isMeant(owner))
    .reduce((sum, { committedBytes }) => sum + committedBytes, 0);
}

async function heapBytes(): Promise<number> {
  return (await settledMemory()).heapBytes;
}
