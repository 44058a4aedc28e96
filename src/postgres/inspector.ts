/**
 * What the catalog says of tables, remembered.
 *
 * Every request names a table, so the answer to "what is public.items?" is kept: by name and by
 * oid, for at most `capacity` tables, the ones used longest ago forgotten first. Nothing in the
 * catalog tells us of a change. Relation messages do, and snapshots that fail: their receivers
 * `invalidate`. A table that was not found is never remembered: it may be created the next moment.
 *
 * Invariant: a table is in the cache under its name if and only if it is there under its oid.
 */

import type { Table, TableColumn } from "../model/table.ts";
import { quoteTable } from "../model/table.ts";
import { PostgresError } from "./postgres-error.ts";
import type { Queryable } from "./pool.ts";

/** Some 10 kB each, for a table of 50 columns. */
const CAPACITY = 1_000;

export class Inspector {
  readonly #database: Queryable;
  readonly #capacity: number;
  /** In order of last use. */
  readonly #byOid = new Map<number, Table>();
  readonly #oidByName = new Map<string, number>();
  /** Queries under way, so that a thousand requests for a new table ask once. */
  readonly #pending = new Map<string, Promise<Table | undefined>>();
  /** Counts invalidations: an answer that was asked for before one is not remembered after it. */
  #generation = 0;

  constructor(database: Queryable, capacity = CAPACITY) {
    this.#database = database;
    this.#capacity = capacity;
  }

  /** Undefined: no such ordinary or partitioned table. @throws {LitzError} */
  async findTable(schema: string, name: string): Promise<Table | undefined> {
    const oid = this.#oidByName.get(quoteTable({ schema, name }));
    if (oid !== undefined) return this.#touch(oid);
    return this.#load(quoteTable({ schema, name }), BY_NAME, [schema, name]);
  }

  /** Undefined: no such ordinary or partitioned table. @throws {LitzError} */
  async findTableByOid(oid: number): Promise<Table | undefined> {
    return this.#touch(oid) ?? this.#load(`${oid}`, BY_OID, [`${oid}`]);
  }

  /** Forgets a table, so that the next question reaches the catalog. */
  invalidate(oid: number): void {
    this.#generation++;
    this.#forget(oid);
  }

  invalidateAll(): void {
    this.#generation++;
    this.#byOid.clear();
    this.#oidByName.clear();
  }

  #touch(oid: number): Table | undefined {
    const table = this.#byOid.get(oid);
    if (table === undefined) return undefined;
    this.#byOid.delete(oid);
    this.#byOid.set(oid, table);
    return table;
  }

  #load(key: string, condition: string, parameters: string[]): Promise<Table | undefined> {
    const generation = this.#generation;
    const pendingKey = `${generation} ${key}`;
    const pending = this.#pending.get(pendingKey);
    if (pending !== undefined) return pending;
    const load = readTable(this.#database, condition, parameters)
      .then((table) => {
        if (table !== undefined && generation === this.#generation) this.#remember(table);
        return table;
      })
      .finally(() => this.#pending.delete(pendingKey));
    this.#pending.set(pendingKey, load);
    return load;
  }

  #remember(table: Table): void {
    // The name may have belonged to another table, the table may have had another name.
    const previous = this.#oidByName.get(quoteTable(table));
    if (previous !== undefined) this.#forget(previous);
    this.#forget(table.oid);
    for (const oldest of this.#byOid.keys()) {
      if (this.#byOid.size < this.#capacity) break;
      this.#forget(oldest);
    }
    this.#byOid.set(table.oid, table);
    this.#oidByName.set(quoteTable(table), table.oid);
  }

  #forget(oid: number): void {
    const table = this.#byOid.get(oid);
    if (table === undefined) return;
    this.#byOid.delete(oid);
    this.#oidByName.delete(quoteTable(table));
  }
}

const BY_NAME = "n.nspname = $1 AND c.relname = $2";
const BY_OID = "c.oid = $1::oid";

/**
 * One row for the table, its columns as a JSON array. An array type's element is looked up through
 * `typarray`, which tells a true array from `name` or `point`, which can be subscripted as well.
 */
