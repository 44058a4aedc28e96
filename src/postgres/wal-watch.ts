/**
 * How far Postgres is ahead of us.
 *
 * The stream does not tell: a keepalive names what was sent, not what was written. So Postgres is
 * asked, when somebody asks us and at most once a second. Bytes are a difference. Seconds are told
 * from two clues, each of which is blind where the other sees:
 *
 *     stalled       for how long have we known of a position that is not confirmed yet?
 *     catching up   how old was the last transaction when Postgres sent it?
 *
 * 1. Positions that are confirmed are forgotten; of the others at most SAMPLES_MAX are remembered,
 *    the oldest always among them.
 */

import type { Clock } from "../lib/clock.ts";
import { Refreshed } from "../lib/refreshed.ts";
import type { Timers } from "../lib/timers.ts";
import { parseLsn, type Lsn } from "../model/lsn.ts";
import type { Queryable } from "./pool.ts";

export interface WalWatchOptions {
  readonly database: Queryable;
  readonly slot: string;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** How far we are. */
export interface Progress {
  readonly confirmed: Lsn;
  /** Grows with every transaction that is read. */
  readonly transactionCount: number;
  /** Of the last one, between its commit and its sending. */
  readonly delaySeconds: number;
}

export interface WalLag {
  /** The end of what Postgres has flushed. */
  readonly position: Lsn;
  /** From what is confirmed to there. */
  readonly lagBytes: number;
  readonly lagSeconds: number;
  /** WAL that Postgres keeps for the slot. Null: it has no such slot. */
  readonly retainedBytes: number | null;
}

const INTERVAL_MS = 1_000;
/** A database that is busy or gone must not keep a scrape waiting, which has its own timeout. */
const PATIENCE_MS = 500;
const SAMPLES_MAX = 64;

const QUERY = `
  SELECT position, (SELECT pg_wal_lsn_diff(position, restart_lsn)::bigint
                    FROM pg_replication_slots WHERE slot_name = $1)
  FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                    ELSE pg_current_wal_flush_lsn() END AS position) wal`;

interface Answer {
  readonly position: Lsn;
  readonly retainedBytes: number | null;
}

interface Sample {
  readonly position: Lsn;
  readonly seenAtMs: number;
}

export class WalWatch {
  readonly #options: WalWatchOptions;
  readonly #answer: Refreshed<Answer>;
  #samples: Sample[] = [];
  /** When Postgres was asked last. */
  #transactionCount = 0;
  /** Whether transactions were read between the last two questions. */
  #isReading = false;

  constructor(options: WalWatchOptions) {
    this.#options = options;
    const { clock, timers } = options;
    this.#answer = new Refreshed({
      clock,
      timers,
      intervalMs: INTERVAL_MS,
      patienceMs: PATIENCE_MS,
      read: () => this.#ask(),
    });
  }

  /** Undefined: Postgres does not answer. */
  async lag(progress: () => Progress): Promise<WalLag | undefined> {
    const answer = await this.#answer.get();
    if (answer === undefined) return undefined;
    const { confirmed, delaySeconds, transactionCount } = progress();
    this.#note(answer.position, transactionCount);
    this.#samples = this.#samples.filter(({ position }) => position > confirmed);
    const [oldest] = this.#samples;
    if (oldest === undefined) return { ...answer, lagBytes: 0, lagSeconds: 0 };
    const knownForMs = this.#options.clock.nowMilliseconds() - oldest.seenAtMs;
    return {
      ...answer,
      lagBytes: Number(answer.position - confirmed),
      lagSeconds: Math.max(knownForMs / 1000, this.#isReading ? delaySeconds : 0),
    };
  }

  /** Once for each new position. */
  #note(position: Lsn, transactionCount: number): void {
    if (position === this.#samples.at(-1)?.position) return;
    this.#isReading = transactionCount !== this.#transactionCount;
    this.#transactionCount = transactionCount;
    // Fewer of them tell as well where the oldest lies, which stays.
    if (this.#samples.length === SAMPLES_MAX) {
      this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
    }
    this.#samples.push({ position, seenAtMs: this.#options.clock.nowMilliseconds() });
  }

  async #ask(): Promise<Answer> {
    const { database, slot } = this.#options;
    const [row] = await database.query(QUERY, [slot]);
    const [position, retained] = row!;
    return {
      position: parseLsn(position!),
      retainedBytes: retained === null || retained === undefined ? null : Number(retained),
    };
  }
}
