/**
 * A ShapeService in a few arrays: an honest one, which creates, snapshots, appends, chunks, wakes
 * and removes as the interface says, so that the HTTP edge can be tested without a database and
 * without canned answers. Chunks and pages are counted in messages instead of bytes.
 *
 * Tables are given with their rows. A WHERE is `<column> = <number>` or `<column> = $1`; anything
 * else is a syntax error. A subset is ordered by a column's text.
 */

import {
  compareLogOffsets,
  FIRST,
  maxLogOffset,
  SNAPSHOT_END,
} from "../../src/model/log-offset.ts";
import type { LogOffset } from "../../src/model/log-offset.ts";
import { InvalidParameter, LitzError } from "../../src/lib/errors.ts";
import type { ShapeHandle, WaiterId } from "../../src/model/ids.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { ShapeDefinition } from "../../src/model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../../src/model/subset.ts";
import type { Table } from "../../src/model/table.ts";
import type {
  DefinitionRequest,
  News,
  ServedShape,
  ServiceStatus,
  ShapeService,
  SubsetRequest,
  WaitOutcome,
  Watcher,
} from "../../src/shapes/shape-service.ts";
import type { LogChunk, Patience, ShapeLog } from "../../src/storage/storage.ts";

export type Row = Readonly<Record<string, string>>;

export interface MemoryServiceOptions {
  readonly messagesPerChunk?: number;
  readonly messagesPerPage?: number;
}

interface Entry {
  readonly offset: LogOffset;
  readonly body: string;
}

export class MemoryShapeService implements ShapeService {
  status: ServiceStatus = "active";
  /** Whether its shapes can be read before it is active. */
  isRestored = false;
  lastProcessedLsn = 100n as Lsn;
  /** Of every shape, as is what follows. */
  heldLsn: Lsn | undefined = undefined;
  schemaHeader = '{"id":{"type":"int4","pk_index":0,"not_null":true}}';
  /** Thrown by whatever comes next, once. */
  nextFailure:
    { at: "define" | "create" | "snapshot" | "read" | "subset"; error: Error } | undefined;
  /** Snapshots that begin while this is set end when it is resolved. */
  snapshotGate: Promise<void> | undefined;
  /** Whether what follows the snapshot is there in a single page. */
  hasWholeChunks = false;
  /** Generators of pages that were started and not ended. */
  openGenerators = 0;
  readonly messagesPerChunk: number;
  readonly messagesPerPage: number;
  readonly #tables = new Map<string, Row[]>();
  readonly #shapes = new Map<string, MemoryShape>();
  #handles = 0;

  constructor(options: MemoryServiceOptions = {}) {
    this.messagesPerChunk = options.messagesPerChunk ?? 100;
    this.messagesPerPage = options.messagesPerPage ?? 2;
  }

  get shapeCount(): number {
    return this.#shapes.size;
  }

  /** Requests parked on any shape. */
  get waiterCount(): number {
    return [...this.#shapes.values()].reduce((sum, shape) => sum + shape.waiters.size, 0);
  }

  setTable(name: string, rows: Row[]): void {
    this.#tables.set(name, rows);
  }

  /** One transaction: inserts rows in a table, and tells every shape that wants one. */
  commit(lsn: bigint, table: string, rows: readonly Row[]): void {
    this.#tables.get(table)!.push(...rows);
    this.lastProcessedLsn = lsn as Lsn;
    for (const shape of this.#shapes.values()) {
      if (shape.definition.template.table.name !== table) continue;
      const wanted = rows.flatMap((row, index) =>
        shape.wants(row) ? [{ row, op: 2 * index }] : [],
      );
      shape.append(
        wanted.map(({ row, op }, index) => ({
          offset: { tx: lsn, op },
          body: changeBody(table, row, lsn, op, index === wanted.length - 1),
        })),
      );
    }
  }

  async readable(timeoutMs: number): Promise<void> {
    if (!this.isRestored) await this.ready(timeoutMs);
  }

  async ready(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.status !== "active") {
      if (Date.now() >= deadline) {
        throw new LitzError("Timeout waiting for Postgres lock acquisition", {
          code: "NOT_READY",
          httpStatus: 503,
        });
      }
      await sleep(5);
    }
  }

