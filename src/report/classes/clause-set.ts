/**
 * Clauses to be measured: which template the shape of a slot has and what its constants are, with
 * what the core is told of a template and what an ordinary index of it is.
 */

import type { AccessEntry, AccessPlan } from "../../model/access-plan.ts";
import type { RowFilter } from "../../model/row-filter.ts";
import type { RelationSpec } from "../baseline/routing-engine.ts";
import type { StructureReport } from "../structure-report.ts";
import type { ClauseIndex } from "./clause-index.ts";

export interface ClauseTemplate {
  readonly plan: AccessPlan;
  readonly residual?: RowFilter;
}

export interface ClauseShape {
  readonly constants: readonly string[];
  readonly entries: readonly AccessEntry[];
}

/** @template Name of a template. */
export interface ClauseSet<Name extends string = string> {
  readonly relation: RelationSpec;
  templateNameOf(slot: number): Name;
  shapeOf(name: Name, slot: number): ClauseShape;
  templateOf(name: Name): ClauseTemplate;
  createIndex<Ref extends string | number>(name: Name): ClauseIndex<Ref>;
}

/** The shapes of a clause set, kept by one engine. */
export interface ClauseEngine {
  add(slot: number): void;
  remove(slot: number): void;
  /** By its definition, as a request finds it. */
  has(slot: number): boolean;
  /** Routes bytes of the socket and returns how many matches there were. */
  route(chunk: Uint8Array): number;
  /** What it says it holds; undefined: ask the garbage collector. */
  structures(): readonly StructureReport[] | undefined;
}
