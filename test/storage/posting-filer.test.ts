/**
 * Filing frames, plain and through shared lists, against an array per shape.
 *
 * Goal: whatever is frozen when, also in the middle of a frame, each shape has each of its seqs
 * once, what is buffered fits, and what is said to be filed is.
 *
 * Method: halves of so few postings that frames of a few bodies fill several; lists that come again
 * within a frame and across them, with shapes that are in more of them than they may be.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import type { LogSlot } from "../../src/model/ids.ts";
import { hashed } from "../../src/storage/key-lists.ts";
import { PostingFiler, type FramePostings } from "../../src/storage/posting-filer.ts";
import { SeqRanges } from "../../src/storage/seq-ranges.ts";
import { SharedLists } from "../../src/storage/shared-lists.ts";
import { ArrayPostingBuffer } from "../support/array-posting-buffer.ts";
import { checkAsync } from "../support/property.ts";

const KEYS = 7;
const slotOf = (key: number): number => 50 - key;

const list = fc.oneof(
  fc.uniqueArray(fc.integer({ min: 1, max: KEYS }), { minLength: 1, maxLength: KEYS }),
  fc.constantFrom<number[][]>([1, 2], [2, 3, 1], [4, 5, 6, 7]),
);

/** Bodies name a list of their frame; a number beyond them is of a body that belongs to no log. */
const frame = fc.record({
  lists: fc.array(list, { minLength: 1, maxLength: 3 }),
  bodies: fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
});
type Frame = typeof frame extends fc.Arbitrary<infer T> ? T : never;

const setting = fc.record({
  capacity: fc.integer({ min: 3, max: 24 }),
  listsPerShape: fc.integer({ min: 1, max: 3 }),
  void: fc.nat(30),
});

class Rig {
  readonly postings: ArrayPostingBuffer;
  readonly lists: SharedLists;
  readonly filer: PostingFiler;
  readonly model = new Map<number, number[]>();
  /** By key, in whatever order. */
  readonly #checkpointed = new Map<number, number[]>();
  readonly #voids = new SeqRanges();
  #seq = 2;

  constructor(setting: { capacity: number; listsPerShape: number; void: number }) {
    this.postings = new ArrayPostingBuffer(setting.capacity, (slot) => 50 - slot);
    const { listsPerShape } = setting;
    this.lists = new SharedLists(this.postings, { sharedListSize: 2, listsPerShape });
    this.#voids.add({ first: 5 + setting.void, last: 6 + setting.void });
    const makeRoom = () => this.checkpoint();
    this.filer = new PostingFiler(this.postings, this.lists, this.#voids, { makeRoom }, 0);
  }

  async file({ lists, bodies }: Frame): Promise<void> {
    const firstSeq = this.#seq;
    bodies.forEach((number, index) => {
      const seq = firstSeq + index;
      if (this.#voids.has(seq)) return;
      for (const key of lists[number] ?? []) {
        this.model.set(key, [...(this.model.get(key) ?? []), seq]);
      }
    });
    const postings: FramePostings = {
      firstSeq,
      count: bodies.length,
      listOf: (index) => (lists[bodies[index]!] === undefined ? undefined : bodies[index]),
      keysOf: (number) => Float64Array.from(lists[number]!),
      slotsOf: (number) => Uint32Array.from(lists[number]!, slotOf),
    };
    await this.filer.file(postings);
    this.#seq = firstSeq + bodies.length;
    assert.equal(this.filer.filedSeq, this.#seq - 1);
    this.#assertFits();
    for (const [key, seqs] of this.model) this.#compare(key, seqs);
  }

  /** As one does it, at once. */
  async checkpoint(): Promise<void> {
    this.#assertFits();
    this.postings.freeze();
    const { members, shared } = this.lists.freeze();
    const own = await this.postings.copyFrozen();
    for (let index = 0; index < own.count; index++) {
      this.#add(own.keys[index]!, own.base + own.seqs[index]!);
    }
    for (let member = 0; member < members.count; member++) {
      const name = members.base + members.seqs[member]!;
      for (let index = 0; index < shared.count; index++) {
        if (shared.keys[index] === name) {
          this.#add(members.keys[member]!, shared.base + shared.seqs[index]!);
        }
      }
    }
    this.postings.retire();
    this.lists.retire();
    this.lists.settle(Infinity);
  }

  #add(key: number, seq: number): void {
    this.#checkpointed.set(key, [...(this.#checkpointed.get(key) ?? []), seq]);
  }

  #compare(key: number, expected: readonly number[]): void {
    const slot = slotOf(key) as LogSlot;
    const found = [
      ...(this.#checkpointed.get(key) ?? []),
      ...this.postings.seqsAfter(slot, 0),
      ...this.lists.seqsAfter(key, 0),
    ];
    assert.deepEqual(
      found.sort((a, b) => a - b),
      expected,
    );
    const last = Math.max(this.postings.lastSeq(slot) ?? 0, this.lists.lastSeq(key));
    assert.equal(last, expected.at(-1) ?? 0);
  }

  #assertFits(): void {
    const { capacity, count } = this.postings;
    assert.ok(count + this.lists.count <= capacity, "what is buffered fits in a half");
  }
}

test("each shape has each of its seqs once, wherever a half ends", async () => {
  const property = fc.asyncProperty(
    setting,
    fc.array(frame, { maxLength: 12 }),
    async (setting, frames) => {
      const rig = new Rig(setting);
      for (const each of frames) await rig.file(each);
      await rig.checkpoint();
    },
  );
  await checkAsync(property, 400);
});

test("a list that was shared before the checkpoint is so at once behind it", async () => {
  const rig = new Rig({ capacity: 24, listsPerShape: 3, void: 30 });
  const bodies = [0];
  const lists = [[1, 2, 3, 4]];
  await rig.file({ lists, bodies });
  assert.equal(rig.postings.count, 4, "the first body of a list is filed for each shape");
  await rig.file({ lists, bodies });
  await rig.file({ lists, bodies });
  assert.equal(rig.postings.count + rig.lists.count, 4 + 4 + 2);
  await rig.checkpoint();
  await rig.file({ lists, bodies });
  assert.deepEqual([rig.postings.count, rig.lists.count], [0, 4 + 1]);
  assert.equal(rig.lists.find(hashed(Float64Array.of(1, 2, 3))), undefined);
});

test("others have their turn while many are filed", async () => {
  const shapes = Uint32Array.from({ length: 1_000 }, (_, n) => n + 1);
  const capacity = 200 * shapes.length;
  const postings = new ArrayPostingBuffer(capacity, (slot) => slot);
  const lists = new SharedLists(postings, { sharedListSize: 16, listsPerShape: 4 });
  const makeRoom = () => Promise.reject(new Error("there is room"));
  const filer = new PostingFiler(postings, lists, new SeqRanges(), { makeRoom }, 1);
  let [before, largest, isOver] = [0, 0, false];
  const turn = (): void => {
    largest = Math.max(largest, postings.count - before);
    before = postings.count;
    if (!isOver) setImmediate(turn);
  };
  const filing = filer.file({
    firstSeq: 2,
    count: 200,
    listOf: (index) => index,
    // No list twice, so that each shape has a posting.
    keysOf: (list) => Float64Array.from(shapes, (shape) => shape + list),
    slotsOf: () => shapes,
  });
  turn();
  await filing;
  isOver = true;
  turn();
  assert.equal(postings.count, capacity);
  assert.ok(largest <= 34_000, `${largest} in a turn`);
});
