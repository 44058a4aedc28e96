/**
 * A client of a shape with subqueries that forgives nothing (protocol 14): tags and active
 * conditions are kept as TanStack DB's collection keeps them, and whatever a server should not have
 * sent is a fault.
 *
 *     row     value, tags (one per disjunct, slots by position), active conditions by position
 *     event   rows with the hash in that slot: the condition becomes true, or false
 *
 * A row whose conditions make no disjunct true any more is gone.
 */

export interface ShapeRequest {
  readonly table: string;
  readonly where: string;
  readonly replica?: "full";
  /** Separated by commas. */
  readonly columns?: string;
}

type Value = Readonly<Record<string, string | null>>;

interface Message {
  readonly key?: string;
  readonly value?: Value;
  readonly old_value?: Value;
  readonly headers: {
    readonly operation?: "insert" | "update" | "delete";
    readonly control?: string;
    readonly event?: "move-in" | "move-out";
    readonly patterns?: readonly { readonly pos: number; readonly value: string }[];
    readonly tags?: readonly string[];
    readonly removed_tags?: readonly string[];
    readonly active_conditions?: readonly boolean[];
    readonly is_move_in?: boolean;
    readonly lsn?: string;
    readonly op_position?: number;
  };
}

export interface TaggedRow {
  readonly value: Value;
  readonly tags: readonly string[];
  readonly active: boolean[];
}

/** So that a failure can be read. */
const MESSAGES_KEPT = 60;
const RETRY_MS = 20;

export class TaggedFollower {
  readonly request: ShapeRequest;
  handle: string | undefined;
  offset = "-1";
  readonly rows = new Map<string, TaggedRow>();
  readonly faults: string[] = [];
  /** Handles that the server gave up. */
  readonly lostHandles: string[] = [];
  /** The last messages, as text. */
  readonly recent: string[] = [];
  counts = { moveIns: 0, moveOuts: 0, movedRows: 0, changes: 0 };
  #width: number | undefined;
  readonly #seen = new Set<string>();

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
    const messages = (await response.json()) as Message[];
    // Only a whole answer counts: the connection may break in the middle of it.
    for (const message of messages) this.#apply(message);
    this.handle = response.headers.get("electric-handle")!;
    this.#advance(response.headers.get("electric-offset")!);
    return messages.at(-1)?.headers.control === "up-to-date";
  }

  #advance(offset: string): void {
    if (isBefore(offset, this.offset)) this.#fault(`from ${this.offset} back to ${offset}`);
    this.offset = offset;
  }

  #startAgain(handle: string | undefined): void {
    if (this.handle !== undefined) this.lostHandles.push(this.handle);
    this.handle = handle;
    this.offset = "-1";
    this.rows.clear();
    this.#seen.clear();
    this.#width = undefined;
    this.recent.length = 0;
  }

  #apply(message: Message): void {
    const { operation, event, control } = message.headers;
    if (control === "up-to-date") return;
    this.recent.push(JSON.stringify(message));
    if (this.recent.length > MESSAGES_KEPT) this.recent.shift();
    if (event !== undefined) this.#move(event, message.headers.patterns ?? []);
    if (operation !== undefined) this.#change(operation, message);
  }

  #change(operation: string, { key = "", value = {}, headers }: Message): void {
    this.counts.changes += 1;
    if (headers.lsn !== undefined) {
      const place = `${headers.lsn}/${headers.op_position}`;
      if (this.#seen.has(place)) this.#fault(`${place} came twice`);
      this.#seen.add(place);
    }
    if (headers.is_move_in === true) this.counts.movedRows += 1;
    const { tags, active_conditions: active } = headers;
    if (tags === undefined || active === undefined) {
      this.#fault(`${operation} of ${key} has no tags`);
      return;
    }
    this.#checkWidth(tags, active);
    const known = this.rows.get(key);
    if (operation === "insert") {
      if (known !== undefined) this.#fault(`${key} was inserted twice`);
      this.#put(key, { value, tags, active: [...active] });
    } else if (known === undefined) {
      this.#fault(`${operation} of ${key}, which is unknown`);
    } else if (operation === "delete") {
      if (!isSubset(known.tags, tags)) this.#fault(`${key} had other tags than its delete says`);
      this.rows.delete(key);
    } else {
      this.#checkRemovedTags(key, known.tags, tags, headers.removed_tags);
      this.#put(key, { value: { ...known.value, ...value }, tags, active: [...active] });
    }
  }

  #put(key: string, row: TaggedRow): void {
    if (!isVisible(row)) this.#fault(`${key} came, but none of its disjuncts is true`);
    this.rows.set(key, row);
  }

  #checkRemovedTags(
    key: string,
    old: readonly string[],
    tags: readonly string[],
    removed: readonly string[] | undefined,
  ): void {
    const expected = old.filter((tag) => !tags.includes(tag));
    if (removed?.length !== expected.length || !isSubset(expected, removed)) {
      this.#fault(`update of ${key} removes ${removed?.join()} instead of ${expected.join()}`);
    }
  }

  #checkWidth(tags: readonly string[], active: readonly boolean[]): void {
    this.#width ??= active.length;
    const widths = [active.length, ...tags.map((tag) => tag.split("/").length)];
    if (widths.some((width) => width !== this.#width)) this.#fault(`widths ${widths.join()}`);
  }

  #move(
    event: "move-in" | "move-out",
    patterns: readonly { readonly pos: number; readonly value: string }[],
  ): void {
    const isIn = event === "move-in";
    this.counts[isIn ? "moveIns" : "moveOuts"] += 1;
    for (const { pos, value } of patterns) {
      for (const [key, row] of [...this.rows]) {
        if (!row.tags.some((tag) => tag.split("/")[pos] === value)) continue;
        if (row.active[pos] === isIn) this.#fault(`${event} at ${pos} of ${key}, which is there`);
        row.active[pos] = isIn;
      }
    }
    for (const [key, row] of [...this.rows]) if (!isVisible(row)) this.rows.delete(key);
  }

  #fault(text: string): void {
    this.faults.push(text);
  }
}

export class RefusedShape extends Error {}

/** Disjuncts are read off the tags: each names the positions it has. */
function isVisible({ tags, active }: TaggedRow): boolean {
  return tags.some((tag) => {
    return tag.split("/").every((slot, position) => slot === "" || active[position] === true);
  });
}

function isSubset(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}

function isBefore(a: string, b: string): boolean {
  const [[lsnA, opA], [lsnB, opB]] = [partsOf(a), partsOf(b)];
  return lsnA < lsnB || (lsnA === lsnB && opA < opB);
}

/** `-1`, `0_inf`, `<lsn>_<op>`. */
function partsOf(offset: string): readonly [bigint, number] {
  const [lsn, op = "0"] = offset.split("_");
  return [BigInt(lsn!), op === "inf" ? Infinity : Number(op)];
}
