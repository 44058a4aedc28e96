/**
 * An operation: an operator, a function or a cast, for one list of argument types.
 *
 * The catalogue (`catalogue.ts`) is a flat list of them, as `pg_operator`, `pg_proc` and `pg_cast`
 * are. Which one a call means is found by the rules of the manual's chapter 10 in the analysis;
 * here is only what they do. All of them are immutable: under the session settings of protocol 8.2
 * equal arguments give equal results.
 *
 * Most are made by `binary`, `prefix`, `fn` and `cast`, which check the types of the JavaScript
 * values against the types of SQL.
 */

import { AssertionError } from "../../lib/assert.ts";
import type { CaseMapping } from "../../model/case-mapping.ts";
import type { TimeZones } from "../../model/time-zone.ts";
import type { ArrayValue, TypeName, Value, ValueOf } from "../values/scalar-type.ts";

/**
 * Placeholders of polymorphic operations, section 36.2.5 of the manual. All places of the first
 * family that one operation has stand for the same type exactly; those of the second for the type
 * that their arguments have in common (section 10.5).
 */
export type PseudoType =
  | "anyarray"
  | "anyelement"
  | "anynonarray"
  | "anyenum"
  | "anycompatible"
  | "anycompatiblearray"
  // Each place for itself; a literal without a type is text there.
  | "any";

export type OperandType = TypeName | PseudoType;

export type OperandValue<Type> = Type extends "anyarray" | "anycompatiblearray"
  ? ArrayValue
  : ValueOf<Type>;

/** Values in the order of the arguments; a variadic operation is given them all, one by one. */
export type Evaluate = (...values: (Value | null)[]) => Value | null;

/** What an operation may have to know of the place where it is used. */
export interface Place {
  /** The types of the arguments, pseudo types resolved. */
  readonly types: readonly TypeName[];
  /** The case mapping of the database's default collation, or of "C". */
  readonly caseMapping: CaseMapping;
  /** Those of the server; undefined where it cannot be asked. */
  readonly timeZones?: TimeZones | undefined;
}

/**
 * What the result depends on when the arguments are text.
 *
 *     equality   a deterministic collation, in which equal texts are equal bytes
 *     order      a collation that orders by bytes
 *     case       a known case mapping, and a deterministic collation
 */
export type CollationNeed = "equality" | "order" | "case";

/** When a cast happens by itself, `pg_cast.castcontext`. */
export type CastContext = "implicit" | "assignment" | "explicit";

export interface Operation {
  readonly kind: "binary" | "prefix" | "function" | "cast";
  /** The operator's symbol, the function's name, or the cast's target type. In lower case. */
  readonly name: string;
  readonly args: readonly OperandType[];
  readonly result: OperandType;
  /** NULL if any argument is, without being evaluated. True unless said otherwise. */
  readonly isStrict: boolean;
  /** The last argument's type may be repeated any number of times. */
  readonly isVariadic: boolean;
  readonly collation?: CollationNeed;
  readonly castContext?: CastContext;
  /**
   * Postgres has this operation and litz does not offer it: why, and what to do instead. It is in
   * the catalogue so that the call finds it, and not another one that happens to fit.
   */
  readonly refusal?: string;
  /**
   * How the call is spelled in SQL, if not `a OPERATOR(pg_catalog.+) b`, `pg_catalog.f(a, b)` or
   * `a::type`.
   */
  readonly sql?: (args: readonly string[]) => string;
  /**
   * Refuses arguments that make the call mean something else here than in Postgres. Given the
   * constants among them, undefined for the others; called before the operation is used anywhere.
   *
   * @throws {EvaluationError} @throws {TimeZoneNeeded}
   */
  readonly checkConstants?: (
    values: readonly (Value | null | undefined)[],
    timeZones: TimeZones | undefined,
  ) => void;
  /** Called once for each place in an expression; the function it gives, once for each row. */
  readonly bind: (place: Place) => Evaluate;
}

export type Options = Partial<
  Pick<
    Operation,
    "isStrict" | "isVariadic" | "collation" | "castContext" | "sql" | "checkConstants"
  >
>;

type Operands<Types extends readonly OperandType[]> = {
  [Index in keyof Types]: OperandValue<Types[Index]>;
};

/** `left name right`. A strict operation is never called with NULL. */
export function binary<Left extends OperandType, Right extends OperandType, R extends OperandType>(
  name: string,
  left: Left,
  right: Right,
  result: R,
  evaluate: (left: OperandValue<Left>, right: OperandValue<Right>) => OperandValue<R> | null,
  options: Options = {},
): Operation {
  return make("binary", name, [left, right], result, () => evaluate as Evaluate, options);
}

/** `name operand`. */
export function prefix<Type extends OperandType, R extends OperandType>(
  name: string,
  type: Type,
  result: R,
  evaluate: (operand: OperandValue<Type>) => OperandValue<R> | null,
  options: Options = {},
): Operation {
  return make("prefix", name, [type], result, () => evaluate as Evaluate, options);
}

/** `name(...)`. */
export function fn<const Types extends readonly OperandType[], R extends OperandType>(
  name: string,
  args: Types,
  result: R,
  evaluate: (...values: Operands<Types>) => OperandValue<R> | null,
  options: Options = {},
): Operation {
  return make("function", name, args, result, () => evaluate as unknown as Evaluate, options);
}

/**
 * A conversion that is neither by input nor by output function: those two exist for every type, and
 * the analysis makes them of `parse` and `format`.
 */
export function cast<From extends TypeName, To extends TypeName>(
  from: From,
  to: To,
  castContext: CastContext,
  evaluate: (value: ValueOf<From>) => ValueOf<To> | null,
): Operation {
  return make("cast", to, [from], to, () => evaluate as Evaluate, { castContext });
}

/** For an operation that depends on its place. */
export function make(
  kind: Operation["kind"],
  name: string,
  args: readonly OperandType[],
  result: OperandType,
  bind: (place: Place) => Evaluate,
  options: Options = {},
): Operation {
  return { kind, name, args, result, bind, isStrict: true, isVariadic: false, ...options };
}

/** For an operation that Postgres has and litz has not. */
export function refused(
  kind: "binary" | "prefix" | "function",
  name: string,
  args: readonly OperandType[],
  result: OperandType,
  refusal: string,
): Operation {
  const bind = (): Evaluate => () => {
    throw new AssertionError(`${name} is refused and was evaluated`);
  };
  return { ...make(kind, name, args, result, bind), refusal };
}
