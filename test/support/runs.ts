/**
 * How deep a test looks that is random: each says how many cases it takes at a desk, and RUNS
 * multiplies all of them. In CI, where the seed and so the cases are always the same, a third of
 * them keeps what was found found; RUNS=1 takes them all there, too.
 */
const CI_FACTOR = 1 / 3;

/** At least one. */
export function runsOf(count: number): number {
  return Math.max(1, Math.ceil(count * runFactor()));
}

/** How much longer than at a desk a test may take. */
export function patienceFactor(): number {
  return Math.max(1, runFactor());
}

function runFactor(): number {
  const { RUNS, CI } = process.env;
  if (RUNS !== undefined) return Number(RUNS);
  return CI === undefined ? 1 : CI_FACTOR;
}
