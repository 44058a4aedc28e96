/**
 * The constants of a clause: literals, parameters, and casts of either.
 *
 * As in Postgres, a literal in quotes and a parameter have no type of their own: they adopt that of
 * what they are compared with, a parameter for good, at its first use (protocol 13.2). Numbers and
 * booleans have one. Casts of constants are carried out here and now (protocol 13.5).
 */

import type { A_Const, Node, ParamRef, TypeCast, TypeName as TypeNameNode } from "@pgsql/types";
import { canonicalText, isTypeName, kindOf, type TypeName } from "./canonical.ts";
import { errorAt } from "./parser.ts";

export interface Constant {
  /** Undefined until it is adopted. */
  readonly type: TypeName | undefined;
  /** Canonical once there is a type. Undefined is NULL. */
  readonly text: string | undefined;
  readonly location: number | undefined;
  /** The n of `$n`. */
  readonly parameter?: number;
}

export interface TypedConstant extends Constant {
  readonly type: TypeName;
}

/** Reads the constants of one clause. Remembers the types that parameters have adopted. */
export class ConstantReader {
  readonly #clause: string;
  readonly #parameters: readonly string[];
  readonly #parameterTypes = new Map<number, TypeName>();

  /** @param parameters of which every one that the clause refers to is there. */
  constructor(clause: string, parameters: readonly string[]) {
    this.#clause = clause;
    this.#parameters = parameters;
  }

  /** Undefined: no constant. @throws {InvalidParameter} */
  read(node: Node): Constant | undefined {
    if ("A_Const" in node) return this.#readLiteral(node.A_Const);
    if ("ParamRef" in node) return this.#readParameter(node.ParamRef);
    if ("TypeCast" in node) return this.#readCast(node.TypeCast);
    return undefined;
  }

  /**
   * Gives a type to a constant that has none. One that has keeps it.
   *
   * @throws {InvalidParameter} for a text that is none of the type.
   */
  adopt(constant: Constant, type: TypeName): TypedConstant {
    if (constant.type !== undefined) return { ...constant, type: constant.type };
    if (constant.parameter !== undefined) this.#parameterTypes.set(constant.parameter, type);
    if (constant.text === undefined) return { ...constant, type };
    const text = canonicalText(type, constant.text);
    if (text === undefined) {
      throw this.#errorAt(constant, `invalid syntax for type ${type}: ${constant.text}`);
    }
    return { ...constant, type, text };
  }

  #readLiteral(literal: A_Const): Constant {
    const { location } = literal;
    // The parser leaves out members that are zero or false.
    if (literal.isnull === true) return { type: undefined, text: undefined, location };
    if (literal.sval) return { type: undefined, text: literal.sval.sval ?? "", location };
    if (literal.ival) return { type: "int4", text: String(literal.ival.ival ?? 0), location };
    if (literal.boolval) {
      return { type: "bool", text: literal.boolval.boolval === true ? "t" : "f", location };
    }
    if (literal.bsval) throw this.#errorAt(literal, "BitString values are not supported");
    // What does not fit in int4 comes as text, like fractions.
    const text = canonicalText("int8", literal.fval?.fval ?? "");
    if (text !== undefined) return { type: "int8", text, location };
    throw this.#errorAt(literal, "a constant of type numeric is not supported yet");
  }

  #readParameter({ number = 0, location }: ParamRef): Constant {
    const text = this.#parameters[number - 1];
    const constant = { type: undefined, text, location, parameter: number };
    const type = this.#parameterTypes.get(number);
    return type === undefined ? constant : this.adopt(constant, type);
  }

  #readCast({ arg, typeName, location }: TypeCast): Constant | undefined {
    const constant = this.read(arg!);
    if (constant === undefined) return undefined;
    const type = this.#readTypeName(typeName!, location);
    if (constant.type === undefined) return this.adopt(constant, type);
    return { ...this.#castTo(type, { ...constant, type: constant.type }), type };
  }

  #readTypeName(node: TypeNameNode, location: number | undefined): TypeName {
    const names = (node.names ?? []).map((name) => ("String" in name ? name.String.sval : ""));
    const name = (names.length === 2 && names[0] === "pg_catalog" ? names.slice(1) : names).join(
      ".",
    );
    const isPlain = node.arrayBounds === undefined && node.typmods === undefined;
    if (isPlain && isTypeName(name)) return name;
    const suffix = node.arrayBounds ? "[]" : node.typmods ? " with a length" : "";
    const place = location !== undefined && location >= 0 ? location : node.location;
    throw errorAt(this.#clause, place, `unsupported type ${name}${suffix}`);
  }

  /** Between the types of one kind, and through text (protocol 13.5). */
  #castTo(type: TypeName, from: TypedConstant): Constant {
    if (from.text === undefined || from.type === type) return from;
    if (isTextual(type)) {
      // Unlike its output, the cast of a boolean is spelt out.
      const text = from.type === "bool" ? String(from.text === "t") : from.text;
      return { ...from, text };
    }
    if (from.type === "int4" && type === "bool")
      return { ...from, text: from.text === "0" ? "f" : "t" };
    if (from.type === "bool" && type === "int4")
      return { ...from, text: from.text === "t" ? "1" : "0" };
    const isPossible = isTextual(from.type) || (isInteger(from.type) && isInteger(type));
    if (!isPossible) {
      throw this.#errorAt(from, `unknown cast from type ${from.type} to type ${type}`);
    }
    const text = canonicalText(type, from.text);
    if (text === undefined) {
      const value = JSON.stringify(from.text);
      throw this.#errorAt(from, `could not cast value ${value} from ${from.type} to ${type}`);
    }
    return { ...from, text };
  }

  #errorAt(place: { readonly location?: number | undefined }, message: string): Error {
    return errorAt(this.#clause, place.location, message);
  }
}

/** Whether Postgres has `=` between the two. */
export function areComparable(a: TypeName, b: TypeName): boolean {
  return a === b || (isInteger(a) && isInteger(b)) || (isTextual(a) && isTextual(b));
}

function isInteger(type: TypeName): boolean {
  return kindOf(type) === "int";
}

function isTextual(type: TypeName): boolean {
  return type === "text" || type === "varchar";
}
