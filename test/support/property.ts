import fc from "fast-check";
import { runsOf } from "./runs.ts";
import { seedOfRun } from "./seed.ts";

/**
 * Runs a property. RUNS=50 makes a nightly run fifty times deeper; SEED replays a failure from
 * the seed that fast-check printed.
 */
export function check<Ts>(property: fc.IRawProperty<Ts>, runs = 200): void {
  // The property is synchronous, and so is its check.
  void fc.assert(property, parameters(runs));
}

/** The same for a property whose steps are awaited. */
export async function checkAsync<Ts>(
  property: fc.IAsyncProperty<Ts>,
  runs: number,
  options: { readonly endOnFailure?: boolean } = {},
): Promise<void> {
  await fc.assert(property, { ...parameters(runs), ...options });
}

/** Values of an arbitrary, as many as RUNS asks for. Prints the seed. */
export function sample<T>(name: string, arbitrary: fc.Arbitrary<T>, count: number): T[] {
  const { numRuns, seed } = parameters(count);
  console.log(`${name}: SEED=${seed}`);
  return fc.sample(arbitrary, { numRuns, seed });
}

function parameters(runs: number): { readonly numRuns: number; readonly seed: number } {
  return { numRuns: runsOf(runs), seed: seedOfRun() };
}
