import fc from "fast-check";

/**
 * Runs a property. RUNS=50 makes a nightly run fifty times deeper; SEED replays a failure from
 * the seed that fast-check printed.
 */
export function check<Ts>(property: fc.IRawProperty<Ts>, runs = 200): void {
  const { RUNS = "1", SEED } = process.env;
  // The property is synchronous, and so is its check.
  void fc.assert(property, {
    numRuns: runs * Number(RUNS),
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  });
}
