/**
 * What a shape's WHERE may be: a conjunction of `column = constant`. That is what the router finds
 * by one probe, whatever the number of shapes; every other clause is refused, and told why.
 *
 *     clause       = clause AND clause | equality | boolean | always true
 *     equality     = column = constant | constant = column
 *     boolean      = column | NOT column | boolean IS TRUE | boolean IS FALSE
 *     always true  = a comparison of constants, TRUE, NOT FALSE
 *     constant     = literal | $n | constant::type
 *
 * A WHERE takes NULL for false, so `IS TRUE` around a part of the conjunction changes nothing, and
 * `IS FALSE` is the same as NOT.
 *
 * A clause that no row can satisfy because of a single comparison is refused too: it is a mistake
 * rather than a wish. Two comparisons that contradict each other are not looked for.
 */

import type { A_Expr, BooleanTest, BoolExpr, ColumnRef, Node } from "@pgsql/types";
import type { Table } from "../model/table.ts";
import { canonicalText, typeOf, type TypeName } from "./canonical.ts";
import { areComparable, ConstantReader, type Constant } from "./constants.ts";
import { expressionName, locationOf, operatorOf } from "./expression-names.ts";
import { errorAt, invalidWhere, type WhereClause } from "./parser.ts";
import { columnIndexOf } from "./references.ts";

export interface Equality {
  /** Index into `table.columns`. */
  readonly column: number;
  readonly type: TypeName;
  /** Canonical text of a value of this type. */
  readonly constant: string;
}

/** What the core compares at once: `TERM_COUNT_MAX` in `assembly/path-key.ts`. */
const EQUALITY_COUNT_MAX = 64;

/**
 * The equalities of a clause, sorted by column and constant, each once. None: every row belongs.
 *
 * REQUIRES: the clause passed `checkReferences`.
 * @throws {InvalidParameter} naming `where`.
 */
export function readEqualities(
  clause: WhereClause,
  table: Table,
  parameters: readonly string[],
): readonly Equality[] {
  const reader = new EqualityReader(clause.text, table, parameters);
  reader.readCondition(clause.expression, true, ROOT);
  const equalities = [...reader.equalities.values()].sort(
    (a, b) => a.column - b.column || (a.constant < b.constant ? -1 : 1),
  );
  if (equalities.length > EQUALITY_COUNT_MAX) {
    throw invalidWhere(`WHERE clause has more than ${EQUALITY_COUNT_MAX} comparisons`);
  }
  return equalities;
}

/** Where a condition stands, which decides what is said when it is no boolean. */
type Place = "WHERE" | "AND" | "NOT" | "IS TRUE" | "IS FALSE";
const ROOT: Place = "WHERE";

const SUPPORTED = "supported are comparisons column = constant and boolean columns, joined by AND";

type Operand = { readonly column: number } | { readonly constant: Constant };

class EqualityReader {
  /** By column and constant. */
  readonly equalities = new Map<string, Equality>();
  readonly #text: string;
  readonly #table: Table;
  readonly #constants: ConstantReader;

  constructor(text: string, table: Table, parameters: readonly string[]) {
    this.#text = text;
    this.#table = table;
    this.#constants = new ConstantReader(text, parameters);
  }

  /** Adds what must hold for the node to be true, or for `NOT node` to be, unless it `isWanted`. */
  readCondition(node: Node, isWanted: boolean, place: Place): void {
    if ("BoolExpr" in node) {
      this.#readBoolean(node.BoolExpr, isWanted);
    } else if ("BooleanTest" in node) {
      this.#readTest(node.BooleanTest, isWanted);
    } else if ("ColumnRef" in node) {
      this.#readBooleanColumn(node.ColumnRef, isWanted, place);
    } else if ("A_Expr" in node && operatorOf(node.A_Expr) === "=") {
      this.#readComparison(node.A_Expr, isWanted);
    } else {
      const constant = this.#constants.read(node);
      if (constant === undefined) throw this.#unsupported(node);
      this.#readBooleanConstant(constant, isWanted, place);
    }
  }