  async define(request: DefinitionRequest): Promise<ShapeDefinition> {
    this.fail("define");
    const name = request.table.replace(/^public\./, "");
    if (!this.#tables.has(name)) {
      throw new InvalidParameter("table", `Table "public"."${name}" does not exist.`);
    }
    const condition = parseCondition(request.where ?? "a = 1", request.params);
    const column = request.where === undefined ? "" : condition.column;
    const text = JSON.stringify([
      name,
      column,
      request.columns ?? "*",
      request.replica,
      request.log,
    ]);
    return Promise.resolve({
      template: {
        text,
        table: tableNamed(name),
        // This service knows its conditions by the text.
        where: undefined,
        columns: [0],
        hasExplicitColumns: request.columns !== undefined,
        replica: request.replica,
        log: request.log,
      },
      constants: column === "" ? [] : [condition.constant],
    });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws rejects
  async defineSubset(_definition: ShapeDefinition, request: SubsetRequest): Promise<Subset> {
    const { where, params, orderBy, limit, offset } = request;
    if (orderBy !== undefined && !/^\w+$/.test(orderBy)) {
      throw new InvalidParameter("order_by", `At location 0: unknown reference ${orderBy}`);
    }
    const condition = where === undefined ? undefined : parseCondition(where, params);
    const parameters = condition === undefined ? [] : [condition.constant];
    return { where: condition?.column, parameters, orderBy, limit, offset };
  }

  async readSubset(
    { definition }: Pick<ServedShape, "definition">,
    { where, parameters, orderBy, limit, offset = 0 }: Subset,
    signal: AbortSignal,
  ): Promise<SubsetSnapshot> {
    this.fail("subset");
    await this.snapshotGate;
    signal.throwIfAborted();
    const { name } = definition.template.table;
    const shape = new MemoryShape(this, "0-1" as ShapeHandle, definition);
    const rows = this.#tables
      .get(name)!
      .filter((row) => shape.wants(row) && (where === undefined || row[where] === parameters[0]));
    if (orderBy !== undefined) rows.sort((a, b) => (a[orderBy]! < b[orderBy]! ? -1 : 1));
    const wanted = rows.slice(offset, limit === undefined ? undefined : offset + limit);
    const bounds = { xmin: 7n, xmax: 9n, xip: [8n], lsn: this.lastProcessedLsn };
    const messages = wanted.map((row) => rowBody(name, row, { snapshot_mark: 42 }));
    return { bounds, mark: 42, pages: this.pages(messages) };
  }

  /** Messages in pages, counting the generators that are open. */
  async *pages(
    messages: Iterable<string> | AsyncIterable<string>,
    check: () => void = () => undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    this.openGenerators += 1;
    try {
      let page = "";
      let count = 0;
      for await (const message of messages) {
        check();
        page += (count === 0 ? "" : ",\n") + message;
        count += 1;
        if (count % this.messagesPerPage !== 0) continue;
        yield Buffer.from(page);
        page = "";
      }
      if (page !== "") yield Buffer.from(page);
    } finally {
      this.openGenerators -= 1;
    }
  }

  find(definition: ShapeDefinition): ServedShape | undefined {
    return this.#shapes.get(identityOf(definition));
  }

  async findOrCreate(definition: ShapeDefinition): Promise<ServedShape> {
    this.fail("create");
    const identity = identityOf(definition);
    const found = this.#shapes.get(identity);
    if (found !== undefined) return found;
    this.#handles += 1;
    const handle = `4711-${1_700_000_000_000_000 + this.#handles}` as ShapeHandle;
    const shape = new MemoryShape(this, handle, definition);
    this.#shapes.set(identity, shape);
    shape.takeSnapshot(this.#tables.get(definition.template.table.name)!.filter(shape.wants));
    return Promise.resolve(shape);
  }

  definitionOf(handle: ShapeHandle): ShapeDefinition | undefined {
    return [...this.#shapes.values()].find((shape) => shape.handle === handle)?.definition;
  }

  /** @param why what its readers run into, when it is not that the shape was removed. */
  async remove(handle: ShapeHandle, why?: Error): Promise<void> {
    for (const [identity, shape] of this.#shapes) {
      if (shape.handle !== handle) continue;
      this.#shapes.delete(identity);
      shape.removed(why);
    }
    return Promise.resolve();
  }

  fail(at: "define" | "create" | "snapshot" | "read" | "subset"): void {
    if (this.nextFailure?.at !== at) return;
    const { error } = this.nextFailure;
    this.nextFailure = undefined;
    throw error;
  }
}

class MemoryShape implements ServedShape, ShapeLog {
  readonly handle: ShapeHandle;
  readonly definition: ShapeDefinition;
  readonly log: ShapeLog = this;
  isCurrent = true;
  readonly waiters = new Set<(outcome: WaitOutcome) => void>();
  readonly #watches = new Map<WaiterId, (outcome: WaitOutcome) => void>();
  #lastWaiter = 0;
  readonly #service: MemoryShapeService;
  readonly #snapshot: string[] = [];
  #isSnapshotComplete = false;
  readonly #entries: Entry[] = [];
  #grown: () => void = () => undefined;
  #growth = new Promise<void>((resolve) => (this.#grown = resolve));
  #failure: Error | undefined;

  constructor(service: MemoryShapeService, handle: ShapeHandle, definition: ShapeDefinition) {
    this.#service = service;
    this.handle = handle;
    this.definition = definition;
  }

  get heldLsn(): Lsn | undefined {
    return this.#service.heldLsn;
  }

  get schemaHeader(): string {
    return this.#service.schemaHeader;
  }

  readonly wants = (row: Row): boolean => {
    const column = (JSON.parse(this.definition.template.text) as string[])[1]!;
    return column === "" || row[column] === this.definition.constants[0];
  };

  takeSnapshot(rows: readonly Row[]): void {
    const { table, log } = this.definition.template;
    const messages = log === "full" ? rows.map((row) => rowBody(table.name, row)) : [];
    // The first half comes at once, the rest when the gate opens.
    const half = Math.ceil(messages.length / 2);
    this.#snapshot.push(...messages.slice(0, half));
    const finish = (): void => {
      this.#snapshot.push(...messages.slice(half));
      this.#snapshot.push(SNAPSHOT_END_BODY);
      this.#isSnapshotComplete = true;
      this.#notify();
    };
    if (this.#service.snapshotGate === undefined) finish();
    else void this.#service.snapshotGate.then(finish);
  }

  append(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.#entries.push(...entries);
    this.#notify();
    this.#wake("changed");
  }

  removed(why?: Error): void {
    this.isCurrent = false;
    this.#failure = why ?? new LitzError("gone", { code: "SHAPE_GONE", httpStatus: 409 });
    this.#notify();
    this.#wake("removed");
  }

  async snapshotStarted(): Promise<void> {
    this.#service.fail("snapshot");
    return Promise.resolve();
  }

  async waitForChange(
    after: LogOffset,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<WaitOutcome> {
    if (!this.isCurrent) return "removed";
    if (compareLogOffsets(this.latestOffset(), after) > 0) return "changed";
    if (signal?.aborted === true) return "aborted";
    return new Promise((resolve) => {
      const finish = (outcome: WaitOutcome): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.waiters.delete(finish);
        resolve(outcome);
      };
      const onAbort = (): void => finish("aborted");
      const timer = setTimeout(finish, timeoutMs, "timeout");
      signal?.addEventListener("abort", onAbort, { once: true });
      this.waiters.add(finish);
    });
  }

  watch(after: LogOffset, watcher: Watcher): WaiterId | News | "full" {
    if (!this.isCurrent) return "removed";
    if (compareLogOffsets(this.latestOffset(), after) > 0) return "changed";
    this.#lastWaiter += 1;
    const waiter = this.#lastWaiter as WaiterId;
    const tell = (outcome: WaitOutcome): void => {
      this.unwatch(waiter);
      watcher.news(outcome as News);
    };
    this.waiters.add(tell);
    this.#watches.set(waiter, tell);
    return waiter;
  }

  unwatch(waiter: WaiterId): void {
    this.waiters.delete(this.#watches.get(waiter)!);
    this.#watches.delete(waiter);
  }

  latestOffset(): LogOffset {
    return this.#entries.at(-1)?.offset ?? SNAPSHOT_END;
  }

  async readChunk(after: LogOffset, patience?: Patience): Promise<LogChunk> {
    this.#service.fail("read");
    const size = this.#service.messagesPerChunk;
    if (after.tx < 0n) return this.#chunk(FIRST, false, () => this.#snapshotMessages(0));
    if (after.tx === 0n && after.op !== Infinity) {
      const index = after.op + 1;
      while (!this.#isSnapshotComplete && this.#snapshot.length < (index + 1) * size) {
        patience?.signal.throwIfAborted();
        await this.#nextGrowth(patience?.signal);
      }
      if (index * size < this.#snapshot.length) {
        return this.#chunk({ tx: 0n, op: index }, false, () => this.#snapshotMessages(index));
      }
    }
    return this.#logChunk(after);
  }

  #logChunk(after: LogOffset): LogChunk {
    const size = this.#service.messagesPerChunk;
    const from = this.#entries.findIndex(({ offset }) => compareLogOffsets(offset, after) > 0);
    if (from === -1) {
      return this.#chunk(maxLogOffset(this.latestOffset(), after), true, () => [], true);
    }
    const to = Math.min(this.#entries.length, (Math.floor(from / size) + 1) * size);
    const entries = this.#entries.slice(from, to);
    const isUpToDate = to === this.#entries.length;
    return this.#chunk(entries.at(-1)!.offset, isUpToDate, () => entries.map(({ body }) => body));
  }

  #chunk(
    end: LogOffset,
    isUpToDate: boolean,
    messages: () => Iterable<string> | AsyncIterable<string>,
    isEmpty = false,
  ): LogChunk {
    const pages = () => this.#service.pages(messages(), () => this.#throwFailure());
    const isWhole = this.#service.hasWholeChunks && !isEmpty && end.tx > 0n;
    const page = isWhole ? Buffer.from([...(messages() as string[])].join(",\n")) : undefined;
    return { end, isUpToDate, isEmpty, page, pages };
  }

  async *#snapshotMessages(chunk: number): AsyncGenerator<string, void, void> {
    const size = this.#service.messagesPerChunk;
    for (let index = chunk * size; index < (chunk + 1) * size; index++) {
      while (index >= this.#snapshot.length) {
        if (this.#isSnapshotComplete) return;
        await this.#nextGrowth();
      }
      yield this.#snapshot[index]!;
    }
  }

  async #nextGrowth(signal?: AbortSignal): Promise<void> {
    this.#throwFailure();
    await new Promise<void>((resolve, reject) => {
      void this.#growth.then(resolve);
      signal?.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
    });
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #notify(): void {
    this.#grown();
    this.#growth = new Promise((resolve) => (this.#grown = resolve));
  }

  #wake(outcome: WaitOutcome): void {
    for (const finish of [...this.waiters]) finish(outcome);
  }
}

export const SNAPSHOT_END_BODY =
  '{"headers":{"control":"snapshot-end","xmin":"7","xmax":"7","xip_list":[]}}';

export function rowBody(table: string, row: Row, marks: object = {}): string {
  const headers = { operation: "insert", relation: ["public", table], ...marks };
  return JSON.stringify({ key: `"public"."${table}"/"${row["id"]}"`, value: row, headers });
}

export function changeBody(
  table: string,
  row: Row,
  lsn: bigint,
  op: number,
  last: boolean,
): string {
  const headers = {
    operation: "insert",
    relation: ["public", table],
    txids: [7],
    lsn: lsn.toString(),
    op_position: op,
    ...(last ? { last } : {}),
  };
  return JSON.stringify({ key: `"public"."${table}"/"${row["id"]}"`, value: row, headers });
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

function identityOf({ template, constants }: ShapeDefinition): string {
  return JSON.stringify([template.text, constants]);
}

function parseCondition(
  where: string,
  params: Readonly<Record<string, string>>,
): { readonly column: string; readonly constant: string } {
  const match = /^(\w+) = (\$1|\d+)$/.exec(where);
  if (match === null) throw new InvalidParameter("where", "At location 0: syntax error");
  const constant = match[2] === "$1" ? params["1"] : match[2];
  if (constant === undefined) throw new InvalidParameter("params", "parameter $1 was not provided");
  return { column: match[1]!, constant };
}

function tableNamed(name: string): Table {
  return { oid: 1, schema: "public", name, columns: [], replicaIdentity: "f" };
}