const TABLE_SQL = `
  SELECT c.oid, n.nspname, c.relname, c.relreplident,
         (SELECT coalesce(json_agg(json_build_object(
                   'name', a.attname,
                   'typeOid', a.atttypid::int8,
                   'typeName', coalesce(e.typname, t.typname),
                   'typeKind', coalesce(e.typtype, t.typtype),
                   'typeModifier', a.atttypmod,
                   'dimensionCount',
                   CASE WHEN e.oid IS NULL THEN 0 ELSE greatest(a.attndims, 1) END,
                   'isNotNull', a.attnotnull,
                   'keyIndex', k.position,
                   'generated', a.attgenerated,
                   'hasByteEquality', coalesce(l.collisdeterministic, true)
                 ) ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          JOIN pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_type e ON e.typarray = t.oid AND e.oid = t.typelem
          LEFT JOIN pg_collation l ON l.oid = a.attcollation
          LEFT JOIN LATERAL (
            SELECT key.position - 1 AS position
            FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS key(attnum, position)
            WHERE i.indrelid = c.oid AND i.indisprimary
              AND key.position <= i.indnkeyatts AND key.attnum = a.attnum
          ) k ON true
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND `;

interface ColumnRow extends Omit<TableColumn, "keyIndex" | "generated"> {
  readonly keyIndex: number | null;
  readonly generated: "" | "s" | "v";
}

async function readTable(
  database: Queryable,
  condition: string,
  parameters: string[],
): Promise<Table | undefined> {
  const [row] = await database.query(TABLE_SQL + condition, parameters);
  if (row === undefined) return undefined;
  const [oid, schema, name, replicaIdentity, columns] = row as string[];
  return {
    oid: Number(oid),
    schema: schema!,
    name: name!,
    columns: (JSON.parse(columns!) as ColumnRow[]).map(columnOf),
    replicaIdentity: replicaIdentity!,
  };
}

function columnOf({ keyIndex, generated, ...column }: ColumnRow): TableColumn {
  return {
    ...column,
    ...(keyIndex === null ? {} : { keyIndex }),
    ...(generated === "" ? {} : { generated: generated === "s" ? "stored" : "virtual" }),
  };
}

export interface ServerInfo {
  /** As a number: 180004 for 18.4. */
  readonly version: number;
  readonly databaseName: string;
  /** Tells one cluster from another, a restored backup apart. */
  readonly systemIdentifier: string;
  /** Of the last checkpoint; `ReplicationConnection.identifySystem` knows the present one. */
  readonly timeline: number;
  readonly walLevel: string;
  /** In milliseconds, 0 for never. */
  readonly walSenderTimeoutMs: number;
}

const VERSION_MIN = 140_000;

/**
 * What the server is, and whether it will do.
 *
 * @throws {LitzError} POSTGRES_UNSUITABLE naming what has to be changed.
 */
export async function inspectServer(database: Queryable): Promise<ServerInfo> {
  const [row] = await database.query(
    `SELECT current_setting('server_version_num'), current_database(),
            (SELECT system_identifier FROM pg_control_system()),
            (SELECT timeline_id FROM pg_control_checkpoint()), current_setting('wal_level'),
            (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout')`,
  );
  const [version, databaseName, systemIdentifier, timeline, walLevel, timeout] = row as string[];
  const info = {
    version: Number(version),
    databaseName: databaseName!,
    systemIdentifier: systemIdentifier!,
    timeline: Number(timeline),
    walLevel: walLevel!,
    walSenderTimeoutMs: Number(timeout),
  };
  if (info.version < VERSION_MIN) {
    throw PostgresError.unsuitable(`Postgres 14 or newer is needed, this is ${version}`);
  }
  if (info.walLevel !== "logical") {
    throw PostgresError.unsuitable(
      `wal_level is "${info.walLevel}" and must be "logical": ` +
        `ALTER SYSTEM SET wal_level = logical, then restart Postgres`,
    );
  }
  return info;
}
