/** Waiting, as a parameter: what waits is given timers, so that tests decide when time passes. */

export type CancelTimer = () => void;

export interface Timers {
  /** Calls once, after at least that time. */
  after(delayMs: number, call: () => void): CancelTimer;
  /** Calls again and again, until cancelled. */
  every(intervalMs: number, call: () => void): CancelTimer;
}

export const systemTimers: Timers = {
  after: (delayMs, call) => {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  every: (intervalMs, call) => {
    const timer = setInterval(call, intervalMs);
    return () => clearInterval(timer);
  },
};
