/**
 * The oracle: whatever happens, in the end every client holds what its query gives in Postgres.
 *
 *     round     clients read, or rest ─┐
 *               transactions           ├─ at the same time ─> quiet ─> compare every client
 *               a restart, or not      │
 *               new shapes            ─┘
 *
 * Shapes may be taken from clients for reasons that the protocol names, and no others.
 */

import { expect } from "vitest";
import type pg from "pg";
import { VALUE_SETTINGS } from "../../src/postgres/connection-options.ts";
import { eventually } from "../support/eventually.ts";
import type { TestDatabase } from "../support/postgres.ts";
import { mulberry32 } from "../support/random.ts";
import { ClauseGenerator, type ClausePattern } from "./oracle-clauses.ts";
import {
  below,
  createSql,
  randomColumns,
  randomTables,
  selectSql,
  type OracleTable,
  type Random,
} from "./oracle-schema.ts";
import { OracleWriter } from "./oracle-writer.ts";
import { RefusedShape, TaggedFollower, type ShapeRequest } from "./tagged-follower.ts";

/** A server that may be disturbed. */
export interface OracleServer {
  /** Whether it is killed now and then: what is lost so nobody writes down. */
  readonly isKilled: boolean;
  url(): string;
  /** Stops it, however that is done, or takes its connection away; and has it serve again. */
  disturb(random: Random): Promise<Disturbance>;
  /** Why shapes were removed, by handle. */
  readonly removals: ReadonlyMap<string, string>;
  /** What it has complained of. */
  readonly log: readonly string[];
  /** Resolves when nothing moves any more. */
  settled(): Promise<void>;
}

export type Disturbance = "restart" | "lost connection";

export interface OracleOptions {
  readonly seed: number;
  readonly database: TestDatabase;
  readonly tableCount: number;
  readonly levels: number;
  readonly shapeCount: number;
  readonly rounds: number;
  readonly stepsPerRound: number;
  /** Share of rounds that have one. */
  readonly disturbances: number;
}

/** Of one template: so that a move concerns several shapes, and one query serves them. */
const SHAPES_PER_PATTERN = 4;
const SESSIONS = 3;
const LOG_LINES_SHOWN = 60;
/** What this server does not take, and says so. */
const REFUSALS = /positive and negative polarity|too complex for DNF|NOT NULL on both sides/;
const NULL_UNDER_NOT_IN = /NULL .* under NOT IN/;

export class OracleRun {
  readonly #options: OracleOptions;
  /** For who reads when. What happens at the same time draws from sources of its own. */
  readonly #random: Random;
  readonly #eventRandom: Random;
  readonly #writerRandom: Random;
  readonly #tables: readonly OracleTable[];
  readonly #clauses: ClauseGenerator;
  readonly #followers: TaggedFollower[] = [];
  #pattern: ClausePattern | undefined;
  #patternUses = 0;
  #writer: OracleWriter | undefined;
  #checker: pg.Client | undefined;
  readonly counts = {
    ...{ shapes: 0, refused: 0, lost: 0, rowsCompared: 0 },
    ...{ restart: 0, "lost connection": 0 },
  };

