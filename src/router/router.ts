import { assert } from "../lib/assert.ts";
import { LitzError } from "../lib/errors.ts";
import type { AccessEntry } from "../model/access-plan.ts";
import { decodeConstants } from "../model/constants-codec.ts";
import type { RelationId, ShapeId, TemplateId } from "../model/ids.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Constants } from "../model/shape-definition.ts";
import type { Core } from "./core.ts";
import { EntryWriter } from "./entry-writer.ts";
import { Residuals, type ReplayPositions, type ShapeFailure } from "./residuals.ts";
import { Replay, type RouterExports } from "./router-abi.ts";
import { RouterOutput } from "./router-output.ts";
import type { RunOutcome } from "./run-outcome.ts";
import {
  describeRelation,
  describeTemplate,
  type RelationDescription,
  type TemplateDescription,
} from "./descriptions.ts";

/** `bodyMatches` are ids with this bit set on those of gated shapes. */
export const GATED_BIT = 0x8000_0000;

/** The shape of a match, gated or not. */
export function matchedShape(match: number): ShapeId {
  return ((match & ~GATED_BIT) >>> 0) as ShapeId;
}

/** Capacity of `assembly/commit-ring.ts`. */
const XIDS_REMEMBERED = 1024;

const NOTHING = new Uint8Array(0);

/** What marks a catalog column that the replication stream does not carry. */
export const ABSENT = 0xffff;

/** What `routerAddRelation` answers for an oid that it knows. */
const ALREADY_THERE = 0xffff_ffff;

/** What `routerAddShape` answers. */
const ADDED = 1;
const CONSTANTS_INVALID = 2;

export interface RouterOptions {
  /** Bytes that `receive` can hold; grows by itself for a longer frame. */
  readonly inputBytes?: number;
  /** Bytes of bodies between two `clearOutput`. */
  readonly outputBytes?: number;
  /** Ids between two `clearOutput`, and the most shapes that one change may reach. */
  readonly matchCapacity?: number;
}

/**
 * The one door to the routing core: raw bytes of the replication socket in, JSON bodies and the ids
 * of the shapes that want them out. How it works is described in `assembly/router.ts`.
 *
 * Control plane: `addRelation`, `addTemplate`, `addShape` and `receive` may grow linear memory and
 * so detach every view of it; they fail, with nothing changed, when the memory budget forbids it.
 * What is added or removed holds for the changes that `run` has not yet come to: between two
 * transactions (`isInTransaction` is false) that is a whole number of transactions.
 *
 * Data plane: `run` allocates nothing and never moves memory.
 */
export class Router extends RouterOutput {
  readonly #core: Core;
  readonly #exports: RouterExports;
  readonly #residuals: Residuals;
  readonly #entries = new EntryWriter();

  /** @throws {RangeError} when the budget does not suffice for the regions. */
  constructor(core: Core, options: RouterOptions = {}) {
    const { inputBytes = 1 << 20, outputBytes = 1 << 20, matchCapacity = 1 << 16 } = options;
    const exports = core.exports as unknown as RouterExports;
    if (exports.routerCreate(inputBytes, outputBytes, matchCapacity) === 0) {
      throw new RangeError("the core's memory budget is too small for the router's regions");
    }
    super(core);
    this.#core = core;
    this.#exports = exports;
    this.#residuals = new Residuals(core, this);
  }

  // --- Control plane ---------------------------------------------------------------------------

