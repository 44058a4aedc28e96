/**
 * Reads the time zones of the server, each when it is first needed.
 *
 * SQL does not tell when a zone's offset changes; it tells the offset at any one time. So it is
 * sampled: every second day until 2100, where rules change now and then, and every second week of
 * the 400 years after it, for which one rule holds. Where two neighbours differ, the change is
 * found by halving what is between them, to the second.
 *
 *     offset   a   a   a   b   b   a        a change that is undone before the next sample would be
 *     sample   |   |   |   |   |   |        missed: the shortest time that any offset of tzdata
 *                        ^       ^          holds is a week (Recife in 2000, Gaza in 2040)
 *
 * Both directions are asked for, so that abbreviations, which stand for another offset at another
 * time, are read like all others. Before 1844 there was only local mean time.
 *
 * It takes Postgres a fraction of a second, and 26 KB stay here for a zone with summer time. The
 * server has some 800 names, and no others are asked for: that bounds both, and nothing is ever
 * forgotten, so that a filter finds its zones for as long as it lives.
 */

import { assert } from "../lib/assert.ts";
import { ASCII_CASE_MAPPING } from "../model/case-mapping.ts";
import {
  CYCLE_END,
  CYCLE_START,
  OffsetTable,
  TimeZoneNeeded,
  type TimeZone,
  type TimeZones,
} from "../model/time-zone.ts";
import { CATALOG_TIMEOUTS, type Pool, type Queryable } from "./pool.ts";

/** Of 2000-01-01, in seconds since 1970. */
const EPOCH = 946_684_800;
/** 1800-01-01. */
const SAMPLE_START = -73_049 * 86_400;
const DAY = 86_400;

/** An abbreviation hides a zone of the same name, as it does in Postgres. */
const NAMES_SQL = `
  SELECT DISTINCT ON (name) name, kind FROM (
    SELECT lower(abbrev), 'abbreviation' FROM pg_timezone_abbrevs
    UNION ALL SELECT lower(name), 'zone' FROM pg_timezone_names
  ) AS names (name, kind)
  ORDER BY name, kind`;

const OFFSET_BY_INSTANT = "extract(epoch FROM timezone($1::text, to_timestamp(at)))::int8 - at";
const OFFSET_BY_LOCAL =
  "at - extract(epoch FROM timezone($1::text, timezone('UTC', to_timestamp(at))))::int8";

/** The first offset, and every later one with the second at which it begins. */
function offsetsSql(offset: string): string {
  const [start, cycle, end] = [SAMPLE_START, CYCLE_START, CYCLE_END].map((time) => time + EPOCH);
  return `
  WITH RECURSIVE sample AS (
    SELECT at, ${offset} AS "offset" FROM (
      SELECT generate_series(${start!}::int8, ${cycle! - 1}, ${2 * DAY})
      UNION ALL SELECT generate_series(${cycle!}::int8, ${end!}, ${14 * DAY})
    ) AS times (at)
  ),
  between_samples (low, low_offset, high, high_offset) AS (
    SELECT * FROM (
      SELECT lag(at) OVER w, lag("offset") OVER w, at, "offset"
      FROM sample WINDOW w AS (ORDER BY at)
    ) AS neighbours (low, low_offset, high, high_offset)
    WHERE low_offset <> high_offset
    UNION ALL
    SELECT CASE WHEN is_upper THEN at ELSE low END,
           CASE WHEN is_upper THEN "offset" ELSE low_offset END,
           CASE WHEN is_upper THEN high ELSE at END,
           CASE WHEN is_upper THEN high_offset ELSE "offset" END
    FROM between_samples,
      LATERAL (
        -- OFFSET 0 keeps it from being computed once for every use.
        SELECT at, ${offset} FROM (SELECT (low + high) / 2) AS middle (at) OFFSET 0
      ) AS middle (at, "offset"),
      (VALUES (false), (true)) AS half (is_upper)
    WHERE high - low > 1 AND "offset" <> CASE WHEN is_upper THEN high_offset ELSE low_offset END
  )
  (SELECT at - ${EPOCH}, "offset" FROM sample ORDER BY at LIMIT 1)
  UNION ALL
  (SELECT high - ${EPOCH}, high_offset FROM between_samples WHERE high - low = 1 ORDER BY high)`;
}

const BY_INSTANT_SQL = offsetsSql(OFFSET_BY_INSTANT);
const BY_LOCAL_SQL = offsetsSql(OFFSET_BY_LOCAL);

/** Abbreviations of the session's own time zone come before all others. */
const SETTINGS_SQL = "SET LOCAL TimeZone = 'UTC'; SET LOCAL jit = off";

export class ServerTimeZones implements TimeZones {
  readonly #database: Pick<Pool, "transaction">;
  /** Names in lower case, and whether each is an abbreviation. */
  #names: ReadonlyMap<string, boolean> | undefined;
  readonly #zones = new Map<string, TimeZone>();
  /** One at a time, so that the pool has connections for others. */
  #last: Promise<void> = Promise.resolve();

  constructor(database: Pick<Pool, "transaction">) {
    this.#database = database;
  }

  find(name: string): TimeZone | undefined {
    const key = ASCII_CASE_MAPPING.lower(name);
    const zone = this.#zones.get(key);
    if (zone === undefined && (this.#names === undefined || this.#names.has(key))) {
      throw new TimeZoneNeeded(name);
    }
    return zone;
  }

  /** From now on `find` knows of this name. @throws {LitzError} */
  async load(name: string): Promise<void> {
    const loaded = this.#last.then(() => this.#load(ASCII_CASE_MAPPING.lower(name)));
    this.#last = loaded.catch(() => undefined);
    await loaded;
  }

  /**
   * Runs what may need time zones: again and again, until it has those that it needs.
   *
   * @throws {LitzError} and what `work` throws.
   */
  async provide<Result>(work: () => Result): Promise<Result> {
    while (true) {
      try {
        return work();
      } catch (error) {
        if (!(error instanceof TimeZoneNeeded)) throw error;
        await this.load(error.zone);
      }
    }
  }

  async #load(key: string): Promise<void> {
    if (this.#zones.has(key)) return;
    await this.#database.transaction(CATALOG_TIMEOUTS, async (transaction) => {
      await transaction.query(SETTINGS_SQL);
      this.#names ??= await readNames(transaction);
      const isAbbreviation = this.#names.get(key);
      if (isAbbreviation === undefined) return;
      const byInstant = await readTable(transaction, BY_INSTANT_SQL, key);
      const byLocal = await readTable(transaction, BY_LOCAL_SQL, key);
      this.#zones.set(key, {
        offsetAt: (seconds) => byInstant.offsetAt(seconds),
        offsetAtLocal: (seconds) => byLocal.offsetAt(seconds),
        isAbbreviation,
      });
    });
  }
}

async function readNames(database: Queryable): Promise<ReadonlyMap<string, boolean>> {
  const rows = await database.query(NAMES_SQL);
  return new Map(rows.map(([name, kind]) => [name!, kind === "abbreviation"]));
}

async function readTable(database: Queryable, sql: string, key: string): Promise<OffsetTable> {
  const rows = await database.query(sql, [key]);
  assert(rows.length > 0, "a time zone was sampled");
  return new OffsetTable(rows.map(([start, offset]) => [Number(start), Number(offset)]));
}
