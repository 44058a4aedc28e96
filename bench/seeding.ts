/**
 * Very many shapes in no time: one is made over HTTP, the others are written by the storage layer
 * itself, as `ShapeCreator` would have: created, with a snapshot of one row, and checkpointed.
 *
 * REQUIRES: the server that made the first one, whose WHERE has the tenant 1, has stopped.
 */

import { join } from "node:path";
import Database from "better-sqlite3";
import { systemClock } from "../src/lib/clock.ts";
import { decodeConstants, encodeConstants } from "../src/model/constants-codec.ts";
import type { LogSlot, StorageKey } from "../src/model/ids.ts";
import { loadCore } from "../src/router/core.ts";
import { PostingBuffer } from "../src/router/posting-buffer.ts";
import { ShapeTable } from "../src/router/shape-table.ts";
import { openStore } from "../src/storage/open-store.ts";
import type { Store } from "../src/storage/store.ts";

/** Creations that are on their way at once: each group of them is one write. */
const CREATIONS_AT_ONCE = 2_000;

const FIRST = 1 as StorageKey;

/** Adds shapes with tenants from 2 to `count + 1`. */
export async function seedShapes(storage: string, count: number): Promise<void> {
  const core = await loadCore();
  const shapes = new ShapeTable(core);
  const store = openStore({
    directory: storage,
    postings: new PostingBuffer(core),
    databaseIdentity: identityOf(storage),
    clock: systemClock,
    listener: {
      durable: () => undefined,
      failed: (error) => {
        throw error;
      },
    },
  });
  const slotOf = (key: StorageKey) => shapes.mint(key, 0) as number as LogSlot;
  await store.restore(slotOf);
  const model = store.findShape(FIRST)!;
  for (let first = 0; first < count; first += CREATIONS_AT_ONCE) {
    const length = Math.min(CREATIONS_AT_ONCE, count - first);
    const creations = Array.from({ length }, (_, index) =>
      createShape(store, slotOf, model, first + index + 2),
    );
    await Promise.all(creations);
  }
  await store.close();
}

interface Model {
  readonly template: string;
  readonly hash: number;
  readonly constants: Uint8Array;
}

async function createShape(
  store: Store,
  slotOf: (key: StorageKey) => LogSlot,
  { template, hash, constants }: Model,
  tenant: number,
): Promise<void> {
  const key = store.issueKey();
  const own = decodeConstants(constants).map((text) => text.replace(/\b1\b/, `${tenant}`));
  const record = { key, hash, template, constants: encodeConstants(own) };
  const created = store.createShape(record, slotOf(key));
  const writer = store.writeSnapshot(key);
  await writer.write(Buffer.from(rowOf(tenant)));
  await Promise.all([created, writer.finish(store.snapshotBounds(FIRST)!)]);
}

function rowOf(tenant: number): string {
  const value = `{"id":"${tenant}","tenant_id":"${tenant}","name":"item ${tenant}"}`;
  const headers = `{"operation":"insert","relation":["public","items"]}`;
  return `{"key":"\\"public\\".\\"items\\"/\\"${tenant}\\"","value":${value},"headers":${headers}}`;
}

function identityOf(storage: string): string {
  const database = new Database(join(storage, "litz.db"), { readonly: true });
  const row = database.prepare("select value from meta where name = 'identity'").pluck().get();
  database.close();
  return row as string;
}
