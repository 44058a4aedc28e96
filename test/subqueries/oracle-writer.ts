/**
 * Random transactions on several connections at once: some are open while others commit, some are
 * taken back, some commit at the same moment.
 *
 *     one     BEGIN ──── UPDATE t0 ─────────────── INSERT t2 ── COMMIT
 *     two             BEGIN ── DELETE t1 ── ROLLBACK
 *     three                        BEGIN ── UPDATE t1 ───────── COMMIT
 *
 * Each connection has keys of its own, so that none waits for another and a seed does the same
 * thing each time.
 */

import type pg from "pg";
import {
  below,
  IDS,
  pick,
  randomLiteral,
  type OracleColumn,
  type OracleTable,
  type Random,
} from "./oracle-schema.ts";

interface Session {
  readonly client: pg.Client;
  isOpen: boolean;
}

export class OracleWriter {
  readonly #random: Random;
  readonly #tables: readonly OracleTable[];
  readonly #sessions: readonly Session[];
  /** Which keys are whose changes from round to round. */
  #shift = 0;
  /** What was done last, for whoever wants to know how it came to that. */
  readonly history: string[] = [];

  constructor(random: Random, tables: readonly OracleTable[], clients: readonly pg.Client[]) {
    this.#random = random;
    this.#tables = tables;
    this.#sessions = clients.map((client) => ({ client, isOpen: false }));
  }

  /** Does so many things, and commits or takes back what is open in the end. */
  async write(stepCount: number): Promise<void> {
    this.history.length = 0;
    for (let step = 0; step < stepCount; step += 1) await this.#step();
    await this.#end(this.#sessions.filter(({ isOpen }) => isOpen));
    this.#shift += 1;
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const number = below(random, this.#sessions.length);
    const session = this.#sessions[number]!;
    if (!session.isOpen) {
      await this.#run(number, "BEGIN");
      session.isOpen = true;
    }
    const roll = random();
    if (roll < 0.3) return this.#end([session]);
    if (roll < 0.36) return this.#end(this.#sessions.filter(({ isOpen }) => isOpen));
    if (roll < 0.42) {
      await this.#run(number, "SAVEPOINT s");
      await this.#change(number);
      await this.#run(number, random() < 0.5 ? "ROLLBACK TO s" : "RELEASE s");
      return undefined;
    }
    return this.#change(number);
  }

  /** At the same moment, if there are several. */
  async #end(sessions: readonly Session[]): Promise<void> {
    const words = sessions.map(() => (this.#random() < 0.85 ? "COMMIT" : "ROLLBACK"));
    await Promise.all(
      sessions.map(async (session, index) => {
        await this.#run(this.#sessions.indexOf(session), words[index]!);
        session.isOpen = false;
      }),
    );
  }

  async #change(number: number): Promise<void> {
    await this.#run(number, this.#statement((number + this.#shift) % this.#sessions.length));
  }

  async #run(number: number, sql: string): Promise<void> {
    this.history.push(`${number}: ${sql}`);
    try {
      await this.#sessions[number]!.client.query(sql);
    } catch (error) {
      throw new Error(`running ${sql}`, { cause: error });
    }
  }

  /** REQUIRES: nobody else changes rows whose key leaves the remainder `owner`. */
  #statement(owner: number): string {
    const random = this.#random;
    const table = pick(random, this.#tables);
    const count = this.#sessions.length;
    const ids = IDS.filter((id) => Number(id) % count === owner);
    const isOwn = `id % ${count} = ${owner}`;
    const roll = random();
    if (roll < 0.3) return insertion(random, table, ids);
    if (roll < 0.42) {
      const which = random() < 0.7 ? `id = ${pick(random, ids)}` : this.#some(table, isOwn);
      return `DELETE FROM ${table.name} WHERE ${which}`;
    }
    if (roll < 0.5) {
      const [from, to] = [pick(random, ids), pick(random, ids)];
      const isTaken = `EXISTS (SELECT FROM ${table.name} WHERE id = ${to})`;
      return `UPDATE ${table.name} SET id = ${to} WHERE id = ${from} AND NOT ${isTaken}`;
    }
    const columns = table.columns.slice(1);
    const changed = new Set([pick(random, columns), pick(random, columns)]);
    const set = [...changed].map((each) => `${each.name} = ${valueFor(random, each, columns)}`);
    const where = random() < 0.6 ? `id = ${pick(random, ids)}` : this.#some(table, isOwn);
    return `UPDATE ${table.name} SET ${set.join(", ")} WHERE ${where}`;
  }

  #some({ columns }: OracleTable, isOwn: string): string {
    const column = pick(this.#random, columns);
    return `${isOwn} AND ${column.name} = ${randomLiteral(this.#random, column, 0)}`;
  }
}

function insertion(random: Random, { name, columns }: OracleTable, ids: readonly string[]): string {
  const rows = Array.from({ length: 1 + below(random, 3) }, () => {
    const values = columns.slice(1).map((column) => randomLiteral(random, column));
    return `(${[pick(random, ids), ...values].join(", ")})`;
  });
  return `INSERT INTO ${name} VALUES ${rows.join(", ")} ON CONFLICT DO NOTHING`;
}

/** A constant mostly; else another column's value, so that many rows change differently. */
function valueFor(random: Random, column: OracleColumn, columns: readonly OracleColumn[]): string {
  const alike = columns.filter(({ type, isNullable }) => {
    return type === column.type && (column.isNullable || !isNullable);
  });
  return random() < 0.2 ? pick(random, alike).name : randomLiteral(random, column);
}
