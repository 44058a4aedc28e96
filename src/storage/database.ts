/**
 * The SQLite file: catalog, posting runs and the position of the last checkpoint. All of it is a
 * cache of the journal and is written by the checkpoint alone, in one transaction each, so that the
 * position never says more than the tables hold.
 *
 * Settings: pages of 4 KiB, because larger ones write up to 2.3 times the bytes; WAL, so that
 * readers and the checkpoint do not wait for each other; synchronous=FULL, which costs nothing at
 * one commit per million postings and makes the position durable before a segment is deleted;
 * auto_vacuum=INCREMENTAL, so that free pages can be given back (`reclaim-job.ts`).
 */

import Database from "better-sqlite3";
import type { Lsn } from "../model/lsn.ts";
import type { SeqRange } from "./record.ts";

const SCHEMA = `
  create table meta (name text primary key, value text not null) without rowid;
  create table template (id integer primary key, text text not null unique);
  create table shape (key integer primary key, row blob not null);
  create table partitions (oid integer primary key, blob blob not null);
  create table run_info (
    run integer primary key, level integer not null, first_seq integer not null,
    last_seq integer not null, postings integer not null, members integer not null);
  create table run (
    run integer not null, key integer not null, base integer not null, blob blob not null,
    primary key (run, key, base)) without rowid;
  create table run_member (
    run integer not null, key integer not null, base integer not null, blob blob not null,
    primary key (run, key, base)) without rowid;
  create table run_shared (
    run integer not null, key integer not null, base integer not null, blob blob not null,
    primary key (run, key, base)) without rowid;
  create table segment (
    first_seq integer primary key, live integer not null, looked_at integer not null default 0);
  create table void (first_seq integer primary key, last_seq integer not null);
`;

export type SqliteDatabase = Database.Database;

export function openForWriting(path: string): SqliteDatabase {
  const database = new Database(path);
  // Before the file is made: later it would take a copy of everything.
  database.pragma("auto_vacuum = INCREMENTAL");
  database.pragma("page_size = 4096");
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma("wal_autocheckpoint = 10000");
  database.pragma("cache_size = -16384");
  database.pragma("temp_store = MEMORY");
  return database;
}

export function openForReading(path: string): SqliteDatabase {
  const database = new Database(path, { readonly: true, fileMustExist: true });
  database.pragma("cache_size = -4096");
  database.pragma("temp_store = MEMORY");
  return database;
}

export function createSchema(database: SqliteDatabase): void {
  database.exec(SCHEMA);
}

export function hasSchema(database: SqliteDatabase): boolean {
  const sql = "select 1 from sqlite_master where type = 'table' and name = 'meta'";
  return database.prepare(sql).get() !== undefined;
}

export function getMeta(database: SqliteDatabase, name: string): string | undefined {
  const row = database.prepare("select value from meta where name = ?").pluck().get(name);
  return row as string | undefined;
}

export function setMeta(database: SqliteDatabase, name: string, value: string): void {
  database.prepare("insert or replace into meta values (?, ?)").run(name, value);
}

/** How far the tables reach. */
export interface CheckpointPosition {
  /** Last seq that belongs to a finished transaction; the catalog reaches at least up to here. */
  readonly committedSeq: number;
  /** Last seq whose postings are in the runs; beyond `committedSeq` in a large transaction. */
  readonly filedSeq: number;
  /** Commit LSN of the last transaction up to `committedSeq`. */
  readonly lsn: Lsn;
  /** The largest key of a shape that was ever recorded. */
  readonly highestKey: number;
}

export function readPosition(database: SqliteDatabase): CheckpointPosition {
  return {
    committedSeq: Number(getMeta(database, "committed_seq") ?? 0),
    filedSeq: Number(getMeta(database, "filed_seq") ?? 0),
    lsn: BigInt(getMeta(database, "lsn") ?? 0) as Lsn,
    highestKey: Number(getMeta(database, "highest_key") ?? 0),
  };
}

export function writePosition(database: SqliteDatabase, position: CheckpointPosition): void {
  setMeta(database, "committed_seq", String(position.committedSeq));
  setMeta(database, "filed_seq", String(position.filedSeq));
  setMeta(database, "lsn", position.lsn.toString());
  setMeta(database, "highest_key", String(position.highestKey));
}

export function readVoids(database: SqliteDatabase): SeqRange[] {
  const sql = "select first_seq as first, last_seq as last from void order by first_seq";
  return database.prepare(sql).all() as SeqRange[];
}

export function writeVoids(database: SqliteDatabase, ranges: readonly SeqRange[]): void {
  const insert = database.prepare("insert or replace into void values (?, ?)");
  for (const range of ranges) insert.run(range.first, range.last);
}
