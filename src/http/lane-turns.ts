/**
 * Work for thousands of connections, a little in every turn of the event loop, so that nobody else
 * waits for more than a few milliseconds.
 *
 * Jobs are done one after the other, in the order in which they came: what was said first is heard
 * first by everybody.
 */

export interface Job {
  /** What a step costs, in answers of one write. */
  readonly cost: number;
  /** Does one small step. False: there is none left, and it will not be asked again. */
  step(): boolean;
}

export class LaneTurns {
  readonly #costPerTurn: number;
  #jobs: Job[] = [];
  #isScheduled = false;

  constructor(costPerTurn: number) {
    this.#costPerTurn = costPerTurn;
  }

  /** The first steps are taken in the next turn. */
  add(job: Job): void {
    this.#jobs.push(job);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(runTurn, this);
  }

  /** For the event loop. */
  turn(): void {
    let done = 0;
    for (let cost = 0; cost < this.#costPerTurn && done < this.#jobs.length;) {
      const job = this.#jobs[done]!;
      cost += job.cost;
      if (!job.step()) done += 1;
    }
    this.#jobs = this.#jobs.slice(done);
    this.#isScheduled = this.#jobs.length > 0;
    if (this.#isScheduled) setImmediate(runTurn, this);
  }
}

/** What it takes to find out what is new in a log, and to encode it, in answers. */
export const READ_COST = 4;

/** What the HTTP layer takes for a request, in answers. */
export const REQUEST_COST = 16;

/** What it takes to answer a request without it. */
export const GET_COST = 4;

/** A job of a single step. */
export function once(cost: number, act: () => void): Job {
  return {
    cost,
    step: () => {
      act();
      return false;
    },
  };
}

function runTurn(turns: LaneTurns): void {
  turns.turn();
}
