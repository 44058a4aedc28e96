/**
 * What a client of a shape with subqueries holds, kept by the letter (protocol 14): tags and active
 * conditions as TanStack DB's collection keeps them. Whatever a server should not have sent is a
 * fault.
 *
 *     row     value, tags (one per disjunct, slots by position), active conditions by position
 *     event   rows with the hash in that slot: the condition becomes true, or false
 *
 * A row whose conditions make no disjunct true any more is gone.
 */

export type Value = Readonly<Record<string, unknown>>;

/** A message of a log, as JSON has it or as the official client hands it on. */
export interface TaggedMessage<V extends Value> {
  readonly key?: string;
  readonly value?: V;
  readonly headers: {
    readonly operation?: "insert" | "update" | "delete";
    readonly control?: string;
    readonly event?: "move-in" | "move-out";
    readonly patterns?: readonly Pattern[];
    readonly tags?: readonly string[];
    readonly removed_tags?: readonly string[];
    readonly active_conditions?: readonly boolean[];
    readonly is_move_in?: boolean;
    readonly lsn?: string;
    readonly op_position?: number;
    readonly global_last_seen_lsn?: string;
  };
}

interface Pattern {
  readonly pos: number;
  readonly value: string;
}

export interface TaggedRow<V extends Value> {
  readonly value: V;
  readonly tags: readonly string[];
  readonly active: boolean[];
}

/** So that a failure can be read. */
const MESSAGES_KEPT = 60;

export class TaggedRows<V extends Value> {
  readonly byKey = new Map<string, TaggedRow<V>>();
  readonly faults: string[] = [];
  /** The last messages, as text. */
  readonly recent: string[] = [];
  readonly counts = { moveIns: 0, moveOuts: 0, movedRows: 0, changes: 0 };
  readonly #isExact: boolean;
  #width: number | undefined;
  readonly #seen = new Set<string>();

  /**
   * @param isExact false: what comes may have come before; and of a log of changes only, rows may
   * be unknown, and pages of the shape come in between that are ahead of the log.
   */
  constructor({ isExact = true } = {}) {
    this.#isExact = isExact;
  }

  get values(): readonly V[] {
    return [...this.byKey.values()].map(({ value }) => value);
  }

  /** The shape begins anew, under another handle. Faults stay. */
  clear(): void {
    this.byKey.clear();
    this.#seen.clear();
    this.#width = undefined;
    this.recent.length = 0;
  }

  apply(message: TaggedMessage<V>): void {
    const { operation, event, control } = message.headers;
    if (control === "up-to-date") return;
    this.recent.push(JSON.stringify(message));
    if (this.recent.length > MESSAGES_KEPT) this.recent.shift();
    if (event !== undefined) this.#move(event, message.headers.patterns ?? []);
    if (operation !== undefined) this.#change(operation, message);
  }

  #change(operation: string, { key = "", value, headers }: TaggedMessage<V>): void {
    this.counts.changes += 1;
    if (headers.lsn !== undefined) {
      const place = `${headers.lsn}/${headers.op_position}`;
      if (this.#seen.has(place)) this.#faultIfExact(`${place} came twice`);
      this.#seen.add(place);
    }
    if (headers.is_move_in === true) this.counts.movedRows += 1;
    const { tags, active_conditions: active } = headers;
    if (value === undefined || tags === undefined || active === undefined) {
      this.#fault(`${operation} of ${key} has no value or no tags`);
      return;
    }
    this.#checkWidth(tags, active);
    const known = this.byKey.get(key);
    if (operation === "insert") {
      if (known !== undefined) this.#faultIfExact(`${key} was inserted twice`);
      this.#put(key, { value, tags, active: [...active] });
    } else if (known === undefined) {
      this.#faultIfExact(`${operation} of ${key}, which is unknown`);
    } else if (operation === "delete") {
      if (!isSubset(known.tags, tags))
        this.#faultIfExact(`${key} had other tags than its delete says`);
      this.byKey.delete(key);
    } else {
      this.#checkRemovedTags(key, known.tags, tags, headers.removed_tags);
      this.#put(key, { value: { ...known.value, ...value }, tags, active: [...active] });
    }
  }

  #put(key: string, row: TaggedRow<V>): void {
    if (!isVisible(row)) this.#fault(`${key} came, but none of its disjuncts is true`);
    this.byKey.set(key, row);
  }

  #checkRemovedTags(
    key: string,
    old: readonly string[],
    tags: readonly string[],
    removed: readonly string[] | undefined,
  ): void {
    const expected = old.filter((tag) => !tags.includes(tag));
    if (removed?.length !== expected.length || !isSubset(expected, removed)) {
      this.#faultIfExact(
        `update of ${key} removes ${removed?.join()} instead of ${expected.join()}`,
      );
    }
  }

  #checkWidth(tags: readonly string[], active: readonly boolean[]): void {
    this.#width ??= active.length;
    const widths = [active.length, ...tags.map((tag) => tag.split("/").length)];
    if (widths.some((width) => width !== this.#width)) this.#fault(`widths ${widths.join()}`);
  }

  #move(event: "move-in" | "move-out", patterns: readonly Pattern[]): void {
    const isIn = event === "move-in";
    this.counts[isIn ? "moveIns" : "moveOuts"] += 1;
    for (const { pos, value } of patterns) {
      for (const [key, row] of this.byKey) {
        if (!row.tags.some((tag) => tag.split("/")[pos] === value)) continue;
        if (row.active[pos] === isIn) {
          this.#faultIfExact(`${event} at ${pos} of ${key}, which is there`);
        }
        row.active[pos] = isIn;
      }
    }
    for (const [key, row] of this.byKey) if (!isVisible(row)) this.byKey.delete(key);
  }

  #fault(text: string): void {
    this.faults.push(text);
  }

  #faultIfExact(text: string): void {
    if (this.#isExact) this.#fault(text);
  }
}

/** Disjuncts are read off the tags: each names the positions it has. */
function isVisible({ tags, active }: TaggedRow<Value>): boolean {
  return tags.some((tag) => {
    return tag.split("/").every((slot, position) => slot === "" || active[position] === true);
  });
}

function isSubset(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}
