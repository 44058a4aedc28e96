/**
 * Work between two transactions that takes as long as it takes: rows that move, shapes that catch
 * up, one thing after the other. It is done in slices, and the event loop turns between them, so
 * that requests are answered meanwhile.
 *
 *     stream   ──commit──┐                                    ┌──next transaction──
 *     work               └─ slice ┬─ slice ┬─ ... ┬─ slice ───┘
 *     requests                    └──┘     └──┘   └──┘
 *
 * What takes no longer than a slice, as nearly everything does, is done before `run` returns.
 *
 * Invariants:
 *
 *   1. Tasks do not mix: one is done before the next begins, be that one that it asked for.
 *   2. While `unfinished` is there, neither the stream nor a boundary goes on (`LogCollector`). So
 *      between two slices shapes may go, but nothing else that the work stands on changes.
 */

import type { Clock } from "../lib/clock.ts";
import { asError, shuttingDown } from "../lib/errors.ts";
import { nextTurn } from "../lib/next-turn.ts";
import { isTrap } from "../router/core.ts";

/** Work; each `yield` is a place at which a slice may end. */
export type Steps<Result = void> = Generator<void, Result, void>;

export interface SlicedWorkOptions {
  readonly clock: Clock;
  /** How long a slice takes, give or take a step; 0: one step. */
  readonly sliceMicroseconds: number;
  /** Resolves when storage can take more; undefined: it can. */
  readonly relieved: () => Promise<void> | undefined;
}

interface Task {
  /** Returns whether that was all. */
  readonly step: () => boolean;
  /** Returns whether somebody has been told who deals with it. */
  readonly fail: (error: Error) => boolean;
}

export class SlicedWork {
  readonly #options: SlicedWorkOptions;
  readonly #tasks: Task[] = [];
  #unfinished: Promise<void> | undefined;
  #isInSlice = false;
  #isStopped = false;

  constructor(options: SlicedWorkOptions) {
    this.#options = options;
  }

  /**
   * Resolves when everything has been done that was begun; rejects when a task failed that nobody
   * waits for, or the core has trapped. Undefined: there is nothing.
   */
  get unfinished(): Promise<void> | undefined {
    return this.#unfinished;
  }

  /**
   * Does work, now or behind what was asked for before. REQUIRES: a boundary.
   *
   * @throws what a task throws that nobody waits for, or a trap, if that comes in the first slice.
   */
  do(steps: Steps): void {
    this.#add({ step: () => steps.next().done === true, fail: () => false });
  }

  /** The same for somebody who waits: resolves with what the work returns. */
  run<Result>(steps: Steps<Result>): Promise<Result> {
    let resolve!: (result: Result) => void;
    let reject!: (error: Error) => void;
    const promise = new Promise<Result>((...settle) => ([resolve, reject] = settle));
    const step = () => {
      const { done, value } = steps.next();
      if (done === true) resolve(value);
      return done === true;
    };
    const fail = (error: Error) => {
      // If it fails at once, it is thrown to who would have waited.
      if (isTrap(error)) promise.catch(() => undefined);
      reject(error);
      return !isTrap(error);
    };
    this.#add({ step, fail });
    return promise;
  }

  /**
   * Does no more, and fails what is asked for. Returns whether something was begun and is left as
   * it is. REQUIRES: the stream does not go on any more.
   */
  stop(): boolean {
    this.#isStopped = true;
    const isTorn = this.#tasks.length > 0;
    this.#cancelAll(shuttingDown());
    return isTorn;
  }

  #add(task: Task): void {
    if (this.#isStopped) {
      task.fail(shuttingDown());
      return;
    }
    this.#tasks.push(task);
    if (this.#isInSlice || this.#unfinished !== undefined) return;
    this.#slice();
    if (this.#tasks.length === 0) return;
    this.#unfinished = this.#goOn();
    // Whoever asks for it is told.
    this.#unfinished.catch(() => undefined);
  }

  async #goOn(): Promise<void> {
    try {
      while (this.#tasks.length > 0) {
        await nextTurn();
        await this.#options.relieved();
        if (this.#tasks.length > 0) this.#slice();
      }
    } finally {
      this.#unfinished = undefined;
    }
  }

  #slice(): void {
    const { clock, sliceMicroseconds } = this.#options;
    const end = clock.nowMicroseconds() + sliceMicroseconds;
    this.#isInSlice = true;
    try {
      do this.#step();
      while (this.#tasks.length > 0 && clock.nowMicroseconds() < end);
    } catch (error) {
      this.#cancelAll(asError(error));
      throw error;
    } finally {
      this.#isInSlice = false;
    }
  }

  #step(): void {
    const task = this.#tasks[0]!;
    let isDone = true;
    try {
      isDone = task.step();
    } catch (error) {
      if (!task.fail(asError(error))) throw error;
    } finally {
      if (isDone) this.#tasks.shift();
    }
  }

  #cancelAll(error: Error): void {
    for (const { fail } of this.#tasks.splice(0)) fail(error);
  }
}
