/**
 * A WHERE as a typed tree: every operator resolved, every implicit cast spelled out, so that
 * nothing needs to be looked up to evaluate it or to write it as SQL.
 *
 *     WHERE price >= 5 AND lower(name) = $1
 *
 *     and ─┬─ call >=(numeric, numeric) ─┬─ column price
 *          │                             └─ constant 0
 *          └─ call =(text, text) ─┬─ call lower(text) ── column name
 *                                 └─ constant 1
 *
 * It is plain data of which JSON can be made, because templates are persisted. Types are names as
 * in `pg_type`, with `[]` behind the element's for arrays; `enum` is any one enum type.
 *
 * Made by `where/analyse.ts` with its constants in place (`value`); `where/normalise.ts` takes them
 * out (`constant`), so that a million clauses that differ in constants are one tree.
 */

export type Expression =
  | ColumnNode
  | ValueNode
  | ConstantNode
  | CallNode
  | ConvertNode
  | LogicNode
  | NotNode
  | NullTestNode
  | BooleanTestNode
  | DistinctNode
  | QuantifiedNode
  | ChoiceNode
  | ArrayNode
  | SubscriptNode
  | MembershipNode;

export interface ColumnNode {
  readonly node: "column";
  /** Index into `table.columns`. */
  readonly column: number;
  /** Null for a type whose values can only be tested for NULL. */
  readonly type: string | null;
}

/** A constant that belongs to the template: NULL, TRUE, FALSE, a key of a JSON path. */
export interface ValueNode {
  readonly node: "value";
  readonly type: string;
  /** Canonical text, null for NULL. */
  readonly text: string | null;
  /**
   * Where the value comes from, as long as nothing about the tree depends on it. Before constants
   * are lifted only.
   */
  readonly source?: ValueSource;
}

/** One of the values of a request. */
export interface ValueSource {
  /** Counted from 0: the parameters `$1`, `$2`, ..., then the literals in the clause. */
  readonly index: number;
  /** Of a literal that is a number: whether the minus in front of it belongs to it. */
  readonly sign?: "+" | "-";
}

/** A constant that belongs to the shape. Each stands in the tree once, in order. */
export interface ConstantNode {
  readonly node: "constant";
  readonly type: string;
  /** Index into the shape's constants. */
  readonly index: number;
}

/** Names one operation of the catalogue, at one place. */
export interface OperationName {
  readonly kind: "binary" | "prefix" | "function" | "cast";
  readonly name: string;
  /** As the catalogue declares them, pseudo types included. */
  readonly args: readonly string[];
}

export interface CallNode {
  readonly node: "call";
  readonly operation: OperationName;
  readonly args: readonly Expression[];
  readonly type: string;
  /** Present: text is compared, or folded to one case, as under COLLATE "C". */
  readonly collation?: "C";
  /** What is known of the constant and decides how the call is indexed. */
  readonly hint?: Hint;
}

/**
 *     prefix   a LIKE pattern that begins with text; `begins` if it is that and one `%`
 *     members  `@>`: the array has elements; `single` if it has exactly one
 *     path     jsonb `@>`: the object has one string or boolean, at this path
 *     ascii    ILIKE: letters of ASCII are folded as in C
 */
export type Hint =
  | { readonly is: "prefix" | "begins" | "members" | "single" | "ascii" }
  | { readonly is: "path"; readonly path: readonly string[] };

/**
 * A conversion without an operation of its own.
 *
 *     output    by the type's output function, to a string type
 *     input     from a string type, by the type's input function
 *     relabel   the same value under another type's name
 *     elements  of an array, element by element
 */
export interface ConvertNode {
  readonly node: "convert";
  readonly how: "output" | "input" | "relabel" | "elements";
  readonly arg: Expression;
  readonly type: string;
  /** Of an element, for `elements`. */
  readonly element?: OperationName | "output" | "input" | "relabel";
}

export interface LogicNode {
  readonly node: "and" | "or";
  /** At least two. */
  readonly args: readonly Expression[];
}

export interface NotNode {
  readonly node: "not";
  readonly arg: Expression;
}

export interface NullTestNode {
  readonly node: "isNull";
  readonly arg: Expression;
  readonly isNegated: boolean;
}

export interface BooleanTestNode {
  readonly node: "isTrue" | "isFalse" | "isUnknown";
  readonly arg: Expression;
  readonly isNegated: boolean;
}

