/**
 * Charts over time, of uPlot. The history is this page's: it begins when the page is opened, and is
 * as long as HISTORY_MAX.
 */

import { element } from "./dom.js";
import { bytes, compact } from "./format.js";

/**
 * @typedef {import("uplot")} UPlotClass
 * @typedef {{ readonly label: string, readonly color: string }} Line
 */

/** Half an hour of samples every two seconds. */
const HISTORY_MAX = 900;
/** In seconds, between two times on the axis: they are told to the second. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900];

const uPlotClass = /** @type {typeof import("uplot")} */ (
  /** @type {unknown} */ (Reflect.get(globalThis, "uPlot"))
);

const isDark = matchMedia("(prefers-color-scheme: dark)");

/**
 * A variable of the style sheet as canvas takes colours: with its variants resolved.
 *
 * @param {string} variable
 */
function colorOf(variable) {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Some numbers at one time after the other. */
export class Chart {
  /** @type {(number | null)[][]} Times, then a row for each line. */
  #data;
  /** @type {UPlotClass | undefined} */
  #plot;
  #container;
  #lines;
  #format;
  #isStacked;

  /**
   * @param {HTMLElement} container
   * @param {readonly Line[]} lines from the bottom up, where they are stacked.
   * @param {{ readonly format?: (value: number) => string, readonly isStacked?: boolean }} options
   */
  constructor(container, lines, { format = compact, isStacked = false } = {}) {
    this.#container = container;
    this.#lines = lines;
    this.#format = format;
    this.#isStacked = isStacked;
    this.#data = [[], ...lines.map(() => [])];
    new ResizeObserver(() => this.#resize()).observe(container);
    isDark.addEventListener("change", () => this.#make());
    if (!isStacked && lines.length > 1) container.before(legendOf(lines));
    this.#make();
  }

  /**
   * @param {number} timeSeconds
   * @param {readonly (number | null)[]} values one of each line; null is unknown.
   */
  add(timeSeconds, values) {
    for (const [index, value] of [timeSeconds, ...values].entries()) {
      const row = this.#data[index];
      row?.push(value);
      if (row !== undefined && row.length > HISTORY_MAX) row.shift();
    }
    this.#plot?.setData(this.#drawn());
    const latest = this.#lines.map(
      ({ label }, index) => `${label} ${this.#text(values[index] ?? null)}`,
    );
    this.#container.setAttribute("aria-label", `Now: ${latest.join(", ")}`);
  }

  /** @param {number | null | undefined} value */
  #text(value) {
    return value === null || value === undefined ? "unknown" : this.#format(value);
  }

  /** @returns {import("uplot").AlignedData} */
  #drawn() {
    const [times = [], ...rows] = this.#data;
    if (!this.#isStacked) return /** @type {import("uplot").AlignedData} */ (this.#data);
    /** @type {number[]} */
    const sums = times.map(() => 0);
    const stacked = rows.map((row) =>
      row.map((value, at) => (sums[at] = (sums[at] ?? 0) + (value ?? 0))),
    );
    // The topmost first: each is painted over by those below it.
    return /** @type {import("uplot").AlignedData} */ ([times, ...stacked.reverse()]);
  }

  #size() {
    const { clientHeight, clientWidth } = this.#container;
    // uPlot's height is without its legend.
    return { width: Math.max(clientWidth, 100), height: clientHeight };
  }

  #resize() {
    this.#plot?.setSize(this.#size());
  }

  #make() {
    this.#plot?.destroy();
    const [grid, quiet, card] = [colorOf("--grid"), colorOf("--quiet"), colorOf("--card")];
    const axis = {
      stroke: quiet,
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const series = this.#lines.map(({ color, label }) => {
      const stroke = colorOf(color);
      const fill = this.#isStacked ? card : undefined;
      return {
        label,
        stroke,
        width: this.#isStacked ? 1 : 1.75,
        points: { show: false },
        // What is stacked hides what is behind it before it is tinted.
        ...(fill === undefined ? {} : { fill: mixed(stroke, fill) }),
      };
    });
    /** @type {import("uplot").Options} */
    const options = {
      ...this.#size(),
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 26, 0, 0],
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } },
      axes: [
        {
          ...axis,
          size: 24,
          space: 95,
          incrs: TIME_STEPS,
          values: (_, splits) => splits.map(clockTime),
        },
        {
          ...axis,
          size: this.#format === bytes ? 62 : 46,
          space: 34,
          splits: (_plot, _axis, _min, max) => ticks(max, this.#format === bytes),
          values: (_, splits) => splits.map((split) => this.#format(split)),
        },
      ],
      series: [{}, ...(this.#isStacked ? series.reverse() : series)],
    };
    this.#plot = new uPlotClass(options, this.#drawn(), this.#container);
  }
}

/** @param {readonly Line[]} lines */
function legendOf(lines) {
  const entries = lines.map(({ color, label }) => {
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = `var(${color})`;
    return element("li", {}, swatch, label);
  });
  return element("ul", { class: "legend" }, ...entries);
}

/** @param {number} timeSeconds */
function clockTime(timeSeconds) {
  return new Date(timeSeconds * 1000).toLocaleTimeString("en-GB");
}

/**
 * Up to four round numbers; of bytes, round in powers of two.
 *
 * @param {number} max
 * @param {boolean} isBinary
 */
function ticks(max, isBinary) {
  const rough = max / 4;
  const base = isBinary ? 1024 ** Math.max(0, Math.floor(Math.log2(Math.max(rough, 1)) / 10)) : 1;
  const power = base * 10 ** Math.floor(Math.log10(Math.max(rough / base, 1)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power;
  const found = [];
  for (let value = 0; value <= max; value += step) found.push(value);
  return found;
}

/**
 * A tint of one colour that hides what is behind it.
 *
 * @param {string} color
 * @param {string} ground
 */
function mixed(color, ground) {
  const parts = (/** @type {string} */ text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const [over, under] = [parts(color), parts(ground)];
  const channels = [0, 1, 2].map((at) =>
    Math.round(0.45 * (over[at] ?? 0) + 0.55 * (under[at] ?? 0)),
  );
  return `rgb(${channels.join(" ")})`;
}
