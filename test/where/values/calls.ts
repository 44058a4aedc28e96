/** Cases for `differential.ts`: a text that is read and written, an operation that is called. */

import type { TimeZones } from "../../../src/model/time-zone.ts";
import { typeNamed } from "../../../src/where/type-table.ts";
import type { Operation } from "../../../src/where/operations/operation.ts";
import { EvaluationError, InvalidText, SQL_STATE } from "../../../src/where/values/errors.ts";
import type { TypeName } from "../../../src/where/values/scalar-type.ts";
import { quoteLiteral, type Case } from "./differential.ts";

/** The settings of protocol 8.2, under which everything is computed. */
export const SESSION_SETTINGS = `
  SET DateStyle = 'ISO, DMY'; SET TimeZone = 'UTC'; SET IntervalStyle = 'iso_8601';
  SET extra_float_digits = 1; SET bytea_output = 'hex'`;

export function reading(name: TypeName, text: string): Case {
  const type = typeNamed(name);
  return {
    sql: `${quoteLiteral(text)}::${name}`,
    isAnyError: true,
    evaluate: () => type.format(type.parse(text)),
  };
}

/** What looks malformed to us may be a form of Postgres' that we do not support. */
export function hesitantly({ sql, evaluate }: Case): Case {
  return {
    sql,
    isAnyError: true,
    evaluate: () => {
      try {
        return evaluate();
      } catch (error) {
        if (!(error instanceof InvalidText)) throw error;
        throw new EvaluationError(error.message, SQL_STATE.featureNotSupported);
      }
    },
  };
}

/** Of an operation that does not depend on its place. The arguments are texts of their types. */
export function calling(
  operation: Operation,
  args: readonly string[],
  timeZones?: TimeZones,
): Case {
  const types = operation.args as readonly TypeName[];
  const literals = args.map((arg, index) => `${quoteLiteral(arg)}::${types[index]!}`);
  return {
    sql: sqlOf(operation, literals),
    evaluate: () => {
      const values = args.map((arg, index) => typeNamed(types[index]!).parse(arg));
      const result = operation.bind({ types, caseMapping: undefined as never, timeZones })(
        ...values,
      );
      return result === null ? null : typeNamed(operation.result).format(result);
    },
  };
}

function sqlOf({ kind, name, sql }: Operation, args: readonly string[]): string {
  if (sql !== undefined) return sql(args);
  switch (kind) {
    case "binary":
      return `(${args[0]!} OPERATOR(pg_catalog.${name}) ${args[1]!})`;
    case "prefix":
      return `(OPERATOR(pg_catalog.${name}) ${args[0]!})`;
    case "cast":
      return `(${args[0]!})::${name}`;
    case "function":
      return `pg_catalog.${name}(${args.join(", ")})`;
  }
}
