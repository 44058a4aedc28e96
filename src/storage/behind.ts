/**
 * Shapes with subqueries whose logs end before the journal does: rows are still moving in, and what
 * has happened in their tables meanwhile is not in their logs (`subqueries/`). A start must know
 * them, or it would take their logs for complete.
 *
 *     record    since u64, position u64, count varint, keys varint each    since 0: no longer
 *
 * Almost always there are none.
 */

import { LSN_ZERO, type Lsn } from "../model/lsn.ts";
import type { BehindSince } from "./storage.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

export interface BehindPayload extends BehindSince {
  readonly keys: readonly number[];
}

export function encodeBehind({ since, position, keys }: BehindPayload): Uint8Array {
  const writer = new ByteWriter().u64(since).u64(position).varint(keys.length);
  for (const key of keys) writer.varint(key);
  return writer.bytes;
}

export function decodeBehind(bytes: Uint8Array): BehindPayload {
  const reader = new ByteReader(bytes);
  const [since, position] = [reader.u64() as Lsn, reader.u64() as Lsn];
  const keys = Array.from({ length: reader.varint() }, () => reader.varint());
  return { since, position, keys };
}

/** All of them. */
export class BehindShapes {
  readonly #since = new Map<number, BehindSince>();

  get byKey(): ReadonlyMap<number, BehindSince> {
    return this.#since;
  }

  apply({ since, position, keys }: BehindPayload): void {
    for (const key of keys) {
      if (since === LSN_ZERO) this.#since.delete(key);
      else this.#since.set(key, { since, position });
    }
  }

  removed(key: number): void {
    this.#since.delete(key);
  }

  /** For `litz.db`. */
  toText(): string {
    return JSON.stringify(
      Array.from(this.#since, ([key, { since, position }]) => [key, `${since}`, `${position}`]),
    );
  }

  addText(text: string): void {
    for (const [key, since, position] of JSON.parse(text) as [number, string, string][]) {
      this.#since.set(key, { since: BigInt(since) as Lsn, position: BigInt(position) as Lsn });
    }
  }
}
