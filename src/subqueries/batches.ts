/**
 * Batches of moves: all shapes of a template that are behind are brought up together.
 *
 *     gates that wait ─> batch ─> one query ─> the stream gets there ─> splice ─┬─> up to date
 *           ^                                                                  │
 *           └──────────────── views that have moved on meanwhile <─────────────┘
 *
 * A template has at most one batch under way. Whoever falls behind meanwhile is in the next.
 */

import { asError, LitzError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { ShapeId, TemplateId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { ViewPosition } from "../model/view.ts";
import { isTrap } from "../router/core.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import { EventGroups } from "./event-groups.ts";
import type { Gate } from "./gates.ts";
import type { Laggards } from "./laggards.ts";
import { MoveBatch } from "./move-batch.ts";
import type { MovingTemplate, MovingTemplates } from "./moving-template.ts";
import { movesOf, type ShapeMoves } from "./shape-moves.ts";
import { placeOf } from "./snapshot-place.ts";
import type { Steps } from "./sliced-work.ts";
import type { Splice } from "./splice.ts";
import type { Mark } from "./tape.ts";
import type { MoveQuery } from "./wanted-rows.ts";

export interface BatchesOptions {
  readonly router: Router;
  readonly views: Views;
  readonly templates: MovingTemplates;
  readonly laggards: Laggards;
  readonly splice: Splice;
  readonly query: MoveQuery;
  /** Where the views are. */
  readonly position: () => ViewPosition;
  /** What was played to views is applied, and told to the shapes that use them. */
  readonly step: (xids: readonly number[]) => void;
  /** Gates have gone or moved on, and what was appended has to become durable. */
  readonly settled: () => void;
  /** A batch has entered the log of a shape: see `SubsetWatches.spliced`. */
  readonly spliced: (gate: Gate, until: ViewPosition, place: Mark) => void;
  readonly remove: (id: ShapeId, why: string) => void;
  readonly askProgress: () => void;
  readonly rowBytesMax: number;
  readonly logger: Logger;
}

export class Batches {
  readonly #options: BatchesOptions;
  readonly #underWay = new Map<TemplateId, MoveBatch>();
  #isStartWanted = false;
  #queryCount = 0;
  #isClosed = false;

  constructor(options: BatchesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#underWay.size;
  }

  /** How many queries have been made. */
  get queryCount(): number {
    return this.#queryCount;
  }

  /** Begins a batch of every template of which a shape waits. REQUIRES: a boundary. */
  *start(): Steps {
    const { laggards, templates } = this.#options;
    this.#isStartWanted = false;
    if (this.#isClosed || laggards.gates.count === 0) return;
    for (const id of [...laggards.gates.templatesThatWait()]) {
      // What one batch does may end shapes, and begin others, of the templates behind it.
      if (this.#underWay.has(id) || laggards.gates.waitingOf(id).length === 0) continue;
      yield* this.#start(templates.get(id));
    }
  }

  /** Finishes what can be finished: the stream has been read up to `received`. */
  *reached(received: Lsn): Steps {
    for (const batch of [...this.#underWay.values()]) {
      if (batch.failure !== undefined) this.#giveUp(batch, batch.failure);
      else if (batch.isReady && received >= batch.bounds!.lsn) yield* this.#finish(batch);
    }
    if (this.#isStartWanted) yield* this.start();
  }

  /** The shape of a gate is gone. A batch is given up with its last. */
  left(gate: Gate): void {
    const batch = this.#underWay.get(gate.template);
    if (batch?.gateOf(gate.id) !== gate) return;
    batch.leave();
    if (!batch.isLeft) return;
    batch.stop();
    this.#underWay.delete(gate.template);
    // Whoever waited for it to end comes next, at a boundary.
    this.#isStartWanted = true;
    this.#options.askProgress();
  }

  /** Gives up every query; none is begun any more. */
  close(): void {
    this.#isClosed = true;
    for (const batch of this.#underWay.values()) batch.stop();
  }

  *#start(template: MovingTemplate): Steps {
    const { laggards, position, remove, router } = this.#options;
    const until = position();
    const { lsn } = laggards.lastCommit;
    const groups = new EventGroups();
    const found: [Gate, ShapeMoves][] = [];
    for (const gate of laggards.gates.waitingOf(template.id)) {
      yield;
      if (laggards.isCurrent(gate))
        found.push([gate, this.#movesOf(gate, template, until, groups)]);
    }
    const moves = found.filter(([gate]) => laggards.isCurrent(gate));
    if (moves.length === 0) return;
    const constantsOf = (id: ShapeId) => router.constantsOf(id);
    const batch = new MoveBatch({ template, moves, groups, until, untilLsn: lsn, constantsOf });
    this.#underWay.set(template.id, batch);
    for (const id of batch.inexpressible) remove(id, INEXPRESSIBLE);
    if (batch.isLeft) return;
    if (batch.needsRows) this.#fetch(batch);
    else yield* this.#finish(batch);
  }

  /** The same object for shapes to which the same happens. */
  #movesOf(
    gate: Gate,
    template: MovingTemplate,
    until: ViewPosition,
    groups: EventGroups,
  ): ShapeMoves {
    const { laggards, views } = this.#options;
    const { subqueries } = template.template.where!;
    const { transitions } = laggards;
    const shapeViews = laggards.viewsOf(gate.id);
    const state = { hasNull: (view: ShapeId) => views.hasNull(view) };
    const hasChanged = (view: ShapeId) => transitions.hasChanged(view, gate.position);
    const net = (view: ShapeId) => transitions.net(view, gate.position, until);
    const find = () => movesOf(subqueries!, shapeViews, net, state);
    return groups.movesOf(template, shapeViews, hasChanged, find, gate.position);
  }

  /** As often as it takes: meanwhile the limits of what is kept hold (`MoveLimiter`). */
  #fetch(batch: MoveBatch): void {
    const { askProgress, laggards, logger, query, rowBytesMax } = this.#options;
    this.#queryCount += 1;
    batch.fetch(query, rowBytesMax).then(
      () => askProgress(),
      (error: unknown) => {
        if (this.#isClosed || batch.isLeft) return;
        const { message } = asError(error);
        logger.warn({ error: message, shapes: batch.gates.length }, "rows of a move were not read");
        const isWanted = batch.gates.some((gate) => laggards.isCurrent(gate));
        const isRetriable = error instanceof LitzError && error.retriable;
        if (isRetriable && isWanted) {
          this.#fetch(batch);
          return;
        }
        // At the next boundary: a transaction may be being read.
        batch.failure = `the rows of a move could not be read: ${message}`;
        askProgress();
      },
    );
  }

  /** REQUIRES: a boundary, at which everything that the rows' snapshot shows has been read. */
  *#finish(batch: MoveBatch): Steps {
    // Its shapes may have gone, with those of another.
    if (batch.isLeft) return;
    const { laggards, router, settled, step } = this.#options;
    const { bounds } = batch;
    const gates = batch.gates.filter((gate) => laggards.isCurrent(gate));
    const { tape } = laggards;
    const first = laggards.firstMarkOf(gates);
    const place = bounds === undefined ? tape.mark : placeOf(bounds, first, tape, router);
    if (place === undefined) {
      batch.again();
      if (batch.isHopeless) this.#giveUp(batch, "no snapshot has its rows at a clear place");
      else this.#fetch(batch);
      return;
    }
    try {
      yield* this.#splice(batch, first, place);
    } catch (error) {
      if (isTrap(error)) throw error;
      this.#giveUp(batch, asError(error).message);
      return;
    }
    step(batch.xids);
    yield* this.#moveOn(batch, place);
    settled();
  }

  *#splice(batch: MoveBatch, first: Mark, place: Mark): Steps {
    const { laggards, splice } = this.#options;
    // Shapes may go between two slices, and would have it trimmed.
    laggards.tape.followFrom(first);
    try {
      yield* splice.run(batch, first, place);
    } finally {
      laggards.unfollow(first);
    }
  }

  /** Shapes whose views have moved on meanwhile stay behind, for the next batch. */
  *#moveOn(batch: MoveBatch, place: Mark): Steps {
    const { laggards, spliced } = this.#options;
    const { until, untilLsn } = batch;
    const upToDate = new Set<Gate>();
    for (const gate of batch.gates) {
      yield;
      if (laggards.isCurrent(gate) && laggards.isUpToDate(gate, until)) upToDate.add(gate);
    }
    // From here to the commit in one turn: whoever waits for a shape is told.
    if (!batch.isLeft) this.#underWay.delete(batch.template.id);
    const behind: Gate[] = [];
    const done: Gate[] = [];
    for (const gate of batch.gates) {
      if (!laggards.isCurrent(gate)) continue;
      spliced(gate, until, place);
      gate.isInBatch = false;
      gate.isRestored = false;
      gate.position = until;
      gate.since = laggards.tape.mark;
      laggards.hold(gate, untilLsn);
      (upToDate.has(gate) ? done : behind).push(gate);
    }
    for (const gate of done) laggards.release(gate);
    laggards.record(done, undefined);
    laggards.record(behind, { since: laggards.lastCommit.lsn, position: untilLsn });
  }

  #giveUp(batch: MoveBatch, why: string): void {
    if (batch.isLeft) return;
    const { laggards, remove, settled } = this.#options;
    this.#underWay.delete(batch.template.id);
    for (const gate of batch.gates) if (laggards.isCurrent(gate)) remove(gate.id, why);
    settled();
  }
}

export const INEXPRESSIBLE = "NULL entered or left a subquery under NOT IN";