  /**
   * Makes a table known, with the layout in which every catalog column is sent, in order.
   * Undefined: out of memory budget.
   *
   * @throws {Error} when a relation of that oid is there already.
   */
  addRelation(description: RelationDescription): RelationId | undefined {
    const bytes = describeRelation(description);
    if (!this.#fillScratch(bytes)) return undefined;
    const relation = this.#exports.routerAddRelation(bytes.length) >>> 0;
    if (relation === ALREADY_THERE) {
      throw new Error(`the core already has a relation with oid ${description.oid}`);
    }
    return relation === 0 ? undefined : (relation as RelationId);
  }

  /**
   * Describes a table anew: columns keep their numbers, others may have come or gone. The layout is
   * that of the catalog until it is set again. False: out of memory budget, nothing has changed.
   */
  redescribeRelation(relation: RelationId, description: RelationDescription): boolean {
    const bytes = describeRelation(description);
    if (!this.#fillScratch(bytes)) return false;
    return this.#exports.routerRedescribeRelation(relation, bytes.length) !== 0;
  }

  /**
   * Says where the wire puts each catalog column: `wirePositions[column]` is the position in a
   * tuple, `ABSENT` for a column that is not sent.
   */
  setRelationLayout(relation: RelationId, wirePositions: Uint16Array): void {
    const { buffer, byteOffset, byteLength } = wirePositions;
    // A relation of that many columns has been described through the same scratch already.
    if (!this.#fillScratch(new Uint8Array(buffer, byteOffset, byteLength))) {
      throw new RangeError("a layout is longer than its relation");
    }
    this.#exports.routerSetRelationLayout(relation, wirePositions.length);
  }

  /**
   * Changes of the table `oid` are changes of the relation too, whose columns lie at these places
   * of its tuples. Replaces what was said before. False: out of memory budget.
   */
  linkPartition(oid: number, relation: RelationId, wirePositions: Uint16Array): boolean {
    const { buffer, byteOffset, byteLength } = wirePositions;
    if (!this.#fillScratch(new Uint8Array(buffer, byteOffset, byteLength))) return false;
    return this.#exports.routerLinkPartition(oid, relation, wirePositions.length) !== 0;
  }

  /** Ends it. To be called for every link before the relation is removed. */
  unlinkPartition(oid: number, relation: RelationId): void {
    this.#exports.routerUnlinkPartition(oid, relation);
  }

  /** @throws {Error} while a template of it is left. */
  removeRelation(relation: RelationId): void {
    if (this.#exports.routerRemoveRelation(relation) === 0) {
      throw new Error(`relation ${relation} still has templates`);
    }
  }

  /**
   * Every call makes another template, equal or not. Undefined: out of memory budget.
   *
   * REQUIRES: the templates of its views, if it has subqueries, are there and known as families.
   *
   * @throws {RangeError} when the core does not take so many terms or branches, the plan is not
   *   exact and there is no residual, or a subquery of the WHERE is not in the plan.
   */
  addTemplate(relation: RelationId, description: TemplateDescription): TemplateId | undefined {
    const { bytes, planOffset } = describeTemplate(description);
    if (!this.#fillScratch(bytes)) return undefined;
    const answer = this.#exports.routerAddTemplate(relation, planOffset) >>> 0;
    if (answer === 0) return undefined;
    const template = answer as TemplateId;
    this.#residuals.set(template, description);
    return template;
  }

  /**
   * REQUIRES: no template has its shapes as views.
   *
   * @throws {Error} while a shape of it is left.
   */
  removeTemplate(template: TemplateId): void {
    if (this.#exports.routerRemoveTemplate(template) === 0) {
      throw new Error(`template ${template} still has shapes`);
    }
    this.#residuals.delete(template);
  }

  /**
   * Begins to route to a shape, ungated. False: out of memory budget, nothing has changed.
   * REQUIRES: the id is minted and not routed to; no shape has the same template and constants.
   *
   * @param constants see `model/constants-codec.ts`.
   * @param entries of a plan that is no conjunction: what the shape has in its accesses.
   * @throws {RangeError} when a constant is not of its term's kind, an entry not of its access's,
   *   or they exceed 1 MiB.
   */
  addShape(
    id: ShapeId,
    template: TemplateId,
    constants: Uint8Array,
    entries: readonly AccessEntry[] = [],
  ): boolean {
    const described = this.#entries.write(entries);
    if (!this.#fillScratch(constants, described)) return false;
    const { length } = constants;
    const answer = this.#exports.routerAddShape(id, template, length, described.length);
    if (answer === CONSTANTS_INVALID) {
      throw new RangeError("a constant is not of the kind that its term says, or too long");
    }
    return answer === ADDED;
  }

  /** Ends it. REQUIRES: the id is routed to, and was added with equal entries. Never fails. */
  removeShape(id: ShapeId, entries: readonly AccessEntry[] = []): void {
    const described = this.#entries.write(entries);
    // They were described through the same scratch when the shape was added, so there is room.
    assert(this.#fillScratch(described), "entries that were added can be removed");
    this.#exports.routerRemoveShape(id, described.length);
  }

  /** What the shape was added with. REQUIRES: the id is routed to. */
  constantsOf(id: ShapeId): Constants {
    const room = this.#exports.routerConstantsSizeMax(id) >>> 0;
    assert(this.#exports.routerReserveScratch(room) !== 0, "constants that were added fit");
    const size = this.#exports.routerReadConstants(id) >>> 0;
    const address = this.#exports.routerConstantsAddress() >>> 0;
    return decodeConstants(this.#core.buffer, address, address + size);
  }

  /**
   * Shapes whose WHERE has raised an error since the last call, as it would in Postgres. Nothing
   * was routed to them from then on that needed it: they have to be removed.
   */
  takeFailures(): readonly ShapeFailure[] {
    return this.#residuals.takeFailures();
  }

  /** The shape of exactly this definition. Constants of a wrong kind have none. */
  findShape(template: TemplateId, constants: Uint8Array): ShapeId | undefined {
    if (!this.#fillScratch(constants)) return undefined;
    const id = this.#exports.routerFindShape(template, constants.length) >>> 0;
    return id === 0 ? undefined : (id as ShapeId);
  }

  isRouted(id: ShapeId): boolean {
    return this.#exports.routerTemplateOf(id) !== 0;
  }

  /** REQUIRES: the id is routed to. */
  templateOf(id: ShapeId): TemplateId {
    return (this.#exports.routerTemplateOf(id) >>> 0) as TemplateId;
  }

  /** Whether matches of the shape carry `GATED_BIT`. REQUIRES: the id is routed to. */
  setGated(id: ShapeId, isGated: boolean): void {
    this.#exports.routerSetGated(id, isGated ? 1 : 0);
  }

  /**
   * Lists the shapes of a relation whose ids are above `after`, ascending, looking at 16,000 ids at
   * most (about 50 us). `next` is what to pass for `after` to go on, undefined when that was all.
   */
  shapesOf(
    relation: RelationId,
    after?: ShapeId,
  ): { readonly ids: readonly ShapeId[]; readonly next: ShapeId | undefined } {
    const count = this.#exports.routerListShapes(relation, after ?? 0) >>> 0;
    return this.#listed(count, this.#exports.routerListedUpTo() >>> 0);
  }

  /**
   * Lists the shapes that use a view, of any template, whose ids are above `after`: ascending, each
   * once, 8,192 at most. `next` is as of `shapesOf`. REQUIRES: the view is routed to.
   */
  usersOf(
    view: ShapeId,
    after?: ShapeId,
  ): { readonly ids: readonly ShapeId[]; readonly next: ShapeId | undefined } {
    const count = this.#exports.routerListUsers(view, after ?? 0) >>> 0;
    return this.#listed(count, this.#exports.routerUsersListedUpTo() >>> 0);
  }

  #listed(count: number, next: number) {
    const first = (this.#exports.routerReserveScratch(0) >>> 0) >>> 2;
    return {
      ids: Array.from(this.#core.words.subarray(first, first + count), (id) => id as ShapeId),
      next: next === 0 ? undefined : (next as ShapeId),
    };
  }

  /**
   * Transactions whose commit LSN is not greater are framed and their Relation messages reported,
   * but nothing else in them is: they are in the logs already.
   */
  skipTo(lsn: Lsn): void {
    this.#exports.routerSkipTo(Number(lsn >> 32n) | 0, Number(lsn & 0xffff_ffffn) | 0);
  }

  /**
   * Whether transactions that reached no shape stop with `COMMIT` too. Off, only `commitLsn` and
   * `endLsn` tell that they have passed. On for as long as something waits for the next boundary.
   */
  set stopsAtEveryCommit(isWanted: boolean) {
    this.#exports.routerSetStopAtEveryCommit(isWanted ? 1 : 0);
  }

  /** Forgets input, output and a half-received transaction: the connection is new. */
  resetStream(): void {
    this.#exports.routerResetStream();
  }

  /** How many transactions were read, modulo 2^32. Grows with every one, wanted or not. */
  get readCount(): number {
    return this.#exports.routerReadCount() >>> 0;
  }

  /**
   * Xids of the last transactions that had been read when `readCount` was `until`, of those that
   * are remembered (`assembly/commit-ring.ts`); the latest first.
   */
  xidsRead(until: number): Uint32Array {
    const now = this.readCount;
    const since = (now - until) >>> 0;
    const count = Math.max(0, Math.min(XIDS_REMEMBERED - since, until));
    const first = (this.#exports.routerReadXids() >>> 0) >>> 2;
    const { words } = this.#core;
    return Uint32Array.from({ length: count }, (_, back) => {
      return words[first + ((until - 1 - back) % XIDS_REMEMBERED)]!;
    });
  }

  // --- Moves of subqueries ---------------------------------------------------------------------

  /** Asks for all changes of a relation (`onTape`), or no more for them. */
  setTaped(relation: RelationId, isTaped: boolean): void {
    this.#exports.routerSetTaped(relation, isTaped ? 1 : 0);
  }

  /**
   * Is told each change of a relation that is taped, its own or one of its partitions', before it
   * is routed, also in transactions that are skipped; `transactionLsn` and `xid` are of that one.
   * The message is valid during the call, which must neither throw nor touch the router.
   */
  set onTape(take: (relation: RelationId, op: number, message: Uint8Array) => void) {
    this.#core.tapeChange = (relation, op, address, size) => {
      const message = this.#core.bytes.subarray(address >>> 0, (address >>> 0) + size);
      take((relation >>> 0) as RelationId, op >>> 0, message);
    };
  }

  /**
   * Asked in replays for each shape that may want the change: at which positions of the views it
   * sees both rows. Undefined: it is passed over. Must not throw.
   */
  set positionsOf(positionsOf: (id: ShapeId) => ReplayPositions | undefined) {
    this.#residuals.positionsOf = positionsOf;
  }

  /**
   * Routes a change once more, for the gated shapes of one template, at the positions that each has
   * in its views' history (`positionsOf`). What comes out is in the output, the ids without
   * `GATED_BIT`. The stream goes on as if nothing had been. REQUIRES: the output is empty.
   *
   * @param message a change as `onTape` has told it; for `fetched` a row of `fetchedRow`, which
   *   shapes get that it is new to (protocol 14.5), and views as a delta.
   * @returns false if the row cannot be read, as `UNROUTABLE` in `run`.
   * @throws {LitzError} CORE_MEMORY_EXHAUSTED when what comes out does not fit in the core.
   */
  replay(
    template: TemplateId,
    message: Uint8Array,
    at: { readonly lsn: Lsn; readonly xid: number; readonly op: number },
    mode: "change" | "fetched",
  ): boolean {
    const high = Number(at.lsn >> 32n) | 0;
    const low = Number(at.lsn & 0xffff_ffffn) | 0;
    const place = [high, low, at.xid, at.op, mode === "fetched" ? 1 : 0] as const;
    for (;;) {
      if (!this.#fillScratch(message)) throw exhausted("a row to be replayed");
      this.#residuals.isReplay = true;
      const outcome = this.#exports.routerReplay(template, message.length, ...place);
      this.#residuals.isReplay = false;
      if (outcome !== Replay.NO_ROOM) return outcome === Replay.DONE;
      if (!this.grow()) throw exhausted("what a row means for the shapes it is replayed for");
    }
  }

  // --- Data plane ------------------------------------------------------------------------------

  /**
   * Copies bytes of the socket behind those that wait, all or none. False: the budget forbids the
   * region to grow. May move memory, and always what `messageAddress` points to.
   */
  receive(chunk: Uint8Array): boolean {
    const address = this.#exports.routerReserveInput(chunk.length) >>> 0;
    if (address === 0) return false;
    this.#core.bytes.set(chunk, address);
    this.#exports.routerCommitInput(chunk.length);
    return true;
  }

  /** Routes what was received until one of the reasons in `RunOutcome` to stop. */
  run(): RunOutcome {
    return this.#exports.routerRun() as RunOutcome;
  }

  /** Counts changes that TypeScript handles itself, the relations of a Truncate: op += 2 each. */
  addOps(count: number): void {
    this.#exports.routerAddOps(count);
  }

  /** Forgets the bodies. To be called once they are taken. */
  clearOutput(): void {
    this.#exports.routerClearOutput();
  }

  /** Gives the output what `NEEDS_GROWTH` asked for. False: the budget forbids it. */
  grow(): boolean {
    return this.#exports.routerGrow() !== 0;
  }

  #fillScratch(bytes: Uint8Array, more: Uint8Array = NOTHING): boolean {
    const address = this.#exports.routerReserveScratch(bytes.length + more.length) >>> 0;
    if (address === 0) return false;
    this.#core.bytes.set(bytes, address);
    if (more.length !== 0) this.#core.bytes.set(more, address + bytes.length);
    return true;
  }
}

function exhausted(what: string): LitzError {
  return new LitzError(`the core has no memory left for ${what}`, {
    code: "CORE_MEMORY_EXHAUSTED",
  });
}
