/**
 * What could not be measured: one run that fails, for want of memory as a rule, takes none along of
 * those before and behind it.
 */

import { asError } from "../lib/errors.ts";
import type { Failure } from "./document.ts";

export class Failures {
  readonly #all: Failure[] = [];
  /** Is told of each, a line. */
  readonly #tell: (line: string) => void;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  get all(): readonly Failure[] {
    return this.#all;
  }

  /** What `work` gives; undefined when it fails, or has failed before by the same name. */
  async attempt<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#all.some((failure) => failure.what === what)) return undefined;
    try {
      return await work();
    } catch (error) {
      const failure = { what, why: asError(error).message };
      this.#all.push(failure);
      this.#tell(`could not be measured: ${what}: ${failure.why}`);
      return undefined;
    }
  }
}
