/**
 * Snapshots of shapes that differ in nothing but their constants, taken together: one Postgres
 * snapshot and one query for up to 200 shapes.
 *
 *     read ─┐
 *     read ─┼─> queue by template ──> unnest(constants), LATERAL (rows) ──> rows of each shape
 *     read ─┘                              └─ many rows, or an error ────> a cursor of its own
 *
 * There is no timer. What arrives while a batch of its template is in flight makes the next one: a
 * lone request waits for nobody, and the busier the server the larger the batches. A batch is
 * one round trip; one by one a snapshot costs five.
 *
 * Invariants:
 *
 *   1. The shapes of a batch share its bounds. One that goes on to a cursor has the cursor's.
 *   2. A batch asks for at most SHAPES_MAX times ROWS_BYTES_MAX bytes, and BATCHES_MAX are in
 *      flight, of different templates.
 *   3. What one shape of a batch does wrong, be it a division by zero, is that shape's error
 *      alone. What is wrong with the table is everybody's at once: nobody waits for a lock twice.
 */

import pg from "pg";
import type { Clock } from "../lib/clock.ts";
import { asError, LitzError } from "../lib/errors.ts";
import type { Stoppable } from "../lib/stop-signal.ts";
import { TransientMap } from "../lib/transient-map.ts";
import {
  whereSqlOver,
  type ShapeDefinition,
  type ShapeTemplate,
} from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { quoteTable } from "../model/table.ts";
import { arrayText } from "./array-text.ts";
import type { Pool, TextRow } from "./pool.ts";
import { PostgresError } from "./postgres-error.ts";
import { rowExpression } from "./row-expression.ts";
import type { SnapshotReader } from "./snapshot-query.ts";
import { abandon, DEFAULT_LIMITS, readAtOnce } from "./snapshot-transaction.ts";

const { escapeLiteral } = pg;

type Arguments = Parameters<SnapshotReader["read"]>;

/** A snapshot that somebody waits for. */
interface Request {
  readonly definition: ShapeDefinition;
  readonly placed: Arguments[1];
  readonly rows: Arguments[2];
  readonly signal: Stoppable;
  readonly tagPrefix: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** All messages of a shape, separated. Undefined: more than a batch takes. */
type Rows = string | undefined;

interface Answer {
  readonly bounds: SnapshotBounds;
  readonly shapes: readonly Rows[];
}

/** Nobody waits for the slow batch of another template, if only one is slow. */
const BATCHES_MAX = 2;
const SHAPES_MAX = 200;
const SHAPES_AT_FIRST = 16;
/** A batch that takes longer is made smaller: its first shape waits for the rows of its last. */
const SLOW_MS = 250;
const QUICK_MS = 50;
/** Templates whose batch size is remembered. */
const SIZES_MAX = 1024;

const ROWS_MAX = 100;
const ROWS_BYTES_MAX = 65_536;

export class SnapshotBatcher {
  readonly #pool: Pool;
  readonly #reader: Pick<SnapshotReader, "read">;
  /** By the text of the template. */
  readonly #waiting = new TransientMap<string, Request[]>();
  /** How many shapes of a template go into one batch: what has proved quick enough. */
  readonly #sizes = new Map<string, number>();
  readonly #clock: Clock;
  /** Templates of which a batch is in flight. */
  readonly #inFlight = new Set<string>();

  constructor(pool: Pool, reader: Pick<SnapshotReader, "read">, clock: Clock) {
    this.#clock = clock;
    this.#pool = pool;
    this.#reader = reader;
  }

