/**
 * What is kept for shapes that are behind has limits. Who ends where one is passed: as few as it
 * takes, and those first for whose sake most is kept.
 *
 *     changes of a table   kept from its shapes' earliest mark on: who is there ends, then who is
 *                          at the next
 *     what a view did      who stands on the view and is behind
 *
 * Ended shapes begin anew. Rather that than an end of memory, which is the end of everybody.
 */

import { assert } from "../lib/assert.ts";
import type { RelationId, ShapeId } from "../model/ids.ts";
import type { Router } from "../router/router.ts";
import type { Gate } from "./gates.ts";
import type { Laggards } from "./laggards.ts";
import { isView } from "./moving-template.ts";
import type { Mark } from "./tape.ts";

export interface MoveLimits {
  /** Bytes of changes of rows and views that are kept for shapes that are behind. */
  readonly tapeBytesMax: number;
  /** Transactions that a shape may be behind (`ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS`). */
  readonly transactionsMax: number;
  /** Bytes of rows of one batch. */
  readonly rowBytesMax: number;
}

export interface MoveLimiterOptions {
  readonly laggards: Laggards;
  readonly router: Pick<Router, "isRouted">;
  readonly limits: MoveLimits;
  readonly remove: (id: ShapeId, why: string) => void;
}

export class MoveLimiter {
  readonly #options: MoveLimiterOptions;

  constructor(options: MoveLimiterOptions) {
    this.#options = options;
  }

  /** Ends shapes for which too much has to be kept. REQUIRES: a boundary. */
  enforce(): void {
    this.#enforceTransactions();
    if (this.#isTooMuch) this.#relieve();
  }

  get #isTooMuch(): boolean {
    const { laggards, limits } = this.#options;
    return laggards.tape.bytes + laggards.transitions.bytes > limits.tapeBytesMax;
  }

  #enforceTransactions(): void {
    const { laggards, limits, remove } = this.#options;
    const { gates, tape } = laggards;
    const isFar = (relation: RelationId, since: Mark): boolean => {
      return tape.transactionsSince(relation, since) > limits.transactionsMax;
    };
    const places = [...gates.firstLimitedMarks()];
    if (!places.some(([relation, mark]) => isFar(relation, mark))) return;
    const known = new Map<string, boolean>();
    for (const gate of [...gates.all()]) {
      // With a view go the shapes that stand on it.
      if (gate.isRestored || !laggards.isCurrent(gate)) continue;
      const { id, relation, since } = gate;
      const key = `${relation}/${since}`;
      const isBehind = known.get(key) ?? isFar(relation, since);
      known.set(key, isBehind);
      if (isBehind) remove(id, tooManyTransactions(limits.transactionsMax));
    }
  }

  /** What is largest goes first. */
  #relieve(): void {
    const { tape, transitions } = this.#options.laggards;
    const views = transitions.bySize();
    let next = 0;
    while (this.#isTooMuch) {
      const track = tape.largest();
      const view = views[next];
      if (view !== undefined && view.bytes >= (track?.bytes ?? 0)) {
        this.#endAbove(view.id);
        transitions.forget(view.id);
        next += 1;
      } else if (track !== undefined) {
        this.#endEarliestOf(track.relation);
      } else {
        return;
      }
    }
  }

  /** Whoever is behind and stands on the view. Nobody asks what it has done so far then. */
  #endAbove(view: ShapeId): void {
    const { laggards, limits, remove, router } = this.#options;
    for (const user of [...laggards.usersOf([view])]) {
      // With one of them others may have gone.
      if (!router.isRouted(user)) continue;
      if (laggards.gates.has(user)) remove(user, tooManyValues(limits.tapeBytesMax));
      else if (isView(laggards.templateOf(user))) this.#endAbove(user);
    }
  }

  /** The shapes of a table that go back furthest; then less of its changes is needed. */
  #endEarliestOf(relation: RelationId): void {
    const { laggards, limits, remove } = this.#options;
    const ofTable = (gate: Gate) => gate.relation === relation;
    const gates = [...laggards.gates.all()].filter(ofTable);
    const first = laggards.firstMarkOf(gates);
    for (const gate of gates) {
      if (gate.since > first || !laggards.isCurrent(gate)) continue;
      remove(gate.id, tooManyChanges(limits.tapeBytesMax));
      assert(!laggards.isCurrent(gate), "a shape that has ended is behind no more");
    }
    const left = gates.filter((gate) => laggards.isCurrent(gate));
    if (left.length > 0) laggards.tape.forget(relation, laggards.firstMarkOf(left));
  }
}

function tooManyTransactions(most: number): string {
  return (
    `more than ${most} transactions changed its table while rows moved in; ` +
    "raise ELECTRIC_SUBQUERY_BUFFER_MAX_TRANSACTIONS"
  );
}

function tooManyChanges(bytesMax: number): string {
  return (
    `changes of its table took too much of ${bytesMax} bytes while rows moved in; ` +
    "raise LITZ_MOVE_BUFFER_MAX"
  );
}

function tooManyValues(bytesMax: number): string {
  return (
    `what its subquery gives changed too much for ${bytesMax} bytes while rows moved in; ` +
    "raise LITZ_MOVE_BUFFER_MAX"
  );
}
