/** The engines by name. */

import { IntegerKeyedEngine } from "./baseline/integer-keyed.ts";
import type { RoutingEngine } from "./baseline/routing-engine.ts";
import { StringKeyedEngine } from "./baseline/string-keyed.ts";
import { StringStagedEngine } from "./baseline/string-staged.ts";
import { createCoreEngine } from "./core-engine.ts";

/** Those that route conjunctions of equalities; `classes/ordinary.ts` is for all other classes. */
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
