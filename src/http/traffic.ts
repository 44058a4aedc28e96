/**
 * What goes through the edges of one service, as numbers: answers by kind of route and status, and
 * who is being served at the moment. Nothing is kept per request, client or URL.
 *
 *     answers    route ──> counter per status         3 rows of 500 numbers
 *     sources    edges, servers ──> asked when somebody wants to know
 */

/** The first digit of a status is 1 to 5. */
const STATUS_MIN = 100;
const STATUS_END = 600;

/** `shape`: everything about shapes; `admin`: behind `/admin`; `other`: health, documents, 404s. */
export const ROUTES = ["shape", "admin", "other"] as const;
export type Route = (typeof ROUTES)[number];

/** Whoever serves at the moment. */
export interface TrafficSource {
  readonly connectionCount: number;
  readonly initialCount: number;
  readonly existingCount: number;
  readonly pollCount: number;
  readonly streamCount: number;
}

export interface TrafficReport {
  readonly connections: number;
  readonly requests: { readonly initial: number; readonly existing: number };
  readonly waiting: { readonly longPolls: number; readonly eventStreams: number };
  /** Those that there were. */
  readonly answers: readonly {
    readonly route: Route;
    readonly status: number;
    readonly count: number;
  }[];
}

export class Traffic {
  readonly #answers = new Map(
    ROUTES.map((route) => [route, new Float64Array(STATUS_END - STATUS_MIN)]),
  );
  readonly #sources = new Set<TrafficSource>();

  answered(route: Route, status: number): void {
    if (status >= STATUS_MIN && status < STATUS_END)
      this.#answers.get(route)![status - STATUS_MIN]! += 1;
  }

  add(source: TrafficSource): void {
    this.#sources.add(source);
  }

  remove(source: TrafficSource): void {
    this.#sources.delete(source);
  }

  report(): TrafficReport {
    const total = (count: (source: TrafficSource) => number): number =>
      [...this.#sources].reduce((sum, source) => sum + count(source), 0);
    return {
      connections: total((source) => source.connectionCount),
      requests: {
        initial: total((source) => source.initialCount),
        existing: total((source) => source.existingCount),
      },
      waiting: {
        longPolls: total((source) => source.pollCount),
        eventStreams: total((source) => source.streamCount),
      },
      answers: [...this.#answers].flatMap(([route, counts]) =>
        Array.from(counts, (count, index) => ({ route, status: STATUS_MIN + index, count })).filter(
          ({ count }) => count > 0,
        ),
      ),
    };
  }
}
