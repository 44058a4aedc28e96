/** One set of subqueries on one engine: what `subqueries.ts` measures in a process of its own. */

import { time } from "../src/report/measure.ts";
import { Random } from "../src/report/random.ts";
import { textOf, type SubquerySet, type ValueKind } from "../src/report/subqueries/subquery-set.ts";
import { createKeeper, isSharing, type EngineName, type Keeper } from "./subquery-keepers.ts";

export interface Case {
  readonly group: string;
  readonly kind: ValueKind;
  readonly shapes: number;
  /** How many different ones the shapes have; shape n has number n modulo this. */
  readonly subqueries: number;
  /** Of each. */
  readonly values: number;
  /** How values are drawn out of ZIPF_VALUES; or every subquery has its own. */
  readonly overlap: "none" | "zipf" | "uniform";
  readonly engine: EngineName;
}

export interface CaseFigures {
  readonly bytes: number;
  readonly shapesPerSecond: number;
  readonly membershipNs: number | undefined;
  readonly removeNs: number;
  readonly sweepNsPerPair: number;
  readonly bytesLeft: number;
}

const DRAWN_VALUES = 100_000;
const PROBES = 100_000;
/** Shapes that are added between two looks at the clock. */
const AT_A_TIME = 1000;

export async function runCase(order: Case): Promise<CaseFigures> {
  const { shapes } = order;
  const set = createSet(order);
  const keeper = createKeeper(order.engine, set);
  const before = await keeper.bytes();
  let cpuMs = 0;
  for (let first = 0; first < shapes; first += AT_A_TIME) {
    const end = Math.min(first + AT_A_TIME, shapes);
    set.prepare(first, end);
    cpuMs += time(() => {
      for (let shape = first; shape < end; shape++) keeper.add(shape);
    }).cpuMs;
  }
  set.prepare(0, 0);
  const bytes = (await keeper.bytes()) - before;
  const membershipNs = measureMembership(keeper, order, set);
  const removal = time(() => {
    for (let shape = 0; shape < shapes; shape++) keeper.remove(shape);
  });
  const sweeping = time(() => keeper.sweep());
  const sets = isSharing(order.engine) ? order.subqueries : shapes;
  return {
    bytes,
    shapesPerSecond: (shapes * 1000) / cpuMs,
    membershipNs,
    removeNs: (removal.cpuMs * 1e6) / shapes,
    sweepNsPerPair: (sweeping.cpuMs * 1e6) / (sets * order.values),
    bytesLeft: (await keeper.bytes()) - before,
  };
}

/** Half of what is asked for is there. */
function measureMembership(
  { has }: Keeper,
  { shapes, values }: Case,
  set: SubquerySet,
): number | undefined {
  if (has === undefined) return undefined;
  const random = new Random(2);
  const asked = Array.from({ length: Math.ceil(PROBES / values) }, () => {
    const shape = random.below(shapes);
    return { shape, own: set.valuesOf(set.subselectOf(shape)) };
  });
  const probes = Array.from({ length: PROBES }, (_, index) => {
    const { shape, own } = asked[random.below(asked.length)]!;
    const isThere = index % 2 === 0;
    return { shape, value: isThere ? own[random.below(values)]! : textOf(set.kind, 1e9 + index) };
  });
  let found = 0;
  const { cpuMs } = time(() => {
    for (const { shape, value } of probes) if (has(shape, value)) found += 1;
  });
  if (found !== PROBES / 2) throw new Error(`${found} of ${PROBES} were found`);
  return (cpuMs * 1e6) / PROBES;
}

interface PreparedSet extends SubquerySet {
  /** Makes the values of these shapes beforehand, so that adding them is timed without. */
  prepare(first: number, end: number): void;
}

function createSet({ kind, shapes, subqueries, values, overlap }: Case): PreparedSet {
  const draw = overlap === "zipf" ? zipf(DRAWN_VALUES) : uniform(DRAWN_VALUES);
  const make = (subquery: number): readonly string[] => {
    if (overlap === "none") {
      return Array.from({ length: values }, (_, at) => textOf(kind, subquery * values + at));
    }
    const random = new Random(subquery);
    const drawn = new Set<number>();
    while (drawn.size < values) drawn.add(draw(random.fraction()));
    return Array.from(drawn, (number) => textOf(kind, number));
  };
  const subselectOf = (shape: number): number => shape % subqueries;
  const prepared = new Map<number, readonly string[]>();
  return {
    kind,
    isShared: subqueries < shapes,
    subselectOf,
    valuesOf: (subquery) => prepared.get(subquery) ?? make(subquery),
    prepare(first, end) {
      prepared.clear();
      for (let shape = first; shape < end; shape++) {
        const subquery = subselectOf(shape);
        if (!prepared.has(subquery)) prepared.set(subquery, make(subquery));
      }
    },
  };
}

function uniform(count: number): (fraction: number) => number {
  return (fraction) => Math.floor(fraction * count);
}

/** A rank is drawn 1 / rank as often as the first. */
function zipf(count: number): (fraction: number) => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) sums[rank] = sum += 1 / (rank + 1);
  return (fraction) => {
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! < fraction * sum) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
