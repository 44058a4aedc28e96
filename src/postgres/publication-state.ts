/**
 * What Postgres sends of tables through a publication, as its catalog says (Postgres manual, 29.1
 * "Publication" and `pg_publication*`).
 *
 * A publication FOR ALL TABLES or FOR TABLES IN SCHEMA names no tables. The view shows what it
 * comes to, but partitions in place of their root, which only `pg_publication_rel` knows. The view
 * also waits for locks on the tables, so it is asked last.
 */

import type { Queryable } from "./pool.ts";

export interface PublishedTable {
  readonly schema: string;
  readonly name: string;
  /** Changes are sent. */
  readonly isSent: boolean;
  /** Whether they are only because an ancestor's are, which may be taken out any time. */
  readonly isSentAsPartition: boolean;
  /** Why what is sent would not do, completing "the publication ...". */
  readonly defect: string | undefined;
  /** Quoted names of the table and its partitions that do not send old rows. */
  readonly withoutFull: readonly string[];
}

/** By oid; tables that are not there any more are left out. @throws {LitzError} */
export async function readPublishedTables(
  database: Queryable,
  publication: string,
  oids: readonly number[],
): Promise<ReadonlyMap<number, PublishedTable>> {
  const rows = await database.query(STATE_SQL, [publication, `{${oids.join(",")}}`]);
  return new Map(rows.map((row) => [Number(row[0]), stateOf(row as string[])]));
}

function stateOf(row: readonly string[]): PublishedTable {
  const [, schema, name, isMember, isSent, hasSentAncestor, ...rest] = row;
  const [isPartition, isViaRoot, isOfAllOperations, isFiltered, withoutFull] = rest;
  let defect: string | undefined;
  if (isOfAllOperations === "f") {
    defect = "does not publish every operation (insert, update, delete, truncate)";
  } else if (isFiltered === "t") {
    defect = "publishes only some of its rows or columns";
  } else if (isPartition === "t" && isViaRoot === "t") {
    // TRUNCATE of a partition would not be sent at all.
    defect = "has publish_via_partition_root set, with which partitions cannot be followed";
  }
  return {
    schema: schema!,
    name: name!,
    isSent: isSent === "t",
    isSentAsPartition: isMember === "f" && hasSentAncestor === "t",
    defect,
    withoutFull: JSON.parse(withoutFull!) as string[],
  };
}

const STATE_SQL = `
  SELECT c.oid, n.nspname, c.relname,
         coalesce(p.puballtables, false) OR r.prrelid IS NOT NULL,
         CASE WHEN p.puballtables OR r.prrelid IS NOT NULL THEN true
              ELSE EXISTS (SELECT FROM pg_publication_tables t
                           WHERE t.pubname = $1 AND t.schemaname = n.nspname
                             AND t.tablename = c.relname) END,
         EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a(relid)
                 JOIN pg_publication_rel m ON m.prrelid = a.relid AND m.prpubid = p.oid
                 WHERE a.relid <> c.oid),
         c.relkind = 'p' OR c.relispartition,
         coalesce(p.pubviaroot, false),
         coalesce(p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate, true),
         coalesce(to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs') IS NOT NULL,
         (SELECT coalesce(json_agg(format('%I.%I', pn.nspname, part.relname)), '[]')
          FROM (SELECT c.oid AS relid
                UNION SELECT relid::oid FROM pg_partition_tree(c.oid)) tree
          JOIN pg_class part ON part.oid = tree.relid
          JOIN pg_namespace pn ON pn.oid = part.relnamespace
          WHERE part.relkind IN ('r', 'p') AND part.relreplident <> 'f')
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_publication p ON p.pubname = $1
  LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
  WHERE c.oid = ANY($2::oid[])`;
