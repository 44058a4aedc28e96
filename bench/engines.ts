/** The engines by name. */

import { IntegerKeyedEngine } from "../src/report/baseline/integer-keyed.ts";
import type { RoutingEngine } from "../src/report/baseline/routing-engine.ts";
import { StringKeyedEngine } from "../src/report/baseline/string-keyed.ts";
import { StringStagedEngine } from "./string-staged.ts";
import { createCoreEngine } from "../src/report/core-engine.ts";

/** Those that route conjunctions of equalities; `OrdinaryEngine` is for all other classes. */
export const EQUALITY_ENGINES = ["string-staged", "string-keyed", "integer-keyed", "core"] as const;
export type EqualityEngineName = (typeof EQUALITY_ENGINES)[number];

export const ENGINE_NAMES = [
  "string-staged",
  "string-keyed",
  "integer-keyed",
  "ordinary",
  "core",
] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Callers treat references as opaque, so one type stands for all. */
export function createEngine(name: EqualityEngineName): RoutingEngine {
  switch (name) {
    case "string-staged":
      return new StringStagedEngine();
    case "string-keyed":
      return new StringKeyedEngine();
    case "integer-keyed":
      return new IntegerKeyedEngine();
    case "core":
      return createCoreEngine();
  }
}