  constructor(options: OracleOptions) {
    const { seed, tableCount, levels } = options;
    this.#options = options;
    this.#random = mulberry32(seed);
    this.#eventRandom = mulberry32(seed + 1);
    this.#writerRandom = mulberry32(seed + 2);
    this.#tables = randomTables(this.#random, tableCount);
    this.#clauses = new ClauseGenerator({
      ...{ random: this.#eventRandom, tables: this.#tables, levels },
    });
  }

  /** Makes the tables and some rows. To be called before the server is there. */
  async prepare(): Promise<void> {
    const { database } = this.#options;
    for (const table of this.#tables) await database.query(createSql(table));
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => database.connect()));
    this.#writer = new OracleWriter(this.#writerRandom, this.#tables, clients);
    this.#checker = await database.connect();
    for (const [name, value] of Object.entries(VALUE_SETTINGS)) {
      await this.#checker.query(`SET ${name} = '${value}'`);
    }
    await this.#writer.write(150);
  }

  async run(server: OracleServer): Promise<void> {
    const { rounds, shapeCount } = this.#options;
    while (this.#followers.length < shapeCount) await this.#addShape(server);
    console.log(`oracle: ${shapeCount} shapes`);
    for (let round = 0; round < rounds; round += 1) {
      await this.#round(server, round);
    }
  }

  async #round(server: OracleServer, round: number): Promise<void> {
    let isWriting = true;
    const readers = this.#followers.filter(() => this.#random() < 0.6);
    const reading = readers.map(async (follower) => {
      // The server goes away in the middle of it.
      while (isWriting) {
        await follower.catchUp(server.url()).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    });
    try {
      await Promise.all([
        this.#writer!.write(this.#options.stepsPerRound),
        this.#meanwhile(server),
      ]);
    } finally {
      isWriting = false;
    }
    await Promise.all(reading);
    await server.settled();
    for (const follower of this.#followers) await this.#compare(follower, server, round);
  }

  /** What else happens in a round. */
  async #meanwhile(server: OracleServer): Promise<void> {
    const random = this.#eventRandom;
    if (random() < this.#options.disturbances) {
      const { history } = this.#writer!;
      history.push("-- a disturbance begins");
      const disturbance = await server.disturb(random);
      history.push(`-- ${disturbance}`);
      this.counts[disturbance] += 1;
    } else if (random() < 0.5) {
      // A snapshot in the middle of it all.
      this.#writer!.history.push("-- another shape");
      const [gone] = this.#followers.splice(below(random, this.#followers.length), 1);
      this.#check(gone!, server);
      await this.#addShape(server);
    }
  }

  async #addShape(server: OracleServer): Promise<void> {
    const random = this.#eventRandom;
    while (true) {
      if (this.#pattern === undefined || this.#patternUses === SHAPES_PER_PATTERN) {
        this.#pattern = this.#clauses.next();
        this.#patternUses = 0;
      }
      const { table, where } = this.#pattern;
      this.#patternUses += 1;
      const request: ShapeRequest = {
        table: table.name,
        where: where(),
        ...(random() < 0.2 && { replica: "full" }),
        ...(random() < 0.2 && { columns: randomColumns(random, table) }),
      };
      const follower = new TaggedFollower(request);
      try {
        await follower.catchUp(server.url());
        this.#followers.push(follower);
        this.counts.shapes += 1;
        return;
      } catch (error) {
        if (!(error instanceof RefusedShape) || !REFUSALS.test(error.message)) {
          throw new Error(`making a shape of ${request.table}: ${request.where}`, { cause: error });
        }
        this.counts.refused += 1;
        this.#pattern = undefined;
      }
    }
  }

  async #compare(follower: TaggedFollower, server: OracleServer, round: number): Promise<void> {
    const { table, where, columns } = follower.request;
    const from = this.#tables.find(({ name }) => name === table)!;
    const expected = sorted(await this.#ask(selectSql(from, where, columns)));
    try {
      await eventually(async () => {
        await follower.catchUp(server.url());
        expect(sorted([...follower.rows.values()].map(({ value }) => value))).toEqual(expected);
      });
      this.#check(follower, server);
    } catch (error) {
      this.#explain(follower, round, server);
      throw error;
    }
    this.counts.rowsCompared += expected.length;
  }

  #check({ faults, lostHandles, request }: TaggedFollower, server: OracleServer): void {
    expect(faults).toEqual([]);
    for (const handle of lostHandles.splice(0)) {
      const reason = server.removals.get(handle);
      this.counts.lost += 1;
      // Of a process that was killed not every line arrives.
      if (reason !== undefined || !server.isKilled) expect(reason).toMatch(NULL_UNDER_NOT_IN);
      expect(request.where).toContain("NOT ");
    }
  }

  #explain(follower: TaggedFollower, round: number, { log }: OracleServer): void {
    const { request, handle, recent, faults, offset } = follower;
    console.error(
      [
        `round ${round}: ${request.table} WHERE ${request.where}`,
        `handle ${handle}, offset ${offset}, faults: ${faults.join("; ")}`,
        ...this.#tables.map(createSql),
        "the last messages:",
        ...recent,
        "the last statements:",
        ...this.#writer!.history,
        "the server's log:",
        ...log.slice(-LOG_LINES_SHOWN),
      ].join("\n"),
    );
  }

  async #ask(text: string): Promise<Record<string, string | null>[]> {
    const { rows } = await this.#checker!.query<Record<string, string | null>>(text);
    return rows;
  }

  /** What the followers have seen. */
  totals(): object {
    const sums = { moveIns: 0, moveOuts: 0, movedRows: 0, changes: 0 };
    for (const { counts } of this.#followers) {
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
    }
    return { ...this.counts, ...sums };
  }
}

function sorted(rows: readonly Readonly<Record<string, string | null>>[]): object[] {
  const textOf = (row: object) => JSON.stringify(row);
  return [...rows].sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}
