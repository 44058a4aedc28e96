/**
 * Snapshots of shapes that differ in nothing but their constants, taken together: one Postgres
 * snapshot and one query for up to 200 shapes.
 *
 *     read ─┐
 *     read ─┼─> queue by template ──> unnest(constants), LATERAL (rows) ──> rows of each shape
 *     read ─┘                              └─ many rows, or an error ────> a cursor of its own
 *
 * There is no timer. What arrives while a batch is in flight makes the next one: a lone request
 * waits for nobody, and the busier the server the larger the batches. One by one a snapshot costs
 * five round trips.
 *
 * Invariants:
 *
 *   1. The shapes of a batch share its bounds. One that goes on to a cursor has the cursor's.
 *   2. A batch asks for at most SHAPES_MAX times ROWS_BYTES_MAX bytes, and BATCHES_MAX are in
 *      flight.
 *   3. What one shape of a batch does wrong, be it a division by zero, is that shape's error
 *      alone. What is wrong with the table is everybody's at once: nobody waits for a lock twice.
 */

import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import {
  whereSqlOver,
  type ShapeDefinition,
  type ShapeTemplate,
} from "../model/shape-definition.ts";
import type { SnapshotBounds } from "../model/snapshot-bounds.ts";
import { quoteTable } from "../model/table.ts";
import type { Pool, TextRow } from "./pool.ts";
import { rowExpression } from "./row-expression.ts";
import type { SnapshotReader } from "./snapshot-query.ts";
import {
  abandon,
  DEFAULT_LIMITS,
  SnapshotTransaction,
  type CursorQuery,
} from "./snapshot-transaction.ts";

type Arguments = Parameters<SnapshotReader["read"]>;

/** A snapshot that somebody waits for. */
interface Request {
  readonly definition: ShapeDefinition;
  readonly placed: Arguments[1];
  readonly row: Arguments[2];
  readonly signal: AbortSignal;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Undefined: more than a batch takes. */
type Rows = readonly string[] | undefined;

interface Answer {
  readonly bounds: SnapshotBounds;
  readonly shapes: readonly Rows[];
}

/** The next one is prepared while Postgres works on the last. */
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
  readonly #waiting = new Map<string, Request[]>();
  /** How many shapes of a template go into one batch: what has proved quick enough. */
  readonly #sizes = new Map<string, number>();
  readonly #clock: Clock;
  #inFlight = 0;

  constructor(pool: Pool, reader: Pick<SnapshotReader, "read">, clock: Clock) {
    this.#clock = clock;
    this.#pool = pool;
    this.#reader = reader;
  }

  /** As `SnapshotReader.read`, in whose place it stands. */
  read(...[definition, placed, row, signal]: Arguments): Promise<void> {
    return new Promise((resolve, reject) => {
      const { text } = definition.template;
      const request = { definition, placed, row, signal, resolve, reject };
      const waiting = this.#waiting.get(text);
      if (waiting === undefined) this.#waiting.set(text, [request]);
      else waiting.push(request);
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#inFlight < BATCHES_MAX) {
      const requests = this.#takeNext();
      if (requests === undefined) return;
      this.#inFlight += 1;
      void this.#serve(requests).finally(() => {
        this.#inFlight -= 1;
        this.#pump();
      });
    }
  }

  /** Templates take turns: what a batch leaves over goes to the end. */
  #takeNext(): Request[] | undefined {
    for (const [text, requests] of this.#waiting) {
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
      const transaction = await SnapshotTransaction.begin(
        client,
        DEFAULT_LIMITS,
        "pg_current_wal_insert_lsn",
        template,
      );
      try {
        const isEmpty = template.log === "changes_only";
        const rows = isEmpty ? [] : await transaction.rows(rowsQuery(template, requests));
        await transaction.commit();
        const shapes = isEmpty ? requests.map(() => []) : rows.map(rowsOf);
        return { bounds: transaction.bounds, shapes };
      } catch {
        await transaction.rollback();
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
    deliverRows(request, bounds, rows).then(request.resolve, (error: unknown) => {
      request.reject(asError(error));
    });
  }

  #readAlone({ definition, placed, row, signal, resolve, reject }: Request): void {
    this.#reader.read(definition, placed, row, signal).then(resolve, reject);
  }
}

/** Whether nobody has given up; who has is told. A server that stops may have thousands in line. */
function isWanted({ signal, reject }: Request): boolean {
  if (signal.aborted) reject(asError(signal.reason));
  return !signal.aborted;
}

async function deliverRows(
  { placed, row, signal }: Request,
  bounds: SnapshotBounds,
  rows: readonly string[],
): Promise<void> {
  signal.throwIfAborted();
  placed(bounds);
  for (const message of rows) {
    const written = row(Buffer.from(message));
    if (written !== undefined) await written;
    signal.throwIfAborted();
  }
}

/** No JSON text contains a line feed. */
function rowsOf([count, rows]: TextRow): Rows {
  if (count === "0") return [];
  return Number(count) > ROWS_MAX || rows === null ? undefined : rows!.split("\n");
}

/**
 * For each shape, in their order, how many rows it has and which. The constants come as arrays of
 * text, one for each place in the template: the WHERE casts them.
 */
function rowsQuery(template: ShapeTemplate, requests: readonly Request[]): CursorQuery {
  const { constants } = requests[0]!.definition;
  const numbers = Array.from(requests, (_, index) => index);
  const arrays = [
    numbers,
    ...constants.map((_, place) => {
      return requests.map(({ definition }) => definition.constants[place]!);
    }),
  ];
  const names = ["place", ...constants.map((_, place) => `c${place}`)];
  const texts = constants.map((_, place) => `, $${place + 2}::text[]`);
  const condition =
    template.where === undefined
      ? ""
      : ` WHERE ${whereSqlOver(template.where, (index) => `litz_shape.c${index}`)}`;
  const sql =
    `SELECT litz_rows.* FROM unnest($1::int4[]${texts.join("")}) ` +
    `AS litz_shape(${names.join(", ")}), LATERAL (` +
    `SELECT count(*), CASE WHEN sum(octet_length(litz_row.message)) <= ${ROWS_BYTES_MAX} ` +
    `THEN string_agg(litz_row.message, E'\\n') END ` +
    `FROM (SELECT ${rowExpression(template)} AS message FROM ${quoteTable(template.table)}` +
    `${condition} LIMIT ${ROWS_MAX + 1}) AS litz_row) AS litz_rows ORDER BY litz_shape.place`;
  return { sql, parameters: arrays.map(arrayText) };
}

/** An array as Postgres reads it (Postgres manual, 8.15.2). */
function arrayText(values: readonly (string | number)[]): string {
  return `{${values.map((value) => `"${`${value}`.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
