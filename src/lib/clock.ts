/** The only place that reads time: everything else is given a clock, so that tests can set it. */

export interface Clock {
  /** Milliseconds since 1970. */
  nowMilliseconds(): number;
  /** Microseconds since 1970, below 2^53 until the year 2255. */
  nowMicroseconds(): number;
}

export const systemClock: Clock = {
  nowMilliseconds: () => Date.now(),
  nowMicroseconds: () => Math.floor((performance.timeOrigin + performance.now()) * 1000),
};
