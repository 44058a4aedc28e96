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

import type { PartitionOrigin, PartitionTree } from "../model/partition-tree.ts";
import type { ColumnCollation, Table, TableColumn } from "../model/table.ts";
import { DROPPED_COLUMN, quoteTable } from "../model/table.ts";
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

  /** What is remembered of a table. */
  knownTable(schema: string, name: string): Table | undefined {
    const oid = this.#oidByName.get(quoteTable({ schema, name }));
    return oid === undefined ? undefined : this.#touch(oid);
  }

  /** Undefined: no such ordinary or partitioned table. @throws {LitzError} */
  async findTable(schema: string, name: string): Promise<Table | undefined> {
    const known = this.knownTable(schema, name);
    return known ?? this.#load(quoteTable({ schema, name }), BY_NAME, [schema, name]);
  }

  /**
   * The same, asked anew; requests at the same time ask once. What is remembered stays: whoever
   * finds that something has changed calls `invalidate`.
   *
   * @throws {LitzError}
   */
  async refreshTable(schema: string, name: string): Promise<Table | undefined> {
    const key = `new ${quoteTable({ schema, name })}`;
    return this.#once(key, async () => {
      const [table] = await readTables(this.#database, BY_NAME, [schema, name]);
      return table;
    });
  }

  /** Undefined: no such ordinary or partitioned table. @throws {LitzError} */
  async findTableByOid(oid: number): Promise<Table | undefined> {
    return this.#touch(oid) ?? this.#load(`${oid}`, BY_OID, [`${oid}`]);
  }

  /**
   * Asks the catalog for many tables at once, by oid; those that are not there are left out. Past
   * the cache: whoever finds that something has changed calls `invalidate`.
   *
   * @throws {LitzError}
   */
  async readTables(oids: readonly number[]): Promise<ReadonlyMap<number, Table>> {
    const tables = await readTables(this.#database, BY_OIDS, [`{${oids.join(",")}}`]);
    return new Map(tables.map((table) => [table.oid, table]));
  }

  /** Of those of the tables that are partitioned, all partitions at any depth. */
  async partitionsOf(oids: readonly number[]): Promise<ReadonlyMap<number, PartitionTree>> {
    const rows = await this.#database.query(PARTITIONS_SQL, [`{${oids.join(",")}}`]);
    return new Map(
      rows.map(([oid, list]) => [Number(oid), new Map(JSON.parse(list!) as [number, number][])]),
    );
  }

  /** How a table came under the tables that it is a part of, if it is one. */
  async originOf(oid: number): Promise<PartitionOrigin> {
    const [row] = await this.#database.query(ORIGIN_SQL, [`${oid}`]);
    const [ancestors, isMadeAsPartition, since] = row as [string, string, string | null];
    return {
      ancestors: JSON.parse(ancestors) as number[],
      isMadeAsPartition: isMadeAsPartition === "t",
      since: Number(since ?? 0),
    };
  }

  /** Forgets a table, so that the next question reaches the catalog. */
  invalidate(oid: number): void {
    this.#generation++;
    this.#forget(oid);
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
    return this.#once(`${generation} ${key}`, async () => {
      const [table] = await readTables(this.#database, condition, parameters);
      if (table !== undefined && generation === this.#generation) this.#remember(table);
      return table;
    });
  }

  #once(key: string, load: () => Promise<Table | undefined>): Promise<Table | undefined> {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const loading = load().finally(() => this.#pending.delete(key));
    this.#pending.set(key, loading);
    return loading;
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
const BY_OIDS = "c.oid = ANY($1::oid[])";

/**
 * Whether a collation orders by code points. The provider `builtin` has no others
 * (Postgres manual, 23.1.4), libc orders so in these locales. Before Postgres 15 there is no column
 * for the provider of a database: it is libc.
 */
const BYTE_ORDER = `(
  SELECT CASE provider
           WHEN 'b' THEN true
           WHEN 'c' THEN lower(locale) IN ('c', 'posix', 'c.utf8', 'c.utf-8')
           ELSE false
         END
  FROM (SELECT CASE l.collprovider WHEN 'd' THEN d.datlocprovider ELSE l.collprovider::text END,
               CASE l.collprovider WHEN 'd' THEN d.datcollate ELSE l.collcollate END
        FROM (SELECT datcollate,
                     coalesce(to_jsonb(pg_database) ->> 'datlocprovider', 'c') AS datlocprovider
              FROM pg_database WHERE datname = current_database()) d) AS of (provider, locale))`;

/** Of a domain over a composite type, or over such a domain, the values are rows all the same. */
const IS_ROW_DOMAIN = `(
  t.typtype = 'd' AND EXISTS (
    WITH RECURSIVE base AS (
      SELECT t.typtype, t.typbasetype
      UNION ALL SELECT b.typtype, b.typbasetype FROM base JOIN pg_type b ON b.oid = base.typbasetype
    ) SELECT FROM base WHERE typtype = 'c'))`;

/**
 * One row for the table, its columns as a JSON array; a dropped one is NULL. An array type's
 * element is looked up through `typarray`, which tells a true array from `name` or `point`, which
 * can be subscripted as well. A NOT NULL that was added NOT VALID (Postgres 18) promises nothing.
 */
const TABLE_SQL = `
  SELECT c.oid, n.nspname, c.relname, c.relreplident, c.relkind = 'p',
         (SELECT coalesce(json_agg(CASE WHEN NOT a.attisdropped THEN json_build_object(
                   'name', a.attname,
                   'typeOid', a.atttypid::int8,
                   'typeName', coalesce(e.typname, t.typname),
                   'typeKind', CASE WHEN ${IS_ROW_DOMAIN} THEN 'c'
                                    ELSE coalesce(e.typtype, t.typtype) END,
                   'typeModifier', a.atttypmod,
                   'dimensionCount',
                   CASE WHEN e.oid IS NULL THEN 0 ELSE greatest(a.attndims, 1) END,
                   'isNotNull', a.attnotnull AND NOT EXISTS (
                     SELECT FROM pg_constraint x
                     WHERE x.conrelid = c.oid AND x.contype = 'n' AND NOT x.convalidated
                       AND x.conkey[1] = a.attnum),
                   'keyIndex', k.position,
                   'generated', a.attgenerated,
                   'hasByteEquality', coalesce(l.collisdeterministic, true),
                   'collation', CASE WHEN l.oid IS NOT NULL THEN json_build_object(
                     'name', l.collname,
                     'isDefault', l.collprovider = 'd',
                     'hasByteOrder', ${BYTE_ORDER}) END
                 ) END ORDER BY a.attnum), '[]')
          FROM pg_attribute a
          LEFT JOIN pg_type t ON t.oid = a.atttypid
          LEFT JOIN pg_type e ON e.typarray = t.oid AND e.oid = t.typelem
          LEFT JOIN pg_collation l ON l.oid = a.attcollation
          LEFT JOIN LATERAL (
            SELECT key.position - 1 AS position
            FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS key(attnum, position)
            WHERE i.indrelid = c.oid AND i.indisprimary
              AND key.position <= i.indnkeyatts AND key.attnum = a.attnum
          ) k ON true
          WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND `;

const PARTITIONS_SQL = `
  SELECT c.oid, (SELECT coalesce(json_agg(json_build_array(
                          t.relid::oid::int8, i.xmin::text::int8)), '[]')
                 FROM pg_partition_tree(c.oid) t JOIN pg_inherits i ON i.inhrelid = t.relid
                 WHERE t.relid <> c.oid)
  FROM pg_class c WHERE c.oid = ANY($1::oid[]) AND c.relkind = 'p'`;

/**
 * Was a table made by CREATE TABLE ... PARTITION OF, or attached later, perhaps with rows? In the
 * first case one command wrote both its columns and its place under the parent: the same
 * transaction, and 3 or 4 catalog changes apart (measured on Postgres 18). CREATE TABLE and ATTACH
 * PARTITION are 7 apart at least with nothing in between. The system column ctid stands for the
 * columns, because no later command touches its row.
 */
const ORIGIN_SQL = `
  SELECT coalesce(json_agg(a.relid::oid::int8) FILTER (WHERE a.relid <> $1::oid), '[]'),
         coalesce(bool_and(i.inhrelid IS NULL
                           OR i.xmin = t.xmin
                              AND i.cmin::text::int8 - t.cmin::text::int8 BETWEEN 0 AND 4), false),
         max(i.xmin::text::int8) FILTER (WHERE a.relid = $1::oid)
  FROM pg_partition_ancestors($1::oid) a
  LEFT JOIN pg_inherits i ON i.inhrelid = a.relid
  LEFT JOIN pg_attribute t ON t.attrelid = a.relid AND t.attnum = -1`;

interface ColumnRow extends Omit<TableColumn, "keyIndex" | "generated" | "collation"> {
  readonly collation: ColumnCollation | null;
  readonly keyIndex: number | null;
  readonly generated: "" | "s" | "v";
}

async function readTables(
  database: Queryable,
  condition: string,
  parameters: string[],
): Promise<Table[]> {
  const rows = await database.query(TABLE_SQL + condition, parameters);
  return rows.map((row) => {
    const [oid, schema, name, replicaIdentity, isPartitioned, columns] = row as string[];
    return {
      oid: Number(oid),
      schema: schema!,
      name: name!,
      columns: (JSON.parse(columns!) as (ColumnRow | null)[]).map(columnOf),
      replicaIdentity: replicaIdentity!,
      ...(isPartitioned === "t" ? { isPartitioned: true } : {}),
    };
  });
}

function columnOf(row: ColumnRow | null): TableColumn {
  if (row === null) return DROPPED_COLUMN;
  const { keyIndex, generated, collation, ...column } = row;
  return {
    ...column,
    ...(collation === null ? {} : { collation }),
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
