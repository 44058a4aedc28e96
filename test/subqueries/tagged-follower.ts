/**
 * A client of a shape with subqueries that forgives nothing: it reads the log over HTTP, and
 * `TaggedRows` notes whatever the server should not have sent.
 */

import { TaggedRows, type TaggedMessage } from "./tagged-rows.ts";

export interface ShapeRequest {
  readonly table: string;
  readonly where: string;
  readonly replica?: "full";
  /** Separated by commas. */
  readonly columns?: string;
}

type Value = Readonly<Record<string, string | null>>;

const RETRY_MS = 20;

export class TaggedFollower {
  readonly request: ShapeRequest;
  handle: string | undefined;
  offset = "-1";
  /** Handles that the server gave up. */
  readonly lostHandles: string[] = [];
  readonly #tagged = new TaggedRows<Value>();
  readonly rows = this.#tagged.byKey;
  readonly faults = this.#tagged.faults;
  readonly recent = this.#tagged.recent;
  readonly counts = this.#tagged.counts;

  constructor(request: ShapeRequest) {
    this.request = request;
  }

  /**
   * Reads until the server says that there is no more for now. Throws when it cannot be reached,
   * and `RefusedShape` when it does not take the definition.
   */
  async catchUp(url: string): Promise<void> {
    while (!(await this.#read(url)));
  }

  async #read(url: string): Promise<boolean> {
    const handle = this.handle === undefined ? {} : { handle: this.handle };
    const query = new URLSearchParams({ ...this.request, ...handle, offset: this.offset });
    const response = await fetch(`${url}/v1/shape?${query}`);
    if (response.status === 409) {
      this.#startAgain(response.headers.get("electric-handle") ?? undefined);
      return false;
    }
    if (response.status === 503) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      return false;
    }
    if (response.status === 400) throw new RefusedShape(await response.text());
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    const messages = (await response.json()) as TaggedMessage<Value>[];
    // Only a whole answer counts: the connection may break in the middle of it.
    for (const message of messages) this.#tagged.apply(message);
    this.handle = response.headers.get("electric-handle")!;
    this.#advance(response.headers.get("electric-offset")!);
    return messages.at(-1)?.headers.control === "up-to-date";
  }

  #advance(offset: string): void {
    if (isBefore(offset, this.offset)) this.faults.push(`from ${this.offset} back to ${offset}`);
    this.offset = offset;
  }

  #startAgain(handle: string | undefined): void {
    if (this.handle !== undefined) this.lostHandles.push(this.handle);
    this.handle = handle;
    this.offset = "-1";
    this.#tagged.clear();
  }
}

export class RefusedShape extends Error {}

function isBefore(a: string, b: string): boolean {
  const [[lsnA, opA], [lsnB, opB]] = [partsOf(a), partsOf(b)];
  return lsnA < lsnB || (lsnA === lsnB && opA < opB);
}

/** `-1`, `0_inf`, `<lsn>_<op>`. */
function partsOf(offset: string): readonly [bigint, number] {
  const [lsn, op = "0"] = offset.split("_");
  return [BigInt(lsn!), op === "inf" ? Infinity : Number(op)];
}