/** `left IS [NOT] DISTINCT FROM right`. */
export interface DistinctNode {
  readonly node: "distinct";
  /** The `=` of the two. */
  readonly operation: OperationName;
  readonly left: Expression;
  readonly right: Expression;
  /** IS NOT DISTINCT FROM. */
  readonly isNegated: boolean;
}

/** `left operator ANY (array)`, and `left IN (...)`, which is told apart (protocol 11.1). */
export interface QuantifiedNode {
  readonly node: "any" | "all";
  readonly operation: OperationName;
  readonly left: Expression;
  readonly array: Expression;
  readonly isList?: true;
  readonly collation?: "C";
}

export interface ChoiceNode {
  readonly node: "coalesce" | "greatest" | "least";
  readonly args: readonly Expression[];
  readonly type: string;
  readonly collation?: "C";
}

export interface ArrayNode {
  readonly node: "array";
  readonly type: string;
  readonly args: readonly Expression[];
  /** Whether the arguments are arrays themselves: `ARRAY[[1], [2]]`. */
  readonly isNested: boolean;
}

export interface SubscriptNode {
  readonly node: "subscript";
  readonly array: Expression;
  readonly type: string;
  /** Slices of every dimension if one is a slice: `a[2]` is then `a[1:2]`. */
  readonly subscripts: readonly Subscript[];
  readonly isSlice: boolean;
}

/** `(a, b) [NOT] IN (SELECT ...)`, below nothing but AND and OR (`subquery.ts`). */
export interface MembershipNode {
  readonly node: "membership";
  /** Index of the subquery. */
  readonly dependency: number;
  /** Indexes into `table.columns`. */
  readonly columns: readonly number[];
  readonly isNegated: boolean;
}

export type Subscript = { readonly upper?: Expression; readonly lower?: Expression };

/** The type of a node; conditions are `bool`. */
export function typeOf(expression: Expression): string {
  return "type" in expression ? (expression.type ?? "unknown") : "bool";
}

/** The nodes below a node, in the order in which SQL writes them. */
export function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.node) {
    case "column":
    case "value":
    case "constant":
    case "membership":
      return [];
    case "convert":
    case "not":
    case "isNull":
    case "isTrue":
    case "isFalse":
    case "isUnknown":
      return [expression.arg];
    case "distinct":
      return [expression.left, expression.right];
    case "any":
    case "all":
      return [expression.left, expression.array];
    case "subscript":
      return [
        expression.array,
        ...expression.subscripts.flatMap(({ lower, upper }) =>
          [lower, upper].filter((child) => child !== undefined),
        ),
      ];
    default:
      return expression.args;
  }
}

/** Indexes of the columns that the expression reads, ascending. */
export function columnsOf(expression: Expression): readonly number[] {
  const columns = new Set<number>();
  const visit = (node: Expression): void => {
    if (node.node === "column") columns.add(node.column);
    if (node.node === "membership") for (const column of node.columns) columns.add(column);
    for (const child of childrenOf(node)) visit(child);
  };
  visit(expression);
  return [...columns].sort((a, b) => a - b);
}

/** How many constants stand in the expression. */
export function countConstants(expression: Expression): number {
  const own = expression.node === "constant" ? 1 : 0;
  return childrenOf(expression).reduce((sum, child) => sum + countConstants(child), own);
}

/** The memberships in the expression, in order. */
export function membershipsOf(expression: Expression): readonly MembershipNode[] {
  if (expression.node === "membership") return [expression];
  return childrenOf(expression).flatMap(membershipsOf);
}

/** The same node over other children, given in the order of `childrenOf`. */
export function withChildren(expression: Expression, children: readonly Expression[]): Expression {
  switch (expression.node) {
    case "column":
    case "value":
    case "constant":
    case "membership":
      return expression;
    case "convert":
    case "not":
    case "isNull":
    case "isTrue":
    case "isFalse":
    case "isUnknown":
      return { ...expression, arg: children[0]! };
    case "distinct":
      return { ...expression, left: children[0]!, right: children[1]! };
    case "any":
    case "all":
      return { ...expression, left: children[0]!, array: children[1]! };
    case "subscript": {
      let next = 1;
      const subscripts = expression.subscripts.map(({ lower, upper }) => ({
        ...(lower === undefined ? {} : { lower: children[next++]! }),
        ...(upper === undefined ? {} : { upper: children[next++]! }),
      }));
      return { ...expression, array: children[0]!, subscripts };
    }
    default:
      return { ...expression, args: children };
  }
}
