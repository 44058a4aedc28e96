/**
 * A part of a clause while the clause is analysed: its tree, its type, and what has to be known of
 * it to say what is wrong with it.
 */

import type { Expression } from "../model/expression.ts";
import type { CollationState } from "./collation.ts";
import { UNKNOWN, type SqlType } from "./sql-types.ts";

export interface Operand {
  readonly type: SqlType;
  /** A quoted literal or a parameter without a type is a `value` of type `unknown`. */
  readonly expression: Expression;
  /** The n of `$n`, where it is one and nothing has been made of it. */
  readonly parameter?: number;
  /** In bytes of the wrapped text, undefined where it has no place. */
  readonly location: number | undefined;
  /** What it is called: `reference x`, `function f`. */
  readonly name: string;
  readonly collation?: CollationState;
}

/** The text of a constant: undefined if it is none, null for NULL. */
export function constantText({ expression }: Operand): string | null | undefined {
  return expression.node === "value" ? expression.text : undefined;
}

export function isUnknown({ type }: Operand): boolean {
  return type === UNKNOWN;
}

/** Types in error messages. `enum` types are called by their names. */
export function listTypes(operands: readonly Operand[]): string {
  return operands.map(({ type }) => type).join(", ");
}
