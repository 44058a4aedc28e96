/** Whose transactions others wait for: what an operator has to know to end the wait. */

import type { Queryable } from "./pool.ts";

/** Of those that the role may not see, the process id is all that is known. */
const DESCRIPTION = `
  'process ' || a.pid || coalesce(' of ' || a.usename, '') ||
  coalesce(' (' || nullif(a.application_name, '') || ')', '') ||
  coalesce(', ' || a.state, '') ||
  coalesce(', for ' || round(extract(epoch FROM clock_timestamp() - a.xact_start)) || ' s', '')`;
/** More would not help anybody. */
const SHOWN_MAX = 5;

/** Transactions that have written something and have not ended. */
export function runningWriters(database: Queryable): Promise<string[]> {
  return describe(
    database,
    `FROM pg_stat_activity a
     WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid() ORDER BY a.xact_start`,
  );
}

/** Transactions that have used the table and have not ended, readers too: ALTER TABLE waits. */
export function lockHolders(database: Queryable, oid: number): Promise<string[]> {
  return describe(
    database,
    `FROM pg_stat_activity a
     WHERE a.pid IN (SELECT l.pid FROM pg_locks l
                     WHERE l.locktype = 'relation' AND l.granted
                       AND l.relation IN (SELECT ${oid} UNION
                                          SELECT relid FROM pg_partition_tree(${oid})))
       AND a.pid <> pg_backend_pid() ORDER BY a.xact_start`,
  );
}

async function describe(database: Queryable, from: string): Promise<string[]> {
  const rows = await database.query(`SELECT ${DESCRIPTION} ${from} LIMIT ${SHOWN_MAX}`);
  return rows.map(([text]) => text!);
}
