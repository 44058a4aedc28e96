/** A table of our own in the database that the server follows, gone when we are done. */

import { parseConnectionOptions } from "../../postgres/connection-options.ts";
import { Pool } from "../../postgres/pool.ts";

/** Two: one to write, one to look after the table. */
const CONNECTIONS = 2;
/** As many as an application would write in one transaction that is large. */
const ROWS_PER_TRANSACTION = 1000;

export class LoadTable {
  readonly name: string;
  readonly #pool: Pool;

  private constructor(name: string, pool: Pool) {
    this.name = name;
    this.#pool = pool;
  }

  /** @throws {LitzError} when the database cannot be reached or does not allow it. */
  static async create(databaseUrl: string, name: string): Promise<LoadTable> {
    const pool = new Pool(parseConnectionOptions(databaseUrl), { size: CONNECTIONS });
    try {
      await pool.query(
        `CREATE TABLE ${name} (
           id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
           tenant_id bigint NOT NULL,
           note text NOT NULL)`,
      );
      return new LoadTable(name, pool);
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  async insert(tenant: number): Promise<void> {
    const sql = `INSERT INTO ${this.name} (tenant_id, note) VALUES ($1, 'one row at a time')`;
    await this.#pool.query(sql, [String(tenant)]);
  }

  /** Tenants `first` to `first + tenantCount - 1` in turn, a thousand rows in a transaction. */
  async insertMany(rowCount: number, first: number, tenantCount: number): Promise<void> {
    for (let written = 0; written < rowCount; written += ROWS_PER_TRANSACTION) {
      const last = Math.min(written + ROWS_PER_TRANSACTION, rowCount) - 1;
      await this.#pool.query(
        `INSERT INTO ${this.name} (tenant_id, note)
         SELECT $1::bigint + n % $2::bigint, 'one of many rows'
         FROM generate_series($3::bigint, $4::bigint) AS n`,
        [first, tenantCount, written, last].map(String),
      );
    }
  }

  async drop(): Promise<void> {
    await this.#pool.query(`DROP TABLE ${this.name}`).finally(() => this.#pool.close());
  }
}
