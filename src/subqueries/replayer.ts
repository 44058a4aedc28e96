/**
 * Plays changes of the tape, and rows of a query, to shapes that are behind. What comes out goes
 * where it would have gone at the time: bodies to the logs, deltas to the views.
 *
 *     message ──> core: the shapes of one template, each at its own position ──┬──> log
 *                                                                              └──> view steps
 */

import { LitzError } from "../lib/errors.ts";
import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ViewPosition } from "../model/view.ts";
import type { FetchedRow } from "../postgres/move-query.ts";
import { fetchedRow } from "../router/fetched-row.ts";
import { matchedShape, type Router } from "../router/router.ts";
import type { BehindSince } from "../storage/storage.ts";
import type { MovingTemplate, MovingTemplates } from "./moving-template.ts";
import type { Steps } from "./sliced-work.ts";
import type { Mark, Tape, TapedCommit } from "./tape.ts";
import type { ViewSteps } from "./view-steps.ts";

/** Where the bodies go. `ChangeWriter` is one. */
export interface MoveLog {
  /** REQUIRES: per shape, (lsn, op) ascends. */
  append(lsn: Lsn, op: number, body: Uint8Array, ids: Uint32Array): void;
  /** The same, for what no transaction did: events, rows that moved in. */
  appendMoved(lsn: Lsn, op: number, body: Uint8Array, ids: Uint32Array): void;
  /** Notes where the logs of shapes end, or that they are complete (`ShapeStore.recordBehind`). */
  recordBehind(ids: readonly ShapeId[], behind: BehindSince | undefined): void;
  /**
   * Makes what was appended and recorded durable and visible as one.
   *
   * @param lsn up to where every log is complete that no record says otherwise of.
   */
  commitMoved(lsn: Lsn): void;
  /** Resolves when everything that was committed is durable. */
  flushed(): Promise<void>;
  /** The first op that the log of none of these shapes has with this LSN. */
  nextOp(ids: readonly ShapeId[], lsn: Lsn): number;
  /** Resolves when more can be taken; undefined: it can. */
  relieved(): Promise<void> | undefined;
  /** Forgets what was appended since the last commit. */
  forgetAppended(): void;
}

/** At which positions of the views a shape sees both rows of a change. Undefined: it does not. */
export interface Stance {
  readonly old: ViewPosition;
  readonly new: ViewPosition;
  /** See `ReplayPositions`. */
  readonly leavesFirst?: boolean;
}

export type StanceOf = (id: ShapeId) => Stance | undefined;

export interface ReplayerOptions {
  readonly router: Router;
  readonly templates: MovingTemplates;
  readonly tape: Tape;
  readonly steps: ViewSteps;
  readonly log: MoveLog;
}

export class Replayer {
  readonly #router: Router;
  readonly #templates: MovingTemplates;
  readonly #tape: Tape;
  readonly #steps: ViewSteps;
  readonly #log: MoveLog;

  constructor({ router, templates, tape, steps, log }: ReplayerOptions) {
    this.#router = router;
    this.#templates = templates;
    this.#tape = tape;
    this.#steps = steps;
    this.#log = log;
  }

  /**
   * Plays the commits from one mark to another, the latter not included. REQUIRES: the tape keeps
   * them, whoever goes meanwhile.
   *
   * @throws {LitzError} MOVE_FAILED when a change cannot be read.
   */
  *playTape(
    template: MovingTemplate,
    from: Mark,
    to: Mark,
    stanceOf: (id: ShapeId, commit: Mark) => Stance | undefined,
  ): Steps {
    for (const { commit, op, message } of this.#tape.changes(template.relation.id, from, to)) {
      yield;
      if (!this.#isLive(template)) return;
      const { lsn, xid } = this.#tape.commitAt(commit);
      this.#play(template, message, { lsn, xid, op }, "change", (id) => stanceOf(id, commit));
      this.#takeBodies(template, (index, body, ids) => {
        this.#log.append(lsn, this.#router.bodyOp(index), body, ids);
      });
    }
  }

  /**
   * Plays rows that a query found, which no transaction changed: to whom one is new at the new
   * position it is an insert.
   *
   * @param rows by catalog column, as the stream would send them.
   * @param anchor behind which they are written.
   * @param received is told who has got a row.
   * @throws {LitzError} MOVE_FAILED when a row cannot be read.
   */
  *playRows(
    template: MovingTemplate,
    rows: readonly FetchedRow[],
    anchor: TapedCommit,
    stanceOf: StanceOf,
    received: (ids: Uint32Array) => void = () => undefined,
  ): Steps {
    const at = { lsn: anchor.lsn, xid: anchor.xid, op: 0 };
    for (const values of rows) {
      yield;
      if (!this.#isLive(template)) return;
      // Another template may know of columns that this one does not.
      const { columns } = template.relation.table;
      const row = columns.map((_, index) => values[index] ?? null);
      this.#play(template, fetchedRow(row), at, "fetched", stanceOf);
      this.#takeBodies(template, (_, body, ids) => {
        this.#log.appendMoved(anchor.lsn, anchor.nextOp, body, ids);
        anchor.nextOp += 1;
        received(ids);
      });
    }
  }

  /** A template goes with the last of its shapes, be that between two slices. */
  #isLive({ id }: MovingTemplate): boolean {
    return this.#templates.has(id);
  }

  #play(
    template: MovingTemplate,
    message: Uint8Array,
    at: { readonly lsn: Lsn; readonly xid: number; readonly op: number },
    mode: "change" | "fetched",
    stanceOf: StanceOf,
  ): void {
    this.#router.positionsOf = stanceOf;
    if (this.#router.replay(template.id, message, at, mode)) return;
    throw new LitzError("a row cannot be read that rows of a subquery depend on", {
      code: "MOVE_FAILED",
    });
  }

  #takeBodies(
    template: MovingTemplate,
    append: (index: number, body: Uint8Array, ids: Uint32Array) => void,
  ): void {
    const { bytes, matches } = this.#router;
    for (let index = 0; index < this.#router.bodyCount; index++) {
      const address = this.#router.bodyAddress(index);
      const body = bytes.subarray(address, address + this.#router.bodySize(index));
      const first = this.#router.bodyFirstMatch(index);
      const ids = matches.slice(first, first + this.#router.bodyMatchCount(index));
      if (this.#router.bodyIsDelta(index)) {
        const views = Array.from(ids, matchedShape);
        this.#steps.take(body, template.template.projection!.length, views);
      } else {
        append(index, body, ids);
      }
    }
    this.#router.clearOutput();
  }
}
