/** The types of values by name. Array types are made of their element's, when first asked for. */

import type { TimeZones } from "../model/time-zone.ts";
import { createArrayType } from "./values/array.ts";
import { boolType } from "./values/boolean.ts";
import { byteaType } from "./values/bytea.ts";
import { dateType } from "./values/date.ts";
import { enumType } from "./values/enum.ts";
import { float4Type, float8Type } from "./values/float.ts";
import { int2Type, int4Type, int8Type } from "./values/integer.ts";
import { intervalType } from "./values/interval.ts";
import { jsonType } from "./values/json.ts";
import { jsonbType } from "./values/jsonb.ts";
import { numericType } from "./values/numeric.ts";
import type { ScalarType, ScalarValue, Value } from "./values/scalar-type.ts";
import { bpcharType, nameType, textType, varcharType } from "./values/text.ts";
import { timeType } from "./values/time.ts";
import { fromLocal, timeZoneNamed } from "./values/time-zone.ts";
import { timestampType, timestamptzType, timestamptzTypeWith } from "./values/timestamp.ts";
import { uuidType } from "./values/uuid.ts";

const SCALARS = [
  boolType,
  byteaType,
  dateType,
  enumType,
  float4Type,
  float8Type,
  int2Type,
  int4Type,
  int8Type,
  intervalType,
  jsonType,
  jsonbType,
  numericType,
  bpcharType,
  nameType,
  textType,
  varcharType,
  timeType,
  timestampType,
  timestamptzType,
  uuidType,
] as unknown as readonly ScalarType<Value>[];

const types = new Map<string, ScalarType<Value>>(SCALARS.map((type) => [type.name, type]));

/**
 * What is known of a type.
 *
 * @param name as in an expression: `int4`, `text[]`, `enum`.
 * @throws {RangeError} there is none of that name.
 */
export function typeNamed(name: string): ScalarType<Value> {
  const type = types.get(name);
  if (type !== undefined) return type;
  if (!name.endsWith("[]")) throw new RangeError(`there is no type ${name}`);
  const element = typeNamed(name.slice(0, -2)) as unknown as ScalarType<ScalarValue>;
  const array = createArrayType(element) as unknown as ScalarType<Value>;
  types.set(name, array);
  return array;
}

/**
 * The same, for what is written in a clause: there a timestamptz may name a time zone.
 *
 * @param timeZones of the server; undefined: it cannot be asked.
 * @throws {RangeError} there is no type of that name.
 */
export function inputTypeNamed(name: string, timeZones: TimeZones | undefined): ScalarType<Value> {
  if (timeZones === undefined || !name.startsWith("timestamptz")) return typeNamed(name);
  const element = timestamptzTypeWith((local, zone) => {
    return fromLocal(local, timeZoneNamed(zone, timeZones));
  }) as unknown as ScalarType<ScalarValue>;
  if (!name.endsWith("[]")) return element as unknown as ScalarType<Value>;
  return createArrayType(element) as unknown as ScalarType<Value>;
}
