/**
 * Who is there at the moment, in no order: a set of objects that know their place in it.
 *
 * Where they come and go by the thousand a `Set` would keep those that have gone alive, see
 * `transient-map.ts`; this is an array in which the last one takes the place of whoever leaves.
 *
 * Invariant: the member at a place has that place.
 */

export interface Member {
  /** Of the roster alone to write. */
  place: number;
}

/** The place of whoever is in no roster. */
export const NO_PLACE = -1;

export class Roster<Each extends Member> {
  readonly #members: Each[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** REQUIRES: it is in no roster. */
  add(member: Each): void {
    member.place = this.#members.push(member) - 1;
  }

  /** Whether it was there. */
  delete(member: Each): boolean {
    const { place } = member;
    if (place === NO_PLACE) return false;
    member.place = NO_PLACE;
    const last = this.#members.pop()!;
    if (last === member) return true;
    this.#members[place] = last;
    last.place = place;
    return true;
  }

  /** Of this moment: whoever is told something may leave. */
  members(): Each[] {
    return [...this.#members];
  }
}
