/** The catalogue by name: a persisted expression names its operations as they are declared. */

import type { OperationName } from "../../model/expression.ts";
import { CATALOGUE } from "./catalogue.ts";
import type { Operation } from "./operation.ts";

const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  CATALOGUE.map((operation) => [keyOf(operation), operation]),
);

/** Its name, as far as there is such an operation. */
export function findOperation(name: OperationName): OperationName | undefined {
  return OPERATIONS.has(keyOf(name)) ? name : undefined;
}

/** @throws {RangeError} there is none. */
export function operationNamed(name: OperationName): Operation {
  const operation = OPERATIONS.get(keyOf(name));
  if (operation === undefined) throw new RangeError(`there is no operation ${keyOf(name)}`);
  return operation;
}

function keyOf({ kind, name, args }: OperationName): string {
  return `${kind} ${name}(${args.join(", ")})`;
}
