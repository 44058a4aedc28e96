/**
 * What Postgres must not forget yet. A shape that is behind needs what came after its place once
 * more, should the process end; and so it does until that it has caught up is durable.
 *
 *     behind ──caught up, or gone──> loose ──committed──> sealed ──synced──> forgotten
 *              Gate.held              in the journal's open commit
 *
 * Invariant: as long as a crash may find a shape's record of an earlier place, that place is held.
 */

import { minLsn, type Lsn } from "../model/lsn.ts";

export class Holds {
  #loose: Lsn | undefined;
  readonly #sealed = new Set<{ readonly lsn: Lsn }>();

  /** Nothing behind it may be confirmed; undefined: everything may. */
  get lowest(): Lsn | undefined {
    let lowest = this.#loose;
    for (const { lsn } of this.#sealed) lowest = lower(lowest, lsn);
    return lowest;
  }

  /** A shape does not need this place any more, but nobody has written that down yet. */
  loosen(lsn: Lsn): void {
    this.#loose = lower(this.#loose, lsn);
  }

  /**
   * What makes the loose ones needless has been committed.
   *
   * @param flushed says when that is durable.
   * @param onReleased is called then.
   */
  seal(flushed: () => Promise<void>, onReleased: () => void): void {
    if (this.#loose === undefined) return;
    const hold = { lsn: this.#loose };
    this.#loose = undefined;
    this.#sealed.add(hold);
    flushed().then(
      () => {
        this.#sealed.delete(hold);
        onReleased();
      },
      // A store that fails says so itself; then nothing is ever confirmed again.
      () => undefined,
    );
  }
}

function lower(one: Lsn | undefined, other: Lsn): Lsn {
  return one === undefined ? other : minLsn(one, other);
}
