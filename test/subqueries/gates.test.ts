/**
 * Shapes that are behind, against a list of them.
 *
 * Goal: whatever becomes of gates, what is counted of them is what a look at all of them would
 * find.
 *
 * Method: few gates, places and templates, so that most of them share some; every field changed,
 * while a gate counts and while it does not.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import type { RelationId, ShapeId, TemplateId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { ViewPosition } from "../../src/model/view.ts";
import { Gate, Gates, type GateState } from "../../src/subqueries/gates.ts";
import { check } from "../support/property.ts";

const GATE_COUNT = 6;
const STATES: readonly GateState[] = ["restored", "placing", "moving"];

const change = fc.record({
  gate: fc.nat(GATE_COUNT - 1),
  field: fc.constantFrom("since", "position", "held", "state", "isRestored", "isInBatch", "gone"),
  value: fc.nat(4),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Of two templates and relations; every second one stands on the view of gate 0. */
function createGate(number: number): Gate {
  return new Gate({
    id: (number + 1) as ShapeId,
    template: ((number % 2) + 1) as TemplateId,
    relation: ((number % 2) + 1) as RelationId,
    nestedViews: number % 3 === 2 ? [1 as ShapeId] : [],
    since: number,
    position: number as ViewPosition,
    state: STATES[number % 3]!,
  });
}

function apply(gates: Gates, gate: Gate, { field, value }: Change): void {
  if (field === "since") gate.since = value;
  if (field === "position") gate.position = value as ViewPosition;
  if (field === "held") gate.held = value === 0 ? undefined : (BigInt(value) as Lsn);
  if (field === "state") gate.state = STATES[value % 3]!;
  if (field === "isRestored") gate.isRestored = value % 2 === 0;
  if (field === "isInBatch") gate.isInBatch = value % 2 === 0;
  if (field === "gone" && !gates.remove(gate)) gates.add(gate);
}

function compare(gates: Gates): void {
  const all = [...gates.all()];
  const least = <Value extends number | bigint>(values: readonly Value[]): Value | undefined =>
    values.toSorted((a, b) => (a < b ? -1 : 1))[0];
  assert.equal(gates.firstMark, least(all.map(({ since }) => since)));
  assert.equal(gates.firstPosition, least(all.map(({ position }) => position)));
  assert.equal(gates.firstHeld, least(all.flatMap(({ held }) => held ?? [])));
  const waiting = all.filter((gate) => {
    return gate.state === "moving" && !gate.isInBatch && !gates.isAboveLaggard(gate);
  });
  const templates = new Set(waiting.map(({ template }) => template));
  assert.deepEqual(new Set(gates.templatesThatWait()), templates);
  for (const number of [1, 2]) {
    const inTemplate = waiting.filter(({ template }) => template === number);
    assert.deepEqual(new Set(gates.waitingOf(number as TemplateId)), new Set(inTemplate));
  }
  const limited = all.filter(({ isRestored }) => !isRestored);
  const relations = new Set(limited.map(({ relation }) => relation));
  const marks = [...relations].map((one) => {
    return [one, least(limited.filter(({ relation }) => relation === one).map((g) => g.since))];
  });
  assert.deepEqual(new Map(gates.firstLimitedMarks()), new Map(marks as [RelationId, number][]));
}

test("what is counted is what a look at all would find", () => {
  check(
    fc.property(fc.array(change, { maxLength: 60, size: "max" }), (changes) => {
      const gates = new Gates();
      const made = Array.from({ length: GATE_COUNT }, (_, number) => createGate(number));
      for (const gate of made) gates.add(gate);
      compare(gates);
      for (const one of changes) {
        apply(gates, made[one.gate]!, one);
        compare(gates);
      }
    }),
    200,
  );
});
