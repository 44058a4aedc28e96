/**
 * Shapes to which the same happens: an event is made once for all of them, however many they are.
 * Ten thousand shapes of one template that share a subquery are one group.
 */

import type { ShapeId } from "../model/ids.ts";
import type { MovingTemplate } from "./moving-template.ts";
import type { ShapeMoves } from "./shape-moves.ts";

interface Group {
  readonly template: MovingTemplate;
  readonly moves: ShapeMoves;
  readonly members: ShapeId[];
}

export class EventGroups {
  readonly #moves = new Map<string, ShapeMoves>();
  readonly #groups = new Map<ShapeMoves, Group>();

  /**
   * What the changed views mean for a shape, found out once for all that have the same template and
   * the same changed views in the same places.
   */
  movesOf(
    { id }: MovingTemplate,
    views: readonly ShapeId[],
    isMeant: (view: ShapeId) => boolean,
    find: () => ShapeMoves,
    variant: string | number = "",
  ): ShapeMoves {
    const places = views.map((view) => (isMeant(view) ? view : "")).join();
    const key = `${id}:${variant}:${places}`;
    let moves = this.#moves.get(key);
    if (moves === undefined) {
      moves = find();
      this.#moves.set(key, moves);
    }
    return moves;
  }

  add(template: MovingTemplate, moves: ShapeMoves, id: ShapeId): void {
    const group = this.#groups.get(moves);
    if (group === undefined) this.#groups.set(moves, { template, moves, members: [id] });
    else group.members.push(id);
  }

  *all(): Generator<{ template: MovingTemplate; moves: ShapeMoves; ids: Uint32Array }, void, void> {
    for (const { template, moves, members } of this.#groups.values()) {
      yield { template, moves, ids: Uint32Array.from(members) };
    }
  }
}
