/** What is measured: a number of shapes of some kind, kept by one engine. */

import type { StructureReport } from "./structure-report.ts";

/** In the order in which they take turns. The core is compared with each of the others. */
export const ENGINE_NAMES = ["string-keyed", "integer-keyed", "core"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];
export type BaselineName = Exclude<EngineName, "core">;
export const BASELINE_NAMES: readonly BaselineName[] = ["string-keyed", "integer-keyed"];

/** The shapes 0, 1, 2 and so on, of which an engine keeps some. */
export interface Population {
  /** REQUIRES: it is not there. */
  add(shape: number): void;
  /** REQUIRES: it is there. */
  remove(shape: number): void;
  /** Looks for it by its definition, as a request does. */
  has(shape: number): boolean;
  /** What the engine says it holds; undefined: the garbage collector is asked. */
  structures(): readonly StructureReport[] | undefined;
}

/**
 * What happens once all shapes are there.
 *
 *     lookups   shapes are looked for, scattered
 *     churn     shapes are removed and added again, scattered, so many in a turn of the event loop
 *     idle      nothing happens to the shapes; the process does other work that makes garbage
 */
export type Activity = "lookups" | "churn" | "idle";

export interface PopulationOptions {
  readonly engine: EngineName;
  readonly shapeCount: number;
  readonly seed: number;
}

export interface Workload {
  readonly name: string;
  /** A sentence for whoever reads the report. */
  readonly about: string;
  readonly activity: Activity;
  /** Above it the workload is left out: a shape here is as much as many are elsewhere. */
  readonly shapesMax?: number;
  /** Loads what it is made of, which no other workload's process is to carry. */
  load(): Promise<PopulationFactory>;
}

export type PopulationFactory = (options: PopulationOptions) => Population;