  /** As `SnapshotReader.read`, in whose place it stands. */
  read(...[definition, placed, rows, signal, tagPrefix = ""]: Arguments): Promise<void> {
    return new Promise((resolve, reject) => {
      const { text } = definition.template;
      const request = { definition, placed, rows, signal, tagPrefix, resolve, reject };
      const waiting = this.#waiting.get(text);
      if (waiting === undefined) this.#waiting.set(text, [request]);
      else waiting.push(request);
      if (!this.#inFlight.has(text)) this.#pump();
    });
  }

  #pump(): void {
    while (this.#inFlight.size < BATCHES_MAX) {
      const requests = this.#takeNext();
      if (requests === undefined) return;
      const { text } = requests[0]!.definition.template;
      this.#inFlight.add(text);
      void this.#serve(requests).finally(() => {
        this.#inFlight.delete(text);
        this.#pump();
      });
    }
  }

  /** Templates take turns: what a batch leaves over goes to the end. */
  #takeNext(): Request[] | undefined {
    for (const [text, requests] of this.#waiting.entries()) {
      if (this.#inFlight.has(text)) continue;
      this.#waiting.delete(text);
      const waiting = requests.filter(isWanted);
      if (waiting.length === 0) continue;
      const size = this.#sizes.get(text) ?? SHAPES_AT_FIRST;
      if (waiting.length > size) this.#waiting.set(text, waiting.splice(size));
      return waiting;
    }
    return undefined;
  }

  /** Never rejects. */
  async #serve(requests: readonly Request[]): Promise<void> {
    const { template } = requests[0]!.definition;
    const start = this.#clock.nowMilliseconds();
    try {
      const answer = await this.#query(template, requests);
      if (answer === undefined) {
        // One may have failed it for all: let each find out for itself.
        this.#resize(template.text, 1);
        for (const request of requests) this.#readAlone(request);
        return;
      }
      this.#learn(template.text, this.#clock.nowMilliseconds() - start);
      for (const [index, request] of requests.entries()) {
        this.#deliver(request, answer.bounds, answer.shapes[index]);
      }
    } catch (error) {
      for (const { reject, signal } of requests) {
        reject(asError(signal.aborted ? signal.reason : error));
      }
    }
  }

  #learn(text: string, elapsedMs: number): void {
    const size = this.#sizes.get(text) ?? SHAPES_AT_FIRST;
    if (elapsedMs < QUICK_MS) this.#resize(text, Math.min(SHAPES_MAX, size * 2));
    if (elapsedMs > SLOW_MS) this.#resize(text, Math.max(1, size >> 1));
  }

  #resize(text: string, size: number): void {
    this.#sizes.delete(text);
    this.#sizes.set(text, size);
    if (this.#sizes.size > SIZES_MAX) this.#sizes.delete(this.#sizes.keys().next().value!);
  }

  /**
   * Undefined: the rows cannot be had together.
   *
   * @throws {LitzError} what keeps anybody from reading the table: it is locked, say, or gone.
   */
  async #query(template: ShapeTemplate, requests: readonly Request[]): Promise<Answer | undefined> {
    return this.#pool.withClient(async (client) => {
      const stop = () => {
        if (requests.every(({ signal }) => signal.aborted)) abandon(client);
      };
      for (const { signal } of requests) signal.addEventListener("abort", stop, { once: true });
      stop();
      try {
        const isEmpty = template.log === "changes_only";
        const sql = isEmpty ? "SELECT" : rowsSql(template, requests);
        const { bounds, rows } = await readAtOnce(client, DEFAULT_LIMITS, template, sql);
        const shapes = isEmpty ? requests.map(() => "") : rows.map(rowsOf);
        return { bounds, shapes };
      } catch (error) {
        if (isAboutTable(error)) throw error;
        return undefined;
      } finally {
        for (const { signal } of requests) signal.removeEventListener("abort", stop);
      }
    });
  }

  #deliver(request: Request, bounds: SnapshotBounds, rows: Rows): void {
    if (rows === undefined) {
      this.#readAlone(request);
      return;
    }
    try {
      const delivering = deliverRows(request, bounds, rows);
      if (delivering === undefined) request.resolve();
      else delivering.then(request.resolve, request.reject);
    } catch (error) {
      request.reject(asError(error));
    }
  }

  #readAlone(request: Request): void {
    const { definition, placed, rows, signal, tagPrefix, resolve, reject } = request;
    this.#reader.read(definition, placed, rows, signal, tagPrefix).then(resolve, reject);
  }
}

/**
 * Whether nobody can read the table. Anything else may be about the values of one shape, or that
 * the constants of this template cannot come from an array, as those of an enum cannot.
 */
function isAboutTable(error: unknown): boolean {
  if (!(error instanceof PostgresError)) return error instanceof LitzError;
  return error.code === "POSTGRES_LOCK_TIMEOUT" || error.code === "POSTGRES_PRIVILEGE";
}

/** Whether nobody has given up; who has is told. A server that stops may have thousands in line. */
function isWanted({ signal, reject }: Request): boolean {
  if (signal.aborted) reject(asError(signal.reason));
  return !signal.aborted;
}

/** Nearly always without a promise: there may be thousands a second. */
function deliverRows(
  { placed, rows: take, signal }: Request,
  bounds: SnapshotBounds,
  rows: string,
): Promise<void> | undefined {
  const takeAll = (): Promise<void> | undefined => {
    signal.throwIfAborted();
    return rows === "" ? undefined : take(Buffer.from(rows), true);
  };
  signal.throwIfAborted();
  const placing = placed(bounds);
  return placing === undefined ? takeAll() : placing.then(takeAll);
}

function rowsOf([count, rows]: TextRow): Rows {
  if (count === "0") return "";
  return Number(count) > ROWS_MAX || rows === null ? undefined : rows;
}

/**
 * For each shape, in their order, how many rows it has and which. The constants come as arrays of
 * text, one for each place in the template: the WHERE casts them. They are literals, for a query
 * with parameters would be a round trip of its own.
 */
function rowsSql(template: ShapeTemplate, requests: readonly Request[]): string {
  const { constants } = requests[0]!.definition;
  const numbers = Array.from(requests, (_, index) => index);
  const isTagged = template.where?.subqueries !== undefined;
  const columns = [
    ...constants.map((_, place) => requests.map(({ definition }) => definition.constants[place]!)),
    ...(isTagged ? [requests.map(({ tagPrefix }) => tagPrefix)] : []),
  ];
  const texts = columns.map((column) => `, ${escapeLiteral(arrayText(column))}::text[]`);
  const names = ["place", ...columns.map((_, place) => `c${place}`)];
  const constant = (index: number) => `litz_shape.c${index}`;
  const condition =
    template.where === undefined ? "" : ` WHERE ${whereSqlOver(template.where, constant)}`;
  const tags = { prefix: constant(constants.length), constant };
  return (
    `SELECT litz_rows.* FROM unnest('${arrayText(numbers)}'::int4[]${texts.join("")}) ` +
    `AS litz_shape(${names.join(", ")}), LATERAL (` +
    `SELECT count(*), CASE WHEN sum(octet_length(litz_row.message)) <= ${ROWS_BYTES_MAX} ` +
    `THEN string_agg(litz_row.message, E',\\n') END ` +
    `FROM (SELECT ${rowExpression(template, tags)} AS message FROM ${quoteTable(template.table)}` +
    `${condition} LIMIT ${ROWS_MAX + 1}) AS litz_row) AS litz_rows ORDER BY litz_shape.place`
  );
}
