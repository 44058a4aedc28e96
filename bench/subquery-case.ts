/** One set of subselects on one engine: what `subqueries.ts` measures in a process of its own. */

import { encodeConstants } from "../src/model/constants-codec.ts";
import type { ShapeId, TemplateId } from "../src/model/ids.ts";
import { ValueSets } from "../src/report/baseline/value-sets.ts";
import { createCore } from "../src/report/core-engine.ts";
import { settledMemory, time } from "../src/report/measure.ts";
import { Random } from "../src/report/random.ts";
import { Accounting, type Owner } from "../src/router/accounting.ts";
import type { Core } from "../src/router/core.ts";
import { Router } from "../src/router/router.ts";
import { ShapeTable } from "../src/router/shape-table.ts";
import { LIVE, ViewBit, Views } from "../src/router/views.ts";

export interface Case {
  readonly group: "uuid" | "shared" | "zipf";
  readonly kind: "uuid" | "int";
  readonly views: number;
  /** Of each. */
  readonly values: number;
  /** Which values the sets have in common. */
  readonly overlap: "none" | "all" | "zipf";
  readonly engine: "string-keyed" | "integer-keyed" | "core";
}

export interface CaseFigures {
  readonly bytes: number;
  readonly bytesPerPair: number;
  readonly pairsPerSecond: number;
  readonly membershipNs: number;
  readonly removeNs: number;
  readonly sweepNsPerPair: number;
  readonly bytesLeft: number;
}

/** What keeps value sets, by the number of the subselect. */
interface Keeper {
  add(view: number, values: readonly string[]): void;
  has(view: number, value: string): boolean;
  remove(view: number): void;
  /** After removals: what was put off. */
  sweep(): void;
  bytes(): Promise<number>;
}

const ZIPF_VALUES = 100_000;
const PROBES = 200_000;
const SWEPT_PER_CALL = 10_000;
const OF_VALUES: readonly Owner[] = ["subquery index", "value counts", "id sets", "value store"];

export async function runCase(order: Case): Promise<CaseFigures> {
  const { views, values } = order;
  const keeper = createKeeper(order);
  const texts = createTexts(order);
  const before = await keeper.bytes();
  let cpuMs = 0;
  for (let view = 0; view < views; view++) {
    const own = texts(view);
    cpuMs += time(() => keeper.add(view, own)).cpuMs;
  }
  const bytes = (await keeper.bytes()) - before;
  const membershipNs = measureMembership(keeper, order, texts);
  const removal = time(() => {
    for (let view = 0; view < views; view++) keeper.remove(view);
  });
  const sweeping = time(() => keeper.sweep());
  return {
    bytes,
    bytesPerPair: bytes / (views * values),
    pairsPerSecond: (views * values * 1000) / cpuMs,
    membershipNs,
    removeNs: (removal.cpuMs * 1e6) / views,
    sweepNsPerPair: (sweeping.cpuMs * 1e6) / (views * values),
    bytesLeft: (await keeper.bytes()) - before,
  };
}

/** Half of what is asked for is there. */
function measureMembership(keeper: Keeper, { views }: Case, texts: TextsOf): number {
  const random = new Random(2);
  const probes = Array.from({ length: PROBES }, (_, index) => {
    const view = random.below(views);
    const own = texts(view);
    return { view, value: index % 2 === 0 ? own[random.below(own.length)]! : String(-index) };
  });
  let found = 0;
  const { cpuMs } = time(() => {
    for (const { view, value } of probes) if (keeper.has(view, value)) found += 1;
  });
  if (found < PROBES / 2) throw new Error(`${found} of ${PROBES} were found`);
  return (cpuMs * 1e6) / PROBES;
}

type TextsOf = (view: number) => readonly string[];

/** The values of each subselect, all different, made anew whenever they are asked for. */
function createTexts({ kind, values, overlap }: Case): TextsOf {
  const textOf = kind === "int" ? String : uuidOf;
  if (overlap === "zipf") {
    const cumulative = zipfOf(ZIPF_VALUES);
    return (view) => {
      const random = new Random(view);
      const drawn = new Set<number>();
      while (drawn.size < values) drawn.add(rankOf(cumulative, random.fraction()));
      return Array.from(drawn, textOf);
    };
  }
  return (view) => {
    const first = overlap === "all" ? 0 : view * values;
    return Array.from({ length: values }, (_, index) => textOf(first + index));
  };
}

/** Scattered, and different: an odd factor permutes 32 bits. */
function uuidOf(number: number): string {
  const high = (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0");
  return `${high}-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

/**
 * How often a rank or a smaller one is drawn where a rank is drawn 1 / rank as often as the first.
 */
function zipfOf(count: number): Float64Array {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) cumulative[rank] = sum += 1 / (rank + 1);
  return cumulative.map((value) => value / sum);
}

function rankOf(cumulative: Float64Array, fraction: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! < fraction) low = middle + 1;
    else high = middle;
  }
  return low;
}

function createKeeper(order: Case): Keeper {
  switch (order.engine) {
    case "string-keyed":
      return plainKeeper((view) => `${3_000_000_000 + view}-1763800000${view}`, String);
    case "integer-keyed":
      return plainKeeper((view) => view, order.kind === "int" ? Number : String);
    case "core":
      return coreKeeper(order.kind);
  }
}

function plainKeeper(
  ownerOf: (view: number) => string | number,
  toValue: (text: string) => string | number,
): Keeper {
  const sets = new ValueSets<string | number, string | number>();
  return {
    add: (view, values) => sets.add(ownerOf(view), values.map(toValue)),
    has: (view, value) => sets.has(ownerOf(view), toValue(value)),
    remove: (view) => sets.remove(ownerOf(view)),
    sweep: () => undefined,
    bytes: async () => (await settledMemory()).heapBytes,
  };
}

function createRouter(core: Core): Router {
  return new Router(core);
}

function coreKeeper(kind: Case["kind"]): Keeper {
  const core = createCore();
  // Makes what views are kept in.
  createRouter(core);
  const shapes = new ShapeTable(core);
  const views = new Views(core);
  const accounting = new Accounting(core);
  const template = 1 as TemplateId;
  const ids: ShapeId[] = [];
  if (!views.addFamily(template, [kind])) throw new RangeError("out of memory");
  return {
    add(view, values) {
      const id = shapes.mintView()!;
      ids[view] = id;
      views.addView(id, template);
      for (const value of values) {
        if (!views.apply(id, encodeConstants([value]), 1)) throw new RangeError("out of memory");
      }
    },
    has: (view, value) =>
      (views.membershipBits(ids[view]!, encodeConstants([value]), LIVE) & ViewBit.member) !== 0,
    remove: (view) => views.removeView(ids[view]!),
    sweep() {
      while (!views.sweep(SWEPT_PER_CALL));
    },
    bytes: () =>
      Promise.resolve(
        accounting
          .report()
          .filter(({ owner }) => OF_VALUES.includes(owner))
          .reduce((sum, { committedBytes }) => sum + committedBytes, 0),
      ),
  };
}
