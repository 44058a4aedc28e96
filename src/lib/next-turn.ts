/** Resolves in the next turn of the event loop: whatever else has come is done first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
