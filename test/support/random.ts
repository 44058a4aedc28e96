/** Randomness that SEED replays; the seed of a run is printed. */

import { seedOfRun } from "./seed.ts";

export function seededRandom(name: string): () => number {
  const seed = seedOfRun();
  console.log(`${name}: SEED=${seed}`);
  return mulberry32(seed);
}

/** A small generator of good quality, 32 bits of state (Tommy Ettinger's mulberry32). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
