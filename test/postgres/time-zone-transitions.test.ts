/**
 * Time zones as they are read, against the server that they are read from.
 *
 * Goal: at every moment, and for every local time, a zone has the offset that Postgres computes
 * with.
 *
 * Method: zones with the strangest histories and others at random; moments around every change that
 * a zone has, to the second and within two days, so that all gaps and overlaps are met; moments
 * anywhere in the range of timestamps. RUNS=200 takes every zone.
 */

import assert from "node:assert/strict";
import { afterAll, beforeAll, test } from "vitest";
import { TimeZoneNeeded } from "../../src/model/time-zone.ts";
import { parseConnectionOptions } from "../../src/postgres/connection-options.ts";
import { Pool } from "../../src/postgres/pool.ts";
import { ServerTimeZones } from "../../src/postgres/time-zone-transitions.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { seededRandom } from "../support/random.ts";
import { runsOf } from "../support/runs.ts";

const RANDOM_ZONE_COUNT = runsOf(4);
/** In seconds since 2000: a bit less than the range of timestamps, so that no offset leaves it. */
const [EARLIEST, LATEST] = [-211_813_000_000, 9_223_371_000_000];
const [YEAR_1800, YEAR_2600] = [-6_311_433_600, 18_934_300_800];
const DAY = 86_400;

const STRANGE = [
  "Europe/Dublin", // Winter time is the one that is saved, by a negative hour.
  "Africa/Casablanca", // Changes with Ramadan, until 2087.
  "Asia/Gaza", // Offsets that hold for a week.
  "America/Recife",
  "Australia/Lord_Howe", // Half an hour of summer time.
  "Antarctica/Troll", // Two hours.
  "Pacific/Apia", // A day that never was: 30 December 2011.
  "Asia/Manila",
  "America/Sitka", // A day that was twice: 18 October 1867.
  "Europe/Amsterdam", // Seconds, until 1937 or 1940.
  "America/Godthab",
  "Etc/GMT+5",
  "EST5EDT",
  "EST", // An abbreviation that is also a zone, then those of one offset and of several.
  "PDT",
  "MSK",
  "IRKT",
  "IST", // Of Israel, but of India in a session with its time zone.
];

/** In weeks at whose end a clock was put back: Recife in 2000, Gaza in 2040, 2054 and 2072. */
const SHORT_SUMMERS = [24_595_200, 1_287_915_200, 1_711_885_200, 2_297_935_200];

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new Pool(parseConnectionOptions(database.url), { size: 2 });
  // Its abbreviations would come before those that all sessions have.
  await database.query(`ALTER DATABASE ${database.name} SET TimeZone = 'Asia/Kolkata'`);
  await database.query("SET TimeZone = 'UTC'");
});
afterAll(async () => {
  await pool.close();
  await database.dispose();
});

test("offsets are those that Postgres computes with", async () => {
  const random = seededRandom("time zones");
  const zones = new ServerTimeZones(pool);
  for (const name of [...STRANGE, ...(await randomNames(random))]) {
    await zones.load(name);
    const zone = zones.find(name)!;
    const changes = changesOf((seconds) => zone.offsetAt(seconds));
    const moments = [
      ...changes.flatMap((change) => around(change, random)),
      ...SHORT_SUMMERS,
      ...Array.from({ length: 500 }, () => between(random, EARLIEST, LATEST)),
      ...Array.from({ length: 2_000 }, () => between(random, YEAR_1800, YEAR_2600)),
    ];
    for (const { seconds, byInstant, byLocal } of await askPostgres(name, moments)) {
      const ours = [zone.offsetAt(seconds), zone.offsetAtLocal(seconds)];
      assert.deepEqual(ours, [byInstant, byLocal], `${name} at ${seconds}`);
    }
  }
});

