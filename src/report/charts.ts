/**
 * Charts as inline SVG, drawn when the report is made, so that the page needs no script and no
 * network. Vega-Lite draws them and is optional: a server is installed without it, and a report
 * without it has tables only.
 */

import type { TopLevelSpec } from "vega-lite";
import type { Comparison } from "./comparison.ts";
import { BYTES_PER_SHAPE, RSS, type Figure } from "./figures.ts";
import { median } from "./measure.ts";
import type { Run } from "./document.ts";
import type { Turns } from "./measurement.ts";
import { ENGINE_NAMES, type EngineName } from "./workload.ts";
import { valueOf } from "./comparison.ts";

export const ENGINE_COLOURS: Readonly<Record<EngineName, string>> = {
  "string-keyed": "#c8553d",
  "integer-keyed": "#d69a2d",
  core: "#1f8a84",
};

export interface Chart {
  readonly title: string;
  readonly svg: string;
}

export type ChartRenderer = (title: string, spec: TopLevelSpec) => Promise<Chart>;

/** Undefined: Vega is not installed. */
export async function loadCharts(): Promise<ChartRenderer | undefined> {
  try {
    const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
    return async (title, spec) => {
      const runtime = vega.parse(vegaLite.compile(spec).spec);
      const view = new vega.View(runtime, { renderer: "none", logLevel: vega.Error });
      const svg = await view.toSVG();
      view.finalize();
      return { title, svg: accessible(svg, title) };
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** The charts of one workload. REQUIRES: all its sizes, ascending. */
export async function chartsOf(
  comparisons: readonly Comparison[],
  render: ChartRenderer,
): Promise<readonly Chart[]> {
  const { workload } = comparisons[0]!;
  const charts = [
    await render(
      `${workload}: bytes per shape`,
      sizeSpec(comparisons, BYTES_PER_SHAPE, { title: "bytes per shape", unit: 1, scale: "log" }),
    ),
    await render(
      `${workload}: RSS of the whole process`,
      sizeSpec(comparisons, RSS, { title: "RSS, MiB", unit: 2 ** 20, scale: "linear" }),
    ),
  ];
  const { runs } = comparisons.at(-1)!;
  const pauses = pausesOf(runs);
  if (pauses.length > 0) {
    charts.push(await render(`${workload}: pauses of the event loop`, pauseSpec(pauses)));
  }
  return charts;
}

interface Point {
  readonly engine: EngineName;
  readonly shapes: number;
  readonly value: number;
}

interface SizeAxis {
  readonly title: string;
  /** What a step of the axis is. */
  readonly unit: number;
  /** Linear from 0, where what is there without shapes matters. */
  readonly scale: "log" | "linear";
}

function sizeSpec(
  comparisons: readonly Comparison[],
  figure: Figure,
  { title, unit, scale }: SizeAxis,
): TopLevelSpec {
  const points = comparisons.flatMap((comparison): Point[] =>
    ENGINE_NAMES.flatMap((engine) => {
      const value = valueOf(comparison, figure, engine);
      // A logarithm of what shrank there is none.
      if (value === undefined || value.median <= 0) return [];
      return [{ engine, shapes: comparison.shapeCount, value: value.median / unit }];
    }),
  );
  return {
    ...FRAME,
    data: { values: points },
    mark: { type: "line", point: { size: 42, filled: true }, strokeWidth: 2 },
    encoding: {
      x: {
        field: "shapes",
        type: "quantitative",
        scale: { type: "log", nice: false },
        axis: { title: "shapes", format: "~s", tickCount: 5 },
      },
      y: {
        field: "value",
        type: "quantitative",
        scale: { type: scale },
        axis: { title, format: "~s", tickCount: 5 },
      },
      color: COLOUR,
    },
  };
}

interface Pause {
  readonly engine: EngineName;
  readonly part: number;
  readonly ms: number;
}

/** Of each engine the run whose longest delay is the median of its repetitions. */
function pausesOf(runs: readonly Run[]): readonly Pause[] {
  return ENGINE_NAMES.flatMap((engine) => {
    const all = runs
      .filter((run) => run.engine === engine)
      .flatMap(({ measurement }) => measurement.churn ?? measurement.idle ?? []);
    if (all.length === 0) return [];
    const middle = median(all.map(({ longestMs }) => longestMs));
    const closest = all.reduce((a, b) => (distance(b, middle) < distance(a, middle) ? b : a));
    return closest.longestMsByStretch.map((ms, part) => ({ engine, part, ms }));
  });
}

function distance({ longestMs }: Turns, ms: number): number {
  return Math.abs(longestMs - ms);
}

function pauseSpec(pauses: readonly Pause[]): TopLevelSpec {
  return {
    ...FRAME,
    data: { values: [...pauses] },
    mark: { type: "line", strokeWidth: 1.5, interpolate: "step" },
    encoding: {
      x: {
        field: "part",
        type: "quantitative",
        axis: { title: "hundredths of the run", tickCount: 5 },
      },
      y: {
        field: "ms",
        type: "quantitative",
        axis: { title: "longest turn of the event loop, ms", tickCount: 5 },
      },
      color: COLOUR,
    },
  };
}

const INK = "#7d8590";

const COLOUR = {
  field: "engine",
  type: "nominal",
  scale: {
    domain: [...ENGINE_NAMES],
    range: ENGINE_NAMES.map((name) => ENGINE_COLOURS[name]),
  },
  legend: { title: null, orient: "top" },
} as const;

/** Colours that can be read on white and on black. */
const FRAME = {
  width: 420,
  height: 240,
  background: "transparent",
  padding: 8,
  config: {
    font: "ui-sans-serif, system-ui, sans-serif",
    view: { stroke: "transparent" },
    axis: {
      labelColor: INK,
      titleColor: INK,
      domainColor: INK,
      tickColor: INK,
      gridColor: INK,
      gridOpacity: 0.18,
      labelFontSize: 11,
      titleFontSize: 12,
      titleFontWeight: "normal",
    },
    legend: { labelColor: INK, labelFontSize: 12, symbolStrokeWidth: 3 },
  },
} as const;

/** Scales with the page, and says what it is to whoever cannot see it. */
function accessible(svg: string, title: string): string {
  const label = title.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  return svg
    .replace(/ width="[\d.]+" height="[\d.]+"/, "")
    .replace(/^<svg /, `<svg role="img" aria-label="${label}" `);
}
