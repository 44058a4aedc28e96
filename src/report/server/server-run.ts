/** What was measured of a server over HTTP at one number of shapes. */
export interface ServerRun {
  readonly url: string;
  readonly shapeCount: number;
  readonly clientCount: number;
  readonly creation: {
    readonly perSecond: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
  /** Undefined: no process was named. */
  readonly memory: ServerMemory | undefined;
  /** From sending INSERT to the client having the row, single rows one after the other. */
  readonly latency: {
    readonly writeCount: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly longestMs: number;
  };
  /** Rows per second from the first INSERT until the last row has arrived. */
  readonly throughput: {
    readonly rowCount: number;
    /** Every row is for one of the waiting clients. */
    readonly wantedPerSecond: number;
    /** No row but the last is for anybody. */
    readonly unwantedPerSecond: number;
  };
}

export interface ServerMemory {
  readonly pid: number;
  /** Before the first of these shapes was asked for. */
  readonly rssBeforeBytes: number;
  /** Once all were there and RSS had settled. */
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}
