/**
 * Where a batch of moves enters the logs of its shapes, all at once:
 *
 *     taped changes that the rows' snapshot shows        by the views as they were
 *     ─── the snapshot's place ───────────────────────────────────────────────────
 *     move-out event, move-in event, rows, snapshot-end  behind the last change in front
 *     taped changes that it does not show                by the views at the end of the batch
 *
 * So a row that a client is given supersedes whatever was told of it before, and nothing is told of
 * it twice. It is done in slices, and one commit of the journal: nobody reads half of it. A shape
 * that goes in between has no more of it.
 */

import { assert } from "../lib/assert.ts";
import type { ShapeId } from "../model/ids.ts";
import { snapshotEndMessage } from "../model/snapshot-bounds.ts";
import type { ViewPosition } from "../model/view.ts";
import { matchedShape } from "../router/router.ts";
import { moveEvents, type MoveEvent } from "./events.ts";
import type { Gate } from "./gates.ts";
import type { MoveBatch } from "./move-batch.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import type { MoveLog, Replayer } from "./replayer.ts";
import type { Pattern } from "./shape-moves.ts";
import type { Steps } from "./sliced-work.ts";
import type { Mark, Tape, TapedCommit } from "./tape.ts";

export interface SpliceOptions {
  readonly replayer: Replayer;
  readonly tape: Tape;
  readonly log: MoveLog;
  /** Whether a gate is still its shape's. */
  readonly isCurrent: (gate: Gate) => boolean;
}

export class Splice {
  readonly #options: SpliceOptions;

  constructor(options: SpliceOptions) {
    this.#options = options;
  }

  /**
   * REQUIRES: the tape keeps what is behind `first`, whoever goes meanwhile.
   *
   * @param first the earliest mark of its shapes.
   * @param place of the rows' snapshot.
   * @throws {LitzError} MOVE_FAILED when a change or a row cannot be read.
   */
  *run(batch: MoveBatch, first: Mark, place: Mark): Steps {
    const { replayer, tape } = this.#options;
    const { template, until } = batch;
    const gateOf = (id: ShapeId): Gate | undefined => {
      const gate = batch.gateOf(id);
      return gate !== undefined && this.#options.isCurrent(gate) ? gate : undefined;
    };
    yield* replayer.playTape(template, first, place, (id, commit) => {
      const gate = gateOf(id);
      return gate === undefined || commit < gate.since ? undefined : both(gate.position);
    });
    const anchor = this.#anchorOf(place, batch);
    if (!isView(template)) {
      yield* this.#appendEvents(batch, "move-out", anchor, gateOf);
      yield* this.#appendEvents(batch, "move-in", anchor, gateOf);
    }
    yield* this.#appendRows(batch, anchor, gateOf);
    yield* replayer.playTape(template, place, tape.mark, (id, commit) => {
      const gate = gateOf(id);
      return gate === undefined || commit < gate.since ? undefined : both(until);
    });
  }

  /** An earlier process may have written behind the same commit. */
  #anchorOf(place: Mark, { template, gates }: MoveBatch): TapedCommit {
    const { isCurrent, log, tape } = this.#options;
    const anchor = tape.anchorOf(place);
    if (isView(template)) return anchor;
    const restored = gates.filter((gate) => gate.isRestored && isCurrent(gate));
    const ids = restored.map(({ id }) => id);
    anchor.nextOp = Math.max(anchor.nextOp, log.nextOp(ids, anchor.lsn));
    return anchor;
  }

  /** Plays to one shape what came behind its mark. REQUIRES: as `run`. */
  playRest(template: MovingTemplate, gate: Gate, position: ViewPosition): Steps {
    const { isCurrent, replayer, tape } = this.#options;
    return replayer.playTape(template, gate.since, tape.mark, (id) => {
      return id === gate.id && isCurrent(gate) ? both(position) : undefined;
    });
  }

  *#appendEvents(
    { groups }: MoveBatch,
    event: MoveEvent,
    anchor: TapedCommit,
    gateOf: (id: ShapeId) => Gate | undefined,
  ): Steps {
    for (const { template, moves, ids } of groups.all()) {
      const patterns: readonly Pattern[] = event === "move-in" ? moves.ins : moves.outs;
      if (patterns.length === 0) continue;
      for (const body of moveEvents(event, template.relation.table, patterns, moves.xids)) {
        yield;
        const present = ids.filter((id) => gateOf(matchedShape(id)) !== undefined);
        if (present.length > 0) this.#append(anchor, body, present);
      }
    }
  }

  *#appendRows(
    batch: MoveBatch,
    anchor: TapedCommit,
    gateOf: (id: ShapeId) => Gate | undefined,
  ): Steps {
    if (batch.rows.length === 0) return;
    const { replayer } = this.#options;
    const receivers = new Set<ShapeId>();
    const leavesFirst = !isView(batch.template);
    const stanceOf = (id: ShapeId) => {
      const gate = gateOf(id);
      if (gate === undefined) return undefined;
      return { old: gate.position, new: batch.until, leavesFirst };
    };
    yield* replayer.playRows(batch.template, batch.rows, anchor, stanceOf, (ids) => {
      for (const id of ids) receivers.add(matchedShape(id));
    });
    const present = [...receivers].filter((id) => gateOf(id) !== undefined);
    if (present.length === 0) return;
    assert(batch.bounds !== undefined, "rows were read in a snapshot");
    const body = Buffer.from(snapshotEndMessage(batch.bounds));
    this.#append(anchor, body, Uint32Array.from(present));
  }

  #append(anchor: TapedCommit, body: Uint8Array, ids: Uint32Array): void {
    this.#options.log.appendMoved(anchor.lsn, anchor.nextOp, body, ids);
    anchor.nextOp += 1;
  }
}

function both(position: ViewPosition) {
  return { old: position, new: position };
}
