/**
 * A client of the protocol as small as can be, so that what is measured is the server: it counts
 * the rows that arrive and keeps none. Long-polls, as official clients do unless told otherwise.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../lib/clock.ts";
import { LitzError } from "../../lib/errors.ts";

export interface ShapeSource {
  /** With `/v1/shape` at its end. */
  readonly url: string;
  readonly secret: string | undefined;
  readonly table: string;
}

/** Answers that say "later" (protocol section 3) are taken at their word this often. */
const TRIES_MAX = 20;
const RETRY_AFTER_MS = 500;

const ADVICE: Readonly<Record<number, string>> = {
  401: "; name the secret with --secret",
  404: "; is this the right URL?",
};

interface Position {
  readonly handle: string;
  readonly offset: string;
  readonly cursor: string | undefined;
}

interface Answer {
  readonly position: Position;
  readonly isUpToDate: boolean;
  /** Of operations on rows. */
  readonly rowCount: number;
}

interface Message {
  readonly headers: { readonly operation?: string };
}

/** Milliseconds of a clock that only goes forward. */
export function nowMs(): number {
  return systemClock.nowMicroseconds() / 1000;
}

export class ShapeClient {
  readonly #source: ShapeSource;
  readonly #where: string;
  readonly #abort = new AbortController();
  #position: Position | undefined;
  #arrivedCount = 0;
  #awaited: { readonly count: number; readonly resolve: (ms: number) => void } | undefined;
  #following: Promise<void> | undefined;

  constructor(source: ShapeSource, where: string) {
    this.#source = source;
    this.#where = where;
  }

  /** Rows that have arrived since `open`. */
  get arrivedCount(): number {
    return this.#arrivedCount;
  }

  /** Reads until the shape is up to date; makes it if it is not there. */
  async open(): Promise<void> {
    for (;;) {
      const { position, isUpToDate } = await this.#request(false);
      this.#position = position;
      if (isUpToDate) return;
    }
  }

  /** Waits for changes until `stop`. @param fail is told when that breaks. */
  follow(fail: (error: Error) => void): void {
    this.#following = this.#followOn().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) fail(error as Error);
    });
  }

  /** When so many rows had arrived since `open`. One caller at a time. */
  arrived(count: number): Promise<number> {
    if (this.#arrivedCount >= count) return Promise.resolve(nowMs());
    return new Promise((resolve) => {
      this.#awaited = { count, resolve };
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#following;
  }

  async #followOn(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const { position, rowCount } = await this.#request(true);
      const arrivedMs = nowMs();
      this.#position = position;
      this.#arrivedCount += rowCount;
      const awaited = this.#awaited;
      if (awaited === undefined || this.#arrivedCount < awaited.count) continue;
      this.#awaited = undefined;
      awaited.resolve(arrivedMs);
    }
  }

  async #request(isLive: boolean): Promise<Answer> {
    const url = this.#urlOf(isLive);
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(url, { signal: this.#abort.signal }).catch((cause: unknown) => {
        throw failure(`${this.#source.url} does not answer; is the server there?`, cause);
      });
      const body = await response.text();
      if (response.ok) return read(response, body);
      const isLater = response.status === 429 || response.status === 503;
      if (!isLater || tries === TRIES_MAX) {
        const advice = ADVICE[response.status] ?? "";
        throw failure(`${url.pathname} answered ${response.status}: ${body}${advice}`);
      }
      await sleep(1000 * Number(response.headers.get("retry-after") ?? 0) || RETRY_AFTER_MS);
    }
  }

  #urlOf(isLive: boolean): URL {
    const url = new URL(this.#source.url);
    const { secret, table } = this.#source;
    url.searchParams.set("table", table);
    url.searchParams.set("where", this.#where);
    url.searchParams.set("offset", this.#position?.offset ?? "-1");
    if (this.#position !== undefined) url.searchParams.set("handle", this.#position.handle);
    if (this.#position?.cursor !== undefined) {
      url.searchParams.set("cursor", this.#position.cursor);
    }
    if (isLive) url.searchParams.set("live", "true");
    if (secret !== undefined) url.searchParams.set("secret", secret);
    return url;
  }
}

function read({ status, headers }: Response, body: string): Answer {
  const handle = headers.get("electric-handle");
  const offset = headers.get("electric-offset");
  if (handle === null || offset === null) {
    throw failure("the answer has no electric-handle and electric-offset: is this the right URL?");
  }
  const cursor = headers.get("electric-cursor") ?? undefined;
  const messages = status === 204 || body === "" ? [] : (JSON.parse(body) as readonly Message[]);
  const rowCount = messages.filter((message) => message.headers.operation !== undefined).length;
  const isUpToDate = headers.has("electric-up-to-date");
  return { position: { handle, offset, cursor }, isUpToDate, rowCount };
}

function failure(message: string, cause?: unknown): LitzError {
  return new LitzError(message, { code: "REPORT_SERVER_FAILED", cause });
}
