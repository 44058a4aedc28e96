/**
 * What a snapshot of a dependent template asks beside its rows, as SQL: their tags, which literals
 * are true of them (protocol 14.3), and for a move the rows that may be concerned at all.
 *
 *     "/" slots of a tag      md5(<stack id and handle> || 'v:' || "org"::text) for a membership
 *                             1 for another literal of the disjunct, nothing for the rest
 */

import type { EqualityKind } from "../model/access-plan.ts";
import type { Expression } from "../model/expression.ts";
import type { Dependency, Subqueries } from "../model/shape-definition.ts";
import type { Literal, Membership, SubquerySql } from "../model/subquery.ts";
import { quoteIdentifier, type Table, type TableColumn } from "../model/table.ts";
import { splitSql, writeLiteral, writeSql } from "./to-sql.ts";

/** Stands where stack id and handle belong. Postgres has no such character. */
const PREFIX = "\0";

export function subquerySql(
  expression: Expression,
  table: Table,
  { dependencies, literals, disjuncts }: Omit<Subqueries, "sql">,
): SubquerySql {
  const tags = disjuncts.map((disjunct) => {
    const slots = literals.map((literal, index) => {
      return disjunct.includes(index) ? slotSql(table, literal, dependencies) : [];
    });
    const parts = slots.flatMap((slot, index) => [...(index === 0 ? [] : [quoted("/")]), ...slot]);
    return [quoted('"'), ...parts, quoted('"')];
  });
  const separated = tags.flatMap((tag, index) => [...(index === 0 ? [] : [quoted(",")]), ...tag]);
  const relaxed = relax(expression);
  return {
    tags: join([quoted("["), ...separated, quoted("]")]).split(PREFIX),
    activeConditions: splitSql(activeSql(table, { dependencies, literals, disjuncts })),
    relaxed: relaxed === undefined ? undefined : splitSql(writeSql(relaxed, table, dependencies)),
  };
}

/** Texts, one behind the other. `a || b || ...` would be a tree as deep as it is long. */
function join(parts: readonly string[], separator = ""): string {
  return `array_to_string(ARRAY[${parts.join(",")}]::text[],${quoted(separator)})`;
}

function quoted(text: string): string {
  return writeLiteral(text, "text");
}

// --- Tags ----------------------------------------------------------------------------------------

function slotSql(table: Table, literal: Literal, dependencies: readonly Dependency[]): string[] {
  if (literal.is === "condition") return [quoted("1")];
  const { kinds } = dependencies[literal.dependency]!;
  return [`md5(${PREFIX}||${hashInputSql(table, literal, kinds)})`];
}

/** `hashInput` of `model/tag.ts`. */
function hashInputSql(
  { columns: all }: Table,
  { columns }: Membership,
  kinds: readonly EqualityKind[],
): string {
  const values = columns.map((index, place) => {
    const text = canonicalSql(all[index]!, kinds[place]!);
    return `coalesce('v:'||${text},'NULL')`;
  });
  if (columns.length === 1) return values[0]!;
  return columns
    .map((index, place) => `${quoted(`${all[index]!.name}:`)}||${values[place]!}`)
    .join("||");
}

/** `canonicalText` of `model/tag.ts`. Casts to text spell out bool and take off char's padding. */
function canonicalSql({ name, typeName }: TableColumn, kind: EqualityKind): string {
  const column = quoteIdentifier(name);
  if (kind !== "decimal") return `${column}::text`;
  // Minus zero and zero make zero.
  return typeName === "numeric"
    ? `trim_scale(${column})::text`
    : `(${column}+0)::${typeName}::text`;
}

// --- Conditions ----------------------------------------------------------------------------------

/** If there is one disjunct, the WHERE is what it says. */
function activeSql(
  table: Table,
  { dependencies, literals, disjuncts }: Omit<Subqueries, "sql">,
): string {
  if (disjuncts.length === 1) return quoted(JSON.stringify(literals.map(() => true)));
  const tests = literals.map((literal) => {
    const condition = expressionOf(literal);
    return `((${writeSql(condition, table, dependencies)}) IS TRUE)::text`;
  });
  return `'['||${join(tests, ",")}||']'`;
}

function expressionOf(literal: Literal): Expression {
  if (literal.is === "condition") return literal.condition;
  const { dependency, columns, isNegated } = literal;
  return { node: "membership", dependency, columns, isNegated };
}

/** With TRUE for each membership. Undefined: nothing is left. */
function relax(expression: Expression): Expression | undefined {
  if (expression.node === "membership") return undefined;
  if (expression.node !== "and" && expression.node !== "or") return expression;
  const args = expression.args.map(relax);
  const left = args.filter((arg) => arg !== undefined);
  if (left.length === 0 || (expression.node === "or" && left.length < args.length)) {
    return undefined;
  }
  return left.length === 1 ? left[0]! : { node: expression.node, args: left };
}
