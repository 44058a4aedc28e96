/**
 * Waits until `check` no longer throws: for what becomes true in its own time. The limit is there
 * to end a test that has failed, not to measure.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  timeoutMs = 30_000,
  intervalMs = 20,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  while (true) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
  }
}
