/**
 * The residual of a dependent template: which literals are true of a row, given what the views say
 * of it, and so whether it is in the shape (`model/subquery.ts`).
 *
 * Three-valued logic as in Postgres (manual, 9.24.2). Of a literal only TRUE counts; with NOT
 * pushed down to the literals, that is all there is to know:
 *
 *     a IN view        it is a member
 *     a NOT IN view    the view is empty; or it is no member, a is not NULL and no NULL is there
 *
 * A condition that stands in several disjuncts is evaluated once. Memberships come first: where
 * they leave no disjunct, as for most shapes of a row that moves, nothing else is evaluated.
 */

import type { EvaluationFacts } from "./evaluate.ts";
import { compile, emptyFrame, type Compute, type Frame } from "./evaluate.ts";
import type { Expression } from "../model/expression.ts";
import { MembershipBit, type DependentFilter, type RowReader } from "../model/row-filter.ts";
import type { Constants, Subqueries, WhereTemplate } from "../model/shape-definition.ts";
import type { Literal } from "../model/subquery.ts";
import { EvaluationError, SQL_STATE } from "./values/errors.ts";

const FALSE = 0;
const TRUE = 1;

type MembershipOf = (literal: number) => number;

/**
 * REQUIRES: the template is dependent.
 *
 * @param facts are asked at the first evaluation, and never again.
 */
export function compileDependentFilter(
  where: WhereTemplate,
  facts: EvaluationFacts,
): DependentFilter {
  return new CompiledFilter(where, where.subqueries!, facts);
}

class CompiledFilter implements DependentFilter {
  readonly columns: readonly number[];
  readonly #subqueries: Subqueries;
  readonly #facts: EvaluationFacts;
  readonly #frame: Frame = emptyFrame();
  /** By literal: the first one that says the same. */
  readonly #firsts: readonly number[];
  readonly #memberships: readonly number[];
  readonly #others: readonly number[];
  /** Memberships among the literals of each disjunct. */
  readonly #membershipsOf: readonly (readonly number[])[];
  #conditions: readonly (Compute | undefined)[] | undefined;
  /** By literal: the error that it raised of the row at hand. */
  readonly #failures: (EvaluationError | undefined)[];

  constructor(where: WhereTemplate, subqueries: Subqueries, facts: EvaluationFacts) {
    this.columns = where.columns;
    this.#subqueries = subqueries;
    this.#facts = facts;
    this.#firsts = firstsOf(subqueries.literals);
    this.#failures = subqueries.literals.map(() => undefined);
    const isMembership = (index: number) => subqueries.literals[index]!.is === "membership";
    const indexes = [...subqueries.literals.keys()];
    this.#memberships = indexes.filter(isMembership);
    this.#others = indexes.filter((index) => !isMembership(index));
    this.#membershipsOf = subqueries.disjuncts.map((literals) => literals.filter(isMembership));
  }

  judge(
    row: RowReader,
    constants: Constants,
    membership: MembershipOf,
    active: Uint8Array,
  ): boolean {
    const frame = this.#frame;
    if (frame.row !== row) {
      frame.row = row;
      for (const column of this.columns) frame.decoded[column] = undefined;
    }
    frame.constants = constants;
    for (const index of this.#memberships) this.#judgeLiteral(index, membership, active);
    if (!this.#mayBeIn(active)) return false;
    for (const index of this.#others) this.#judgeLiteral(index, membership, active);
    return this.#isInSomeDisjunct(active);
  }

  #judgeLiteral(index: number, membership: MembershipOf, active: Uint8Array): void {
    const first = this.#firsts[index]!;
    active[index] =
      first === index
        ? this.#test(this.#subqueries.literals[index]!, index, membership)
        : active[first]!;
  }

  /** Whether there is a disjunct of which no membership is known to be false. */
  #mayBeIn(active: Uint8Array): boolean {
    for (const memberships of this.#membershipsOf) {
      let mayBe = true;
      for (const literal of memberships) {
        const first = this.#firsts[literal]!;
        mayBe &&= active[literal] === TRUE || this.#failures[first] !== undefined;
      }
      if (mayBe) return true;
    }
    return false;
  }

  #test(literal: Literal, index: number, membership: MembershipOf): number {
    this.#failures[index] = undefined;
    try {
      const isTrue =
        literal.is === "membership"
          ? isMember(membership(index), literal.isNegated, literal.columns.length)
          : this.#conditionOf(index)(this.#frame) === true;
      return isTrue ? TRUE : FALSE;
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      this.#failures[index] = error;
      return FALSE;
    }
  }

  #conditionOf(index: number): Compute {
    this.#conditions ??= this.#subqueries.literals.map((literal, place) => {
      const isFirst = literal.is === "condition" && this.#firsts[place] === place;
      return isFirst ? compile(literal.condition, this.#facts) : undefined;
    });
    return this.#conditions[index]!;
  }

  /**
   * An error counts only where all else in its disjunct is true, as in `filter.ts`: otherwise
   * Postgres would have answered, perhaps.
   */
  #isInSomeDisjunct(active: Uint8Array): boolean {
    let isIn = false;
    for (const disjunct of this.#subqueries.disjuncts) {
      let failure: EvaluationError | undefined;
      let isTrue = true;
      for (const literal of disjunct) {
        if (active[literal] === TRUE) continue;
        failure ??= this.#failures[this.#firsts[literal]!];
        isTrue &&= this.#failures[this.#firsts[literal]!] !== undefined;
      }
      if (isTrue && failure !== undefined) throw failure;
      isIn ||= isTrue;
    }
    return isIn;
  }
}

/** @throws {EvaluationError} when it cannot be told of a whole row with a NULL in it. */
function isMember(bits: number, isNegated: boolean, columnCount: number): boolean {
  const isIn = (bits & MembershipBit.IS_MEMBER) !== 0;
  if (!isNegated || isIn) return isIn && !isNegated;
  if ((bits & MembershipBit.VIEW_IS_EMPTY) !== 0) return true;
  const nulls = MembershipBit.LEFT_HAS_NULL | MembershipBit.VIEW_HAS_NULL;
  if ((bits & nulls) === 0) return true;
  if (columnCount === 1) return false;
  const message =
    "NOT IN (SELECT ...) of several columns has met a NULL, which it does not support";
  throw new EvaluationError(message, SQL_STATE.featureNotSupported);
}

function firstsOf(literals: readonly Literal[]): readonly number[] {
  const conditions = new Map<Expression, number>();
  const memberships = new Map<string, number>();
  return literals.map((literal, index) => {
    const [seen, key]: [Map<unknown, number>, unknown] =
      literal.is === "condition"
        ? [conditions, literal.condition]
        : [memberships, JSON.stringify([literal.dependency, literal.columns])];
    const first = seen.get(key);
    if (first === undefined) seen.set(key, index);
    return first ?? index;
  });
}
