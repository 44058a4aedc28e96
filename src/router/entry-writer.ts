/**
 * Writes what a shape has in the accesses of its template's plan, as `assembly/access-entry.ts`
 * reads it:
 *
 *     ┌────────────┬───────────┬────────────────────┬─ ─ ─
 *     │ branch u16 │ flags u16 │ u32 size, bytes    │            a text for each value
 *     └────────────┴───────────┴────────────────────┴─ ─ ─
 *
 * Into one buffer that is used again and again: a shape is added by the hundred thousand, and an IN
 * list may have thousands of entries.
 */

import type { AccessBound, AccessEntry } from "../model/access-plan.ts";

const HAS_LOWER = 1;
const HAS_UPPER = 2;
const LOWER_INCLUSIVE = 4;
const UPPER_INCLUSIVE = 8;
const PREFIX = 16;

const HEAD_SIZE = 4;
const SIZE_SIZE = 4;
/** A UTF-16 unit takes at most so many bytes of UTF-8. */
const BYTES_PER_UNIT = 3;

const NOTHING = new Uint8Array(0);

export class EntryWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #at = 0;

  /** Valid until the next call. */
  write(entries: readonly AccessEntry[]): Uint8Array {
    if (entries.length === 0) return NOTHING;
    this.#at = 0;
    for (const entry of entries) this.#entry(entry);
    return this.#buffer.subarray(0, this.#at);
  }

  #entry(entry: AccessEntry): void {
    if ("values" in entry) {
      this.#head(entry.branch, 0);
      for (const value of entry.values) this.#text(value);
      return;
    }
    const { branch, lower, upper, prefix } = entry;
    if (prefix !== undefined) {
      this.#head(branch, PREFIX);
      this.#text(prefix);
      return;
    }
    const flags = flagsOf(lower, HAS_LOWER, LOWER_INCLUSIVE);
    this.#head(branch, flags | flagsOf(upper, HAS_UPPER, UPPER_INCLUSIVE));
    if (lower !== undefined) this.#text(lower.value);
    if (upper !== undefined) this.#text(upper.value);
  }

  #head(branch: number, flags: number): void {
    this.#reserve(HEAD_SIZE);
    this.#at = this.#buffer.writeUInt16LE(branch, this.#at);
    this.#at = this.#buffer.writeUInt16LE(flags, this.#at);
  }

  #text(text: string): void {
    this.#reserve(SIZE_SIZE + text.length * BYTES_PER_UNIT);
    const size = this.#buffer.write(text, this.#at + SIZE_SIZE);
    this.#buffer.writeUInt32LE(size, this.#at);
    this.#at += SIZE_SIZE + size;
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#at + size, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }
}

function flagsOf(bound: AccessBound | undefined, has: number, inclusive: number): number {
  if (bound === undefined) return 0;
  return bound.isInclusive ? has | inclusive : has;
}
