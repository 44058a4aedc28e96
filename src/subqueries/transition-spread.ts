/**
 * What a transaction has done to views is told to the shapes that stand on them:
 *
 *     transitions ──> users of the view ──┬─ only move-outs: an event, at once
 *                                         └─ move-ins: behind, from this step on
 *
 * Whoever stands on a view that falls behind falls behind with it.
 */

import type { ShapeId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import { previousViewPosition, type ViewPosition } from "../model/view.ts";
import type { Router } from "../router/router.ts";
import type { Views } from "../router/views.ts";
import { INEXPRESSIBLE } from "./batches.ts";
import { EventGroups } from "./event-groups.ts";
import { moveEvents } from "./events.ts";
import type { Gate } from "./gates.ts";
import type { Laggards } from "./laggards.ts";
import { isView, type MovingTemplate } from "./moving-template.ts";
import type { MoveLog } from "./replayer.ts";
import { movesOf, type ShapeMoves } from "./shape-moves.ts";
import { netOfStep, type NetTransition } from "./transition-log.ts";
import type { Step } from "./view-steps.ts";

export interface TransitionSpreadOptions {
  readonly laggards: Laggards;
  readonly router: Router;
  readonly views: Views;
  readonly log: MoveLog;
  /** The shape cannot be kept. */
  readonly remove: (id: ShapeId, why: string) => void;
}

export class TransitionSpread {
  readonly #options: TransitionSpreadOptions;

  constructor(options: TransitionSpreadOptions) {
    this.#options = options;
  }

  /** Tells the shapes that use the views. Returns whether something was appended. */
  tell({ transitions, position }: Step, xids: readonly number[]): boolean {
    const { laggards, remove, router } = this.#options;
    const changed = netOfStep(transitions, xids);
    const groups = new EventGroups();
    const behind: Gate[] = [];
    const users = [...laggards.usersOf(changed.keys())];
    // Views first: whatever stands on one that falls behind falls behind with it.
    for (const areViews of [true, false]) {
      for (const id of users) {
        if (laggards.gates.has(id) || !router.isRouted(id)) continue;
        const template = laggards.templateOf(id);
        if (isView(template) !== areViews) continue;
        const views = laggards.viewsOf(id);
        const find = () => this.#movesBetween(template, views, changed);
        const moves = groups.movesOf(template, views, (view) => changed.has(view), find);
        if (moves.isInexpressible) {
          remove(id, INEXPRESSIBLE);
        } else if (moves.ins.length > 0 || (areViews && moves.outs.length > 0)) {
          this.#fallBehind(id, previousViewPosition(position), behind);
        } else if (moves.outs.length > 0) {
          groups.add(template, moves, id);
        }
      }
    }
    const hasAppended = this.#appendMoveOuts(groups);
    const { lsn } = laggards.lastCommit;
    // Some may have gone with a view that could not be kept.
    const present = behind.filter((gate) => laggards.isCurrent(gate));
    laggards.record(present, { since: lsn, position: justBefore(lsn) });
    laggards.trim();
    return hasAppended || behind.length > 0;
  }

  /** With the shapes that stand on it, if it is a view. What they miss begins with this step. */
  #fallBehind(id: ShapeId, position: ViewPosition, behind: Gate[]): void {
    const { laggards } = this.#options;
    const gate = laggards.add(id, "moving", position);
    laggards.hold(gate, justBefore(laggards.lastCommit.lsn));
    behind.push(gate);
    if (!isView(laggards.templateOf(id))) return;
    for (const user of [...laggards.usersOf([id])]) {
      if (!laggards.gates.has(user)) this.#fallBehind(user, position, behind);
    }
  }

  #movesBetween(
    template: MovingTemplate,
    views: readonly ShapeId[],
    changed: ReadonlyMap<ShapeId, readonly NetTransition[]>,
  ): ShapeMoves {
    const net = (view: ShapeId) => changed.get(view) ?? [];
    const state = { hasNull: (view: ShapeId) => this.#options.views.hasNull(view) };
    return movesOf(template.template.where!.subqueries!, views, net, state);
  }

  #appendMoveOuts(groups: EventGroups): boolean {
    const { lastCommit } = this.#options.laggards;
    let hasAppended = false;
    for (const { template, moves, ids } of groups.all()) {
      const { table } = template.relation;
      for (const body of moveEvents("move-out", table, moves.outs, moves.xids)) {
        this.#options.log.appendMoved(lastCommit.lsn, lastCommit.nextOp, body, ids);
        lastCommit.nextOp += 1;
        hasAppended = true;
      }
    }
    return hasAppended;
  }
}

function justBefore(lsn: Lsn): Lsn {
  return (lsn - 1n) as Lsn;
}
