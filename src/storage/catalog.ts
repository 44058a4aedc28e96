/**
 * The shapes there are. Rows lie in SQLite; what happened since the last checkpoint lies over them
 * in two maps, the younger of which goes on growing while the older one is being written.
 *
 *     changed  ─┐  looked up first
 *     frozen   ─┤  being written by the checkpoint
 *     table    ─┘  looked up last, 5 us
 *
 * Templates are few and stay in memory, and so do the partitions of tables that have shapes. A
 * template goes at the first checkpoint at which no shape is of it: whoever may read can write
 * clauses that differ in form, and could fill the disk with them otherwise.
 */

import { assert } from "../lib/assert.ts";
import { nextTurn } from "../lib/next-turn.ts";
import { maxLsn, type Lsn } from "../model/lsn.ts";
import type { PartitionTree } from "../model/partition-tree.ts";
import type { CatalogChange, CatalogShape } from "./catalog-change.ts";
import { decodeCatalogRow, visitCatalogRows } from "./catalog-row.ts";
import type { CatalogRowVisitor } from "./catalog-row.ts";
import { BehindShapes } from "./behind.ts";
import { getMeta, type SqliteDatabase } from "./database.ts";
import type { BehindSince } from "./storage.ts";
import { encodeShapes, type EncodedShapes } from "./encoded-shapes.ts";
import { StoreCorrupt } from "./errors.ts";
import { decodePartitions, encodePartitions } from "./record.ts";

/** Rows that are folded into one value, and visited in one turn: with what visitors do, 5 ms. */
const ROWS_PER_FOLD = 2_000;

/** What a checkpoint has to write of the catalog, beside shapes. */
export interface CatalogChanges {
  readonly templates: readonly { readonly id: number; readonly text: string }[];
  readonly removedTemplates: readonly number[];
  /** `encodePartitions`. */
  readonly partitions: readonly { readonly oid: number; readonly blob: Uint8Array }[];
  /** `BehindShapes.toText`. */
  readonly behind: string;
  readonly confirmed: Lsn;
}

/** Undefined: removed. */
type Overlay = Map<number, CatalogShape | undefined>;

export class Catalog {
  readonly #rowOf: (key: number) => Buffer | undefined;
  readonly #foldAfter: (key: number) => Buffer | null;
  #changed: Overlay = new Map();
  #frozen: Overlay | undefined;

  readonly #templateTexts = new Map<number, string>();
  readonly #templateIds = new Map<string, number>();
  #nextTemplateId = 1;
  /** Shapes of each template, also those that are being made. Known once all were visited. */
  readonly #templateUses = new Map<number, number>();
  #areUsesKnown = false;
  /** Templates that are durable in the journal and not yet in the table. */
  #newTemplates: { readonly id: number; readonly text: string }[] = [];
  readonly #partitions = new Map<number, PartitionTree>();
  /** Tables whose partitions in the table are others. */
  #changedPartitions = new Set<number>();
  readonly #behind = new BehindShapes();
  #confirmed: Lsn;
  #highestKey: number;

  constructor(database: SqliteDatabase, highestKey: number) {
    this.#highestKey = highestKey;
    const row = database.prepare<[number], Buffer>("select row from shape where key = ?").pluck();
    this.#rowOf = (key) => row.get(key);
    const fold = database
      .prepare<[number], Buffer | null>(
        `select cast(group_concat(row, '') as blob)
         from (select row from shape where key > ? order by key limit ${ROWS_PER_FOLD})`,
      )
      .pluck();
    this.#foldAfter = (key) => fold.get(key) ?? null;
    const templates = database.prepare("select id, text from template").all();
    for (const { id, text } of templates as { id: number; text: string }[]) {
      this.#rememberTemplate(id, text);
    }
    this.#behind.addText(getMeta(database, "behind") ?? "[]");
    this.#confirmed = BigInt(getMeta(database, "confirmed") ?? 0) as Lsn;
    const partitions = database.prepare("select oid, blob from partitions").all();
    for (const { oid, blob } of partitions as { oid: number; blob: Buffer }[]) {
      this.#partitions.set(oid, decodePartitions(blob)!);
    }
  }

  /** The largest key of a shape that was ever durable. */
  get highestKey(): number {
    return this.#highestKey;
  }
  /** Shapes that a checkpoint would write. */
  get changeCount(): number {
    return this.#changed.size;
  }
  get templateCount(): number {
    return this.#templateTexts.size;
  }

  /** By the oid of the partitioned table. */
  get partitions(): ReadonlyMap<number, PartitionTree> {
    return this.#partitions;
  }

  /** By storage key. */
  get behind(): ReadonlyMap<number, BehindSince> {
    return this.#behind.byKey;
  }

  /** The largest LSN that was ever going to be confirmed to Postgres. */
  get confirmed(): Lsn {
    return this.#confirmed;
  }

  templateText(id: number): string {
    const text = this.#templateTexts.get(id);
    if (text === undefined) throw new StoreCorrupt(`the catalog lacks template ${id}`);
    return text;
  }

  /**
   * The template's id, for one more shape, and whether it has just been given: then a record must
   * say so.
   */
  internTemplate(text: string): { readonly id: number; readonly isNew: boolean } {
    const known = this.#templateIds.get(text);
    const id = known ?? this.#nextTemplateId;
    if (known === undefined) this.#rememberTemplate(id, text);
    this.#use(id);
    return { id, isNew: known === undefined };
  }