  #readBoolean({ boolop, args = [], location }: BoolExpr, isWanted: boolean): void {
    const place = boolop === "NOT_EXPR" ? "NOT" : "AND";
    if (boolop === "OR_EXPR") throw this.#refused(location, "OR");
    if (place === "AND" && !isWanted) throw this.#refused(location, "NOT around AND");
    for (const arg of args) this.readCondition(arg, isWanted !== (place === "NOT"), place);
  }

  #readTest({ arg, booltesttype, location }: BooleanTest, isWanted: boolean): void {
    const isTrue = booltesttype === "IS_TRUE";
    const name = booltesttype!.replaceAll("_", " ");
    if (!isTrue && booltesttype !== "IS_FALSE") throw this.#refused(location, name);
    // The negation of either is true of NULL.
    if (!isWanted) throw this.#refused(location, `NOT around ${name}`);
    this.readCondition(arg!, isTrue, isTrue ? "IS TRUE" : "IS FALSE");
  }

  #readBooleanColumn(reference: ColumnRef, isWanted: boolean, place: Place): void {
    const column = columnIndexOf(this.#table, reference);
    const { name, typeName, dimensionCount } = this.#table.columns[column]!;
    const type = dimensionCount > 0 ? `${typeName}[]` : typeName;
    if (type !== "bool") {
      throw this.#notBoolean(place, type, reference.location, `reference ${name}`);
    }
    this.#add(column, this.#typeOf(column, reference.location), isWanted ? "t" : "f");
  }

  #readBooleanConstant(given: Constant, isWanted: boolean, place: Place): void {
    const constant = this.#constants.adopt(given, "bool");
    if (constant.type !== "bool") {
      throw this.#notBoolean(place, constant.type, constant.location, "constant");
    }
    if (constant.text === undefined) throw this.#neverTrue(constant.location, "NULL");
    this.#require((constant.text === "t") === isWanted, constant.location);
  }

  #readComparison(expression: A_Expr, isWanted: boolean): void {
    const left = this.#readOperand(expression.lexpr!);
    const right = this.#readOperand(expression.rexpr!);
    const { location } = expression;
    if ("constant" in left && "constant" in right) {
      this.#compareConstants(left.constant, right.constant, isWanted, location);
    } else if ("column" in left && "column" in right) {
      throw this.#refused(location, "a comparison of two columns");
    } else if (!isWanted) {
      throw this.#refused(location, "NOT around a comparison");
    } else if ("column" in left && "constant" in right) {
      this.#compareColumn(left.column, right.constant, expression.lexpr!, location);
    } else if ("column" in right && "constant" in left) {
      this.#compareColumn(right.column, left.constant, expression.rexpr!, location);
    }
  }

  #readOperand(node: Node): Operand {
    if ("ColumnRef" in node) return { column: columnIndexOf(this.#table, node.ColumnRef) };
    const constant = this.#constants.read(node);
    if (constant === undefined) throw this.#unsupported(node);
    return { constant };
  }

  #compareColumn(
    column: number,
    given: Constant,
    columnNode: Node,
    location: number | undefined,
  ): void {
    const type = this.#typeOf(column, locationOf(columnNode));
    const constant = this.#constants.adopt(given, type);
    if (!areComparable(type, constant.type)) {
      throw this.#notComparable(type, constant.type, constant, location);
    }
    if (constant.text === undefined) {
      throw this.#neverTrue(location, "a comparison with NULL");
    }
    if (canonicalText(type, constant.text) === undefined) {
      const what = `a comparison of ${type} with ${constant.text}, which is out of range,`;
      throw this.#neverTrue(constant.location, what);
    }
    this.#add(column, type, constant.text);
  }

  #compareConstants(
    left: Constant,
    right: Constant,
    isWanted: boolean,
    location: number | undefined,
  ): void {
    const type = left.type ?? right.type ?? "text";
    const a = this.#constants.adopt(left, type);
    const b = this.#constants.adopt(right, type);
    if (!areComparable(a.type, b.type)) throw this.#notComparable(a.type, b.type, b, location);
    if (a.text === undefined || b.text === undefined) {
      throw this.#neverTrue(location, "a comparison with NULL");
    }
    this.#require((a.text === b.text) === isWanted, location);
  }

  #add(column: number, type: TypeName, constant: string): void {
    this.equalities.set(`${column} ${constant}`, { column, type, constant });
  }

  /** The type of a column that can be compared. */
  #typeOf(column: number, location: number | undefined): TypeName {
    const { name, typeName, dimensionCount, generated, hasByteEquality } =
      this.#table.columns[column]!;
    const refused = (why: string) => {
      const message = `the column ${name} cannot be filtered by: ${why}`;
      return errorAt(this.#text, location, message);
    };
    if (generated !== undefined) throw refused("generated columns are not replicated");
    const type = typeOf(this.#table.columns[column]!);
    if (type === undefined) {
      const typeText = dimensionCount > 0 ? `${typeName}[]` : typeName;
      throw refused(
        `its type ${typeText} is not supported yet; ` +
          "supported are int2, int4, int8, bool, text, varchar and uuid",
      );
    }
    if (!hasByteEquality) {
      throw refused("its collation is nondeterministic, so different texts may be equal");
    }
    return type;
  }

  #require(isTrue: boolean, location: number | undefined): void {
    if (isTrue) return;
    throw errorAt(this.#text, location, "the condition is always false, the shape would be empty");
  }

  #neverTrue(location: number | undefined, what: string): Error {
    return errorAt(this.#text, location, `${what} is never true, the shape would be empty`);
  }

  #notBoolean(place: Place, type: string, location: number | undefined, what: string): Error {
    if (place === "WHERE") return invalidWhere("WHERE clause must return a boolean");
    const message = place.startsWith("IS")
      ? `argument of ${place} must be bool, not ${type}`
      : `${what} of type ${type} is not castable to bool`;
    return errorAt(this.#text, location, message);
  }

  #notComparable(
    a: TypeName,
    b: TypeName,
    { parameter }: Constant,
    location: number | undefined,
  ): Error {
    const message =
      parameter === undefined
        ? `Could not select an operator overload for ${a} = ${b}`
        : `type conflict for $${parameter}: ${b} and ${a}`;
    return errorAt(this.#text, location, message);
  }

  #unsupported(node: Node): Error {
    return this.#refused(locationOf(node), expressionName(node));
  }

  #refused(location: number | undefined, what: string): Error {
    return errorAt(this.#text, location, `${what} is not supported yet; ${SUPPORTED}`);
  }
}
