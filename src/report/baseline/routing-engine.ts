/**
 * What every engine in the benchmark does, whatever it keys its shapes by: register and find shapes
 * by definition, forget them, and tell for each row change of a replication stream which shapes it
 * reaches and with what body.
 *
 *     string-keyed.ts     Map and Set over handle strings
 *     string-staged.ts    the same with one Map for each stage of the pipeline
 *     integer-keyed.ts    Map and Set over integers, typed columns, handles at the edge
 *     ../core-engine.ts   the router of this project
 *
 * The three in plain JavaScript are also each other's model, and that of the router's tests: they
 * are exact. A NULL equals nothing, integers compare as numbers, a value that Postgres did not send
 * because it did not change is read from the old row, and a row whose key changes is a deletion
 * followed by an insertion.
 */

import type { EqualityKind } from "../../model/access-plan.ts";
import type { ReplicaMode } from "../../model/shape-definition.ts";
import type { StructureReport } from "../structure-report.ts";

/** Kinds whose texts are canonical. */
export type ConstantKind = Extract<EqualityKind, "int" | "uuid" | "text">;

export interface RelationSpec {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly isBool: boolean }[];
  /** Indexes into `columns`, in key order. */
  readonly key: readonly number[];
}

export interface TemplateSpec {
  /** Sorted by column. None: every row belongs to the shape. */
  readonly terms: readonly { readonly column: number; readonly kind: ConstantKind }[];
  /** Selected columns, ascending; contains the key. */
  readonly columns: readonly number[];
  readonly replica: ReplicaMode;
}

/**
 * Told of every (change, shape) pair. The body is `bytes[offset .. offset + size)`, valid during
 * the call only, and absent (`size` is 0) in an engine that was asked to write none.
 */
export type MatchSink<Ref> = (
  ref: Ref,
  op: number,
  bytes: Uint8Array,
  offset: number,
  size: number,
) => void;

export interface RoutingEngine<Ref extends string | number = string | number> {
  readonly name: string;
  readonly shapeCount: number;

  addRelation(relation: RelationSpec): number;

  /** REQUIRES: not yet added. A template costs what a query plan costs; there are few. */
  addTemplate(relation: number, template: TemplateSpec): number;

  /** Constants are canonical texts, one per term. REQUIRES: no such shape yet. */
  add(template: number, constants: readonly string[]): Ref;

  remove(ref: Ref): void;

  find(template: number, constants: readonly string[]): Ref | undefined;

  /**
   * Takes the next bytes of the replication socket: CopyData frames, cut anywhere. Shapes come and
   * go between transactions only.
   */
  route(chunk: Uint8Array, sink: MatchSink<Ref>): void;

  /**
   * Whether `route` writes bodies; it does unless told otherwise. Undefined: the engine cannot
   * leave them out.
   */
  setBodies?(isWanted: boolean): void;

  /** What an engine with books of its own says it holds. Undefined: ask the garbage collector. */
  structures?(): readonly StructureReport[];
}

/** A moment from which all handles of a run count. Fixed, so that runs are alike. */
export const EPOCH_MICROSECONDS = 1_750_000_000_000_000;

/** The first half of a handle: 24 bits of FNV-1a over the definition. */
export function definitionHash(template: number, constants: readonly string[]): number {
  let hash = 0x811c9dc5 ^ template;
  for (const constant of constants) {
    for (let index = 0; index < constant.length; index += 1) {
      hash = Math.imul(hash ^ constant.charCodeAt(index), 0x01000193);
    }
    hash = Math.imul(hash ^ 0xff, 0x01000193);
  }
  return (hash ^ (hash >>> 24)) & 0xff_ffff;
}
