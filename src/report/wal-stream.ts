/**
 * Makes the bytes that a walsender would send: transactions of row changes on one table of seven
 * columns, about 180 bytes a row in large transactions, from a seed.
 *
 * Tenants 1 .. count have a shape each: their rows are wanted, those of the next `count` tenants
 * are not. Updates carry the whole old row, as REPLICA IDENTITY FULL makes Postgres do.
 */

import type { RelationSpec } from "./baseline/routing-engine.ts";
import { FrameWriter } from "./frame-writer.ts";
import { Random } from "./random.ts";

export const ORDERS: RelationSpec = {
  oid: 16_500,
  schema: "public",
  name: "orders",
  columns: [
    { name: "id", isBool: false },
    { name: "tenant_id", isBool: false },
    { name: "customer", isBool: false },
    { name: "email", isBool: false },
    { name: "status", isBool: false },
    { name: "amount", isBool: false },
    { name: "created_at", isBool: false },
  ],
  key: [0],
};
export const TENANT_COLUMN = 1;
export const ALL_COLUMNS = [0, 1, 2, 3, 4, 5, 6];

/** Made once: spelling names would take longer than routing them. */
const NAMES = Array.from({ length: 1024 }, (_, index) => new Random(index).letters(14));
const STATUSES = ["pending", "paid", "packed", "shipped", "delivered", "returned"];

export interface StreamOptions {
  readonly seed: number;
  readonly rowCount: number;
  readonly rowsPerTransaction: number;
  /** Tenants from 1 that are somebody's shape. */
  readonly tenantCount: number;
  /** Share of rows that belong to one of them, 0 to 1. */
  readonly matchedShare: number;
  /** `mixed`: of ten, 5 inserts, 4 updates, a tenth of which change the tenant, and 1 delete. */
  readonly operations: "insert" | "mixed";
}

/** The whole stream. Feed it in slices of what a socket delivers. */
export function makeWalStream(options: StreamOptions): Uint8Array {
  const random = new Random(options.seed);
  const writer = new FrameWriter();
  let rowId = 0;
  for (let row = 0; row < options.rowCount; row += options.rowsPerTransaction) {
    const count = Math.min(options.rowsPerTransaction, options.rowCount - row);
    writer.begin();
    if (row === 0) writer.relation(ORDERS);
    for (let index = 0; index < count; index += 1) {
      rowId += 1;
      writeChange(writer, random, options, rowId);
    }
    writer.commit();
  }
  return writer.take();
}

/** Cuts the stream as a socket does. Views, made once: replaying them allocates nothing. */
export function cutStream(stream: Uint8Array, chunkSize = 65_536): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += chunkSize) {
    chunks.push(stream.subarray(at, Math.min(at + chunkSize, stream.length)));
  }
  return chunks;
}

function writeChange(
  writer: FrameWriter,
  random: Random,
  options: StreamOptions,
  rowId: number,
): void {
  const row = makeRow(random, options, rowId);
  const kind = options.operations === "insert" ? 0 : random.below(10);
  if (kind < 5) {
    writer.insert(ORDERS.oid, row);
  } else if (kind < 9) {
    const after = [...row];
    after[4] = STATUSES[random.below(STATUSES.length)]!;
    if (random.below(10) === 0) after[TENANT_COLUMN] = makeTenant(random, options);
    writer.update(ORDERS.oid, row, after);
  } else {
    writer.delete(ORDERS.oid, row);
  }
}

function makeRow(random: Random, options: StreamOptions, rowId: number): string[] {
  const name = NAMES[random.below(NAMES.length)]!;
  const day = 10 + random.below(18);
  const time = `${10 + random.below(14)}:${10 + random.below(50)}:${10 + random.below(50)}`;
  return [
    String(rowId),
    makeTenant(random, options),
    `${name} ${NAMES[random.below(NAMES.length)]!.slice(0, 8)}`,
    `${name}@mail.example`,
    STATUSES[random.below(STATUSES.length)]!,
    `${random.below(100_000)}.${10 + random.below(90)}`,
    `2026-11-${day} ${time}.${100_000 + random.below(899_999)}`,
  ];
}

function makeTenant(random: Random, { tenantCount, matchedShare }: StreamOptions): string {
  const isMatched = random.fraction() < matchedShare;
  return String(1 + random.below(tenantCount) + (isMatched ? 0 : tenantCount));
}
