/**
 * The types a WHERE knows, how their values lie in JavaScript, and what each type must be able to
 * do.
 *
 * A value is exact: what Postgres tells apart is told apart here, and nothing else is.
 *
 *     bool                         boolean
 *     int2 int4                    number, an integer
 *     int8                         bigint
 *     float4 float8                number; a float4 is rounded to 32 bits
 *     numeric                      Decimal
 *     text varchar name enum       string
 *     bpchar                       string with the trailing spaces it was given
 *     uuid                         string of 36 characters in lower case
 *     bytea                        Uint8Array
 *     date                         number, days since 2000-01-01; Infinity and -Infinity
 *     time                         bigint, microseconds since midnight
 *     timestamp timestamptz        bigint, microseconds since 2000-01-01 (UTC); the extremes of 64
 *                                  bits are the two infinities
 *     interval                     Interval
 *     json                         string, the text as given
 *     jsonb                        Json, whose numbers are Decimals
 *     arrays                       ArrayValue
 *
 * SQL's NULL is `null`. A value never changes once it is made.
 */

import type { Decimal } from "./decimal.ts";

/** What the values of each scalar type are in JavaScript. */
export interface ScalarValues {
  bool: boolean;
  int2: number;
  int4: number;
  int8: bigint;
  float4: number;
  float8: number;
  numeric: Decimal;
  text: string;
  varchar: string;
  name: string;
  bpchar: string;
  uuid: string;
  bytea: Uint8Array;
  date: number;
  time: bigint;
  timestamp: bigint;
  timestamptz: bigint;
  interval: Interval;
  json: string;
  jsonb: Json;
  /** Any one enum type. That two enums are of the same type is for the analysis to see. */
  enum: string;
}

export type ScalarName = keyof ScalarValues;
export type ArrayName = `${ScalarName}[]`;
export type TypeName = ScalarName | ArrayName;

export type ValueOf<Name> = Name extends ScalarName
  ? ScalarValues[Name]
  : Name extends ArrayName
    ? ArrayValue
    : Value;

export type ScalarValue = ScalarValues[ScalarName];
export type Value = ScalarValue | ArrayValue;

/** The three parts are independent: a month is no number of days. */
export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly microseconds: bigint;
}

/** A jsonb value, each with its type, because JSON has a null of its own. */
export type Json =
  | { readonly type: "null" }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "number"; readonly value: Decimal }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "array"; readonly items: readonly Json[] }
  /** Of a repeated key the last value counts. The order is of no meaning. */
  | { readonly type: "object"; readonly members: ReadonlyMap<string, Json> };

/**
 * An array of Postgres, which may have several dimensions, elements in row-major order. The empty
 * array has no dimension.
 */
export interface ArrayValue {
  readonly elementType: ScalarName;
  readonly dimensions: readonly Dimension[];
  readonly elements: readonly (ScalarValue | null)[];
}

export interface Dimension {
  /** At least 1. */
  readonly size: number;
  /** The first subscript, 1 unless the array says otherwise. */
  readonly lowerBound: number;
}

/** What is known of a type; arrays are made of their element's (`array.ts`). */
export interface ScalarType<V> {
  readonly name: TypeName;
  /**
   * Takes whatever the type's input function takes.
   *
   * @throws {InvalidText} the text is none of the type.
   * @throws {EvaluationError} it is, but its value is out of the type's range.
   */
  readonly parse: (text: string) => V;
  /** The text that the output function writes under the settings of protocol 8.2. */
  readonly format: (value: V) => string;
  /** The order of the default B-tree class, where the type has one: negative, 0 or positive. */
  readonly compare?: (a: V, b: V) => number;
  /** The `=` operator of the type itself. */
  readonly equals: (a: V, b: V) => boolean;
}
