/**
 * The seed of everything random in a run: SEED if given, and otherwise
 *
 *     at a desk   another one each time, so that every run looks somewhere new
 *     in CI       always the same, so that its verdict is about the commit and not about its luck
 *
 * Whoever uses it prints it.
 */
const CI_SEED = 20_261_122;

export function seedOfRun(): number {
  const { SEED, CI } = process.env;
  if (SEED !== undefined) return Number(SEED);
  return CI === undefined ? Math.floor(Math.random() * 2 ** 31) : CI_SEED;
}
