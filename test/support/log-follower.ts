/**
 * A client of a few lines that keeps what the official one throws away: every message, with its
 * offset, so that nothing lost and nothing twice can be told apart from rows that merely look
 * right.
 */

export interface Message {
  readonly key?: string;
  readonly value?: Record<string, string | null>;
  readonly headers: {
    readonly operation?: "insert" | "update" | "delete";
    readonly control?: string;
    readonly lsn?: string;
    readonly op_position?: number;
    readonly last?: boolean;
    readonly txids?: readonly number[];
  };
}

export class LogFollower {
  handle: string | undefined;
  offset = "-1";
  /** Rows by key, as a client materialises them. */
  readonly rows = new Map<string, Record<string, string | null>>();
  /** `lsn/op` of every change seen; each once. */
  readonly seen = new Set<string>();
  /** Changes that came a second time, inserts of known keys, changes of unknown ones. */
  readonly faults: string[] = [];
  refetchCount = 0;
  readonly #query: string;

  /** @param query the shape's definition, as a query string. */
  constructor(query: string) {
    this.#query = query;
  }

  /**
   * Reads until the server says that there is no more for now. Throws when it cannot be reached.
   */
  async catchUp(url: string, signal?: AbortSignal): Promise<void> {
    while (!(await this.#request(url, signal)));
  }

  async #request(url: string, signal?: AbortSignal): Promise<boolean> {
    const handle = this.handle === undefined ? "" : `&handle=${this.handle}`;
    const address = `${url}/v1/shape?${this.#query}&offset=${this.offset}${handle}`;
    const response = await fetch(address, signal === undefined ? {} : { signal });
    if (response.status === 409) {
      this.#startAgain(response.headers.get("electric-handle") ?? undefined);
      return false;
    }
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    const messages = (await response.json()) as Message[];
    // Only a whole answer counts: the connection may break in the middle of it.
    for (const message of messages) this.#apply(message);
    this.handle = response.headers.get("electric-handle")!;
    this.offset = response.headers.get("electric-offset")!;
    return messages.at(-1)?.headers.control === "up-to-date";
  }

  #startAgain(handle: string | undefined): void {
    this.handle = handle;
    this.offset = "-1";
    this.rows.clear();
    this.seen.clear();
    this.refetchCount += 1;
  }

  #apply({ key, value, headers }: Message): void {
    if (key === undefined || value === undefined) return;
    if (headers.lsn !== undefined) {
      const place = `${headers.lsn}/${headers.op_position}`;
      if (this.seen.has(place)) this.faults.push(`${place} came twice`);
      this.seen.add(place);
    }
    const isKnown = this.rows.has(key);
    if (headers.operation === "insert") {
      if (isKnown) this.faults.push(`${key} was inserted twice`);
      this.rows.set(key, value);
    } else {
      if (!isKnown) this.faults.push(`${headers.operation} of ${key}, which is unknown`);
      if (headers.operation === "delete") this.rows.delete(key);
      else this.rows.set(key, { ...this.rows.get(key), ...value });
    }
  }
}
