/** Casts and COLLATE. */

import type { CollateClause, TypeCast, TypeName as TypeNameNode } from "@pgsql/types";
import { refuseUntyped } from "./analyse-operators.ts";
import { collationOfType } from "./collation.ts";
import { locationOf, namesOf } from "./expression-names.ts";
import { isUnknown, type Operand } from "./operand.ts";
import type { Scope } from "./scope.ts";
import { arrayOf, elementOf, isArray, isScalarName, isString, type SqlType } from "./sql-types.ts";

export function analyseCast(scope: Scope, { arg, typeName, location }: TypeCast): Operand {
  const place = location !== undefined && location >= 0 ? location : typeName!.location;
  const type = readTypeName(scope, typeName!, place);
  // The elements of a constructor are cast each, so that `ARRAY[]::int4[]` has a type.
  if ("A_ArrayExpr" in arg! && isArray(type)) {
    return convertTo(scope, castArray(scope, arg, type), type, place);
  }
  return convertTo(scope, scope.analyse(arg!), type, place);
}

/** An explicit conversion. @throws {InvalidParameter} */
export function convertTo(
  scope: Scope,
  operand: Operand,
  type: SqlType,
  location: number | undefined,
): Operand {
  refuseUntyped(scope, [operand]);
  const converted = scope.convert(operand, type, "explicit");
  if (converted === undefined) {
    const message = `unknown cast from type ${operand.type} to type ${type}`;
    throw scope.errorAt(operand.location ?? location, message);
  }
  if (isUnknown(operand) && operand.parameter !== undefined) return converted;
  const { expression, name } = converted;
  const keeps = isUnknown(operand) || (isText(operand.type) && isText(type));
  const collation = keeps ? converted.collation : collationOfType(type);
  const collated = collation === undefined ? {} : { collation };
  return { type, expression, location: operand.location, name, ...collated };
}

/** Strings and arrays of them have collations, and hand them on to what is made of them. */
function isText(type: SqlType): boolean {
  return isString(isArray(type) ? elementOf(type) : type);
}

function castArray(scope: Scope, arg: TypeCast["arg"] & object, type: SqlType): Operand {
  if (!("A_ArrayExpr" in arg)) return scope.analyse(arg);
  const { elements = [], location } = arg.A_ArrayExpr;
  if (elements.length > 0) return scope.analyse(arg);
  return scope.literal("{}", arrayOf(elementOf(type)), location);
}

function readTypeName(scope: Scope, node: TypeNameNode, location: number | undefined): SqlType {
  const names = namesOf(node.names ?? []);
  const name = (names.length === 2 && names[0] === "pg_catalog" ? names.slice(1) : names).join(".");
  const known = isScalarName(name) ? name : enumNamed(scope, name);
  const bounds = node.arrayBounds?.length ?? 0;
  if (known !== undefined && node.typmods === undefined && node.setof !== true) {
    return bounds > 0 ? arrayOf(known) : known;
  }
  const suffix = bounds > 0 ? "[]" : node.typmods === undefined ? "" : " with a length";
  throw scope.errorAt(location, `unsupported type ${name}${suffix}`);
}

/** An enum type is known by the columns of the table that have it. */
function enumNamed({ table }: Scope, name: string): SqlType | undefined {
  const isIt = table.columns.some(
    ({ typeKind, typeName }) => typeKind === "e" && typeName === name,
  );
  return isIt ? `enum ${name}` : undefined;
}

export function analyseCollate(scope: Scope, { arg, collname, location }: CollateClause): Operand {
  const operand = scope.analyse(arg!);
  const name = namesOf(collname ?? []).at(-1)!;
  if (name !== "C") {
    const message = `COLLATE ${JSON.stringify(name)} is not supported, only COLLATE "C" is`;
    throw scope.errorAt(location, message);
  }
  const typed = isUnknown(operand) ? scope.adopt(operand, "text") : operand;
  if (!isText(typed.type)) {
    const message = `collations are not supported by type ${typed.type}`;
    throw scope.errorAt(locationOf(arg!) ?? location, message);
  }
  return { ...typed, collation: { is: "explicit" } };
}
