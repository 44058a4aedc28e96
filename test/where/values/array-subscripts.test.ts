/**
 * Subscripts, slices and constructors of arrays against Postgres, on arrays of every form.
 */

import { afterAll, beforeAll, test } from "vitest";
import { typeNamed } from "../../../src/where/type-table.ts";
import {
  elementAt,
  nestArrays,
  sliceOf,
  type SliceBounds,
} from "../../../src/where/values/array-subscripts.ts";
import type { ArrayValue, ScalarValue } from "../../../src/where/values/scalar-type.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { seededRandom } from "../../support/random.ts";
import { runsOf } from "../../support/runs.ts";
import { arrayText } from "./array-texts.ts";
import { compare, quoteLiteral } from "./differential.ts";
import { integerBetween, pick, type Random } from "./value-texts.ts";

const type = typeNamed("int4[]");
const read = (text: string): ArrayValue => type.parse(text) as ArrayValue;

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.dispose());

test("an element is found by its subscripts", async () => {
  const random = seededRandom("subscripts");
  await compare(database, runsOf(2_000), () => {
    const text = arrayText("int4", random);
    const subscripts = Array.from({ length: pick(random, [1, 1, 2, 3]) }, () => subscript(random));
    return {
      sql: `(${quoteLiteral(text)}::int4[])${subscripts.map((n) => `[${n}]`).join("")}`,
      evaluate: () => elementText(elementAt(read(text), subscripts)),
    };
  });
});

test("a slice is what lies inside the bounds", async () => {
  const random = seededRandom("slices");
  await compare(database, runsOf(2_000), () => {
    const text = arrayText("int4", random);
    const bounds = Array.from({ length: pick(random, [1, 1, 2, 3]) }, () => sliceBounds(random));
    const sql = bounds.map(({ lower = "", upper = "" }) => `[${lower}:${upper}]`).join("");
    return {
      sql: `(${quoteLiteral(text)}::int4[])${sql}`,
      evaluate: () => type.format(sliceOf(read(text), bounds)),
    };
  });
});

test("arrays in ARRAY[] become one, if they are alike", async () => {
  const random = seededRandom("constructors");
  await compare(database, runsOf(2_000), () => {
    const first = arrayText("int4", random);
    const texts = Array.from({ length: pick(random, [1, 2, 3]) }, () =>
      random() < 0.1 ? null : random() < 0.5 ? first : arrayText("int4", random),
    );
    const parts = texts.map((text) => `${text === null ? "NULL" : quoteLiteral(text)}::int4[]`);
    return {
      sql: `ARRAY[${parts.join(", ")}]`,
      evaluate: () => {
        const arrays = texts.map((text) => (text === null ? null : read(text)));
        return type.format(nestArrays("int4", arrays));
      },
    };
  });
});

function subscript(random: Random): number {
  return integerBetween(random, -4, 6);
}

function sliceBounds(random: Random): SliceBounds {
  return {
    ...(random() < 0.2 ? {} : { lower: subscript(random) }),
    ...(random() < 0.2 ? {} : { upper: subscript(random) }),
  };
}

function elementText(element: ScalarValue | null): string | null {
  return element === null ? null : typeNamed("int4").format(element);
}
