/**
 * A table with columns for all classes of WHERE, and streams of inserts and updates of it: about
 * 200 bytes a row. An update is of a row that goes elsewhere, or every second time of nothing that
 * a shape looks at. A row is wanted by the shapes of a slot below the number of shapes, by none
 * above it.
 */

import type { RelationSpec } from "../baseline/routing-engine.ts";
import { FrameWriter } from "../frame-writer.ts";
import { Random } from "../random.ts";

export const COLUMN = { id: 0, n: 1, name: 2, note: 3, tags: 4, document: 5 } as const;
export const ALL_COLUMNS = Object.values(COLUMN);

export const EVENTS: RelationSpec = {
  oid: 16_600,
  schema: "public",
  name: "events",
  columns: Object.keys(COLUMN).map((name) => ({ name, isBool: false })),
  key: [COLUMN.id],
};

/**
 * Numbers of a slot. Shapes have the first half at most, and unwanted rows lie behind it: between
 * the ranges, where an index has to look, and not beyond all of them.
 */
export const NUMBERS_PER_SLOT = 10;
const GAP = 7;

/** Six letters that no other slot has, scattered over the alphabet. */
export function wordOf(slot: number): string {
  // An odd factor permutes 28 bits; 26^6 is above 2^28.
  let rest = Math.imul(slot, 0x9e3779b1) & 0xfff_ffff;
  let word = "";
  for (let index = 0; index < 6; index += 1) {
    word = String.fromCharCode(97 + (rest % 26)) + word;
    rest = Math.floor(rest / 26);
  }
  return word;
}

export interface EventStreamOptions {
  readonly seed: number;
  readonly rowCount: number;
  readonly shapeCount: number;
  /** Share of rows that belong to a slot with shapes, 0 to 1. */
  readonly matchedShare: number;
  readonly operation: "insert" | "update";
}

export function makeEventStream(options: EventStreamOptions): Uint8Array {
  const random = new Random(options.seed);
  const writer = new FrameWriter();
  for (let row = 0; row < options.rowCount; row += 1000) {
    writer.begin();
    if (row === 0) writer.relation(EVENTS);
    const end = Math.min(row + 1000, options.rowCount);
    for (let id = row; id < end; id += 1) writeChange(writer, random, options, id);
    writer.commit();
  }
  return writer.take();
}

function writeChange(
  writer: FrameWriter,
  random: Random,
  options: EventStreamOptions,
  id: number,
): void {
  const row = makeRow(random, options, id);
  if (options.operation === "insert") {
    writer.insert(EVENTS.oid, row);
    return;
  }
  const after = random.below(2) === 0 ? makeRow(random, options, id) : [...row];
  after[COLUMN.name] = `${after[COLUMN.name]}!`;
  writer.update(EVENTS.oid, row, after);
}

function makeRow(random: Random, options: EventStreamOptions, id: number): (string | null)[] {
  const { shapeCount, matchedShare } = options;
  const isMatched = random.fraction() < matchedShare;
  const numberSlot = random.below(shapeCount);
  const slot = numberSlot + (isMatched ? 0 : shapeCount);
  const word = wordOf(slot);
  const others = [1, 2, 3].map(() => wordOf(shapeCount * 2 + random.below(1000)));
  return [
    String(id),
    String(numberSlot * NUMBERS_PER_SLOT + (isMatched ? 0 : GAP)),
    `${word} ${random.letters(14)}`,
    isMatched ? null : random.letters(8),
    `{${[...others, word].join(",")}}`,
    `{"kind": "order", "owner": {"id": ${id}, "name": "${word}"}, "open": true}`,
  ];
}