  /** Applies what has become durable, in the order of the journal. A replay may apply it again. */
  apply(change: CatalogChange): void {
    switch (change.type) {
      case "template":
        this.#rememberTemplate(change.id, change.text);
        this.#newTemplates.push({ id: change.id, text: change.text });
        break;
      case "created": {
        const { key, hash, templateId, constants } = change;
        this.#highestKey = Math.max(this.#highestKey, key);
        this.#changed.set(key, { key, hash, templateId, constants, snapshot: undefined });
        break;
      }
      case "snapshot": {
        const shape = this.find(change.key);
        // Removed while its snapshot was on the way.
        if (shape !== undefined) {
          this.#changed.set(change.key, { ...shape, snapshot: change.snapshot });
        }
        break;
      }
      case "removed":
        this.#release(change.key);
        this.#changed.set(change.key, undefined);
        this.#behind.removed(change.key);
        break;
      case "partitions":
        if (change.partitions === undefined) this.#partitions.delete(change.oid);
        else this.#partitions.set(change.oid, change.partitions);
        this.#changedPartitions.add(change.oid);
        break;
      case "behind":
        this.#behind.apply(change.behind);
        break;
      case "confirmed":
        this.#confirmed = maxLsn(this.#confirmed, change.lsn);
        break;
    }
  }

  find(key: number): CatalogShape | undefined {
    if (this.#changed.has(key)) return this.#changed.get(key);
    if (this.#frozen?.has(key) === true) return this.#frozen.get(key);
    const row = this.#rowOf(key);
    return row === undefined ? undefined : decodeCatalogRow(row);
  }

  /**
   * Every shape in ascending order of keys, some in a turn of the event loop. REQUIRES: nothing is
   * applied and no checkpoint runs meanwhile, and this is the first time.
   */
  async visitAll(visit: CatalogRowVisitor): Promise<void> {
    assert(this.#frozen === undefined && !this.#areUsesKnown, "shapes are visited once");
    await this.#visitAll((key, hash, templateId, constants, snapshotLsn) => {
      this.#use(templateId);
      visit(key, hash, templateId, constants, snapshotLsn);
    });
    this.#areUsesKnown = true;
  }

  async #visitAll(visit: CatalogRowVisitor): Promise<void> {
    const changed = [...this.#changed.keys()].sort((a, b) => a - b);
    let next = 0;
    const visitChangedUpTo = (key: number): void => {
      for (; next < changed.length && changed[next]! <= key; next++) {
        const shape = this.#changed.get(changed[next]!);
        if (shape === undefined) continue;
        const lsn = shape.snapshot?.bounds.lsn;
        visit(shape.key, shape.hash, shape.templateId, shape.constants, lsn);
      }
    };
    let previous = 0;
    for (;;) {
      const blob = this.#foldAfter(previous);
      if (blob === null) break;
      previous = visitCatalogRows(blob, (key, hash, templateId, constants, snapshotLsn) => {
        if (key <= previous) throw new StoreCorrupt("the catalog is not in order");
        visitChangedUpTo(key);
        if (!this.#changed.has(key)) visit(key, hash, templateId, constants, snapshotLsn);
      });
      await nextTurn();
    }
    while (next < changed.length) {
      visitChangedUpTo(changed[Math.min(next + ROWS_PER_FOLD, changed.length) - 1]!);
      await nextTurn();
    }
  }

  /** Hands out what has changed; it stays visible here until `retire`. */
  freeze(): CatalogChanges {
    assert(this.#frozen === undefined, "one checkpoint at a time");
    this.#frozen = this.#changed;
    this.#changed = new Map();
    const removedTemplates = this.#forgetUnusedTemplates();
    const templates = this.#newTemplates.filter(({ id }) => this.#templateTexts.has(id));
    this.#newTemplates = [];
    const partitions = [...this.#changedPartitions].map((oid) => ({
      oid,
      blob: encodePartitions(this.#partitions.get(oid)),
    }));
    this.#changedPartitions.clear();
    return {
      templates,
      removedTemplates,
      partitions,
      behind: this.#behind.toText(),
      confirmed: this.#confirmed,
    };
  }

  /** The shapes among what is frozen. */
  encodeFrozen(): Promise<EncodedShapes> {
    assert(this.#frozen !== undefined, "something is frozen");
    return encodeShapes(this.#frozen);
  }

  retire(): void {
    this.#frozen = undefined;
  }

  #use(templateId: number): void {
    this.#templateUses.set(templateId, (this.#templateUses.get(templateId) ?? 0) + 1);
  }

  #release(key: number): void {
    const shape = this.#areUsesKnown ? this.find(key) : undefined;
    if (shape === undefined) return;
    const { templateId } = shape;
    this.#templateUses.set(templateId, this.#templateUses.get(templateId)! - 1);
  }

  /** Their ids may be given again: no record refers to them that a start would still apply. */
  #forgetUnusedTemplates(): number[] {
    if (!this.#areUsesKnown) return [];
    const unused = [...this.#templateTexts.keys()].filter((id) => !this.#templateUses.get(id));
    for (const id of unused) {
      const text = this.#templateTexts.get(id)!;
      // After a crash the text may have come again by a younger id, while the table still has this.
      if (this.#templateIds.get(text) === id) this.#templateIds.delete(text);
      this.#templateTexts.delete(id);
      this.#templateUses.delete(id);
    }
    return unused;
  }

  #rememberTemplate(id: number, text: string): void {
    this.#templateTexts.set(id, text);
    this.#templateIds.set(text, id);
    this.#nextTemplateId = Math.max(this.#nextTemplateId, id + 1);
  }
}