test("a zone is read when it is first needed, once", async () => {
  let transactionCount = 0;
  const zones = new ServerTimeZones({
    transaction: (timeouts, work) => {
      transactionCount += 1;
      return pool.transaction(timeouts, work);
    },
  });
  assert.throws(() => zones.find("Europe/Berlin"), TimeZoneNeeded);
  const need = (...names: string[]) => zones.provide(() => names.map((name) => zones.find(name)));
  const answers = await Promise.all([
    need("Europe/Berlin", "Asia/Tokyo"),
    need("EUROPE/berlin", "asia/tokyo"),
    need("Europe/Berlin"),
  ]);
  assert.equal(transactionCount, 2);
  assert.equal(answers[0][0], answers[1][0]);
  assert.equal(answers[0][0]!.offsetAt(0), 3600);
  assert.equal(answers[0][1]!.offsetAt(0), 9 * 3600);
});

test("only the names of the server are looked up", async () => {
  const zones = new ServerTimeZones(pool);
  for (const name of [
    "Nowhere/Land",
    "FOO5BAR",
    "CET-1CEST",
    "\u212aIRKT",
    "x".repeat(10_000),
    "",
  ]) {
    assert.equal(await zones.provide(() => zones.find(name)), undefined);
  }
  assert.equal((await zones.provide(() => zones.find("pst")))!.isAbbreviation, true);
  assert.equal((await zones.provide(() => zones.find("est5edt")))!.isAbbreviation, false);
});

test("a server that cannot be asked is no end", async () => {
  let isDown = true;
  const zones = new ServerTimeZones({
    transaction: (timeouts, work) => {
      if (isDown) return Promise.reject(new Error("down"));
      return pool.transaction(timeouts, work);
    },
  });
  await assert.rejects(zones.load("Asia/Tokyo"), /down/);
  isDown = false;
  await zones.load("Asia/Tokyo");
  assert.equal(zones.find("Asia/Tokyo")!.offsetAtLocal(0), 9 * 3600);
});

async function randomNames(random: () => number): Promise<string[]> {
  const rows = await database.query(
    `SELECT name FROM pg_timezone_names UNION SELECT abbrev FROM pg_timezone_abbrevs ORDER BY 1`,
  );
  const names = rows.map(({ name }) => String(name));
  if (RANDOM_ZONE_COUNT >= names.length) return names;
  return Array.from({ length: RANDOM_ZONE_COUNT }, () => names[between(random, 0, names.length)]!);
}

/** Days at whose noon the offset is another one than on the day before. */
function changesOf(offsetAt: (seconds: number) => number): number[] {
  const changes: number[] = [];
  for (let noon = YEAR_1800 + DAY / 2; noon < YEAR_2600; noon += DAY) {
    if (offsetAt(noon) === offsetAt(noon - DAY)) continue;
    let [low, high] = [noon - DAY, noon];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetAt(middle) === offsetAt(low)) low = middle;
      else high = middle;
    }
    changes.push(high);
  }
  return changes;
}

function around(change: number, random: () => number): number[] {
  const near = [-1, 0, 1].flatMap((second) => [change + second, change + 3600 + second]);
  const far = Array.from({ length: 6 }, () => change + between(random, -2 * DAY, 2 * DAY));
  return [...near, ...far];
}

function between(random: () => number, min: number, max: number): number {
  return min + Math.floor(random() * (max - min));
}

interface Answer {
  readonly seconds: number;
  readonly byInstant: number;
  readonly byLocal: number;
}

async function askPostgres(zone: string, moments: readonly number[]): Promise<Answer[]> {
  const rows = await database.query(
    `SELECT at::float8 AS seconds,
            extract(epoch FROM (epoch + at * second) AT TIME ZONE $1
                             - (epoch + at * second) AT TIME ZONE 'UTC')::int4 AS "byInstant",
            extract(epoch FROM (local + at * second) AT TIME ZONE 'UTC'
                             - (local + at * second) AT TIME ZONE $1)::int4 AS "byLocal"
     FROM unnest($2::float8[]) AS at,
          (VALUES (timestamptz '2000-01-01 00:00:00+00', timestamp '2000-01-01', interval '1 s'))
            AS units (epoch, local, second)`,
    [zone, moments],
  );
  return rows as unknown as Answer[];
}
