/**
 * All that the database has to say of tables that shapes live on: what they are, of which tables
 * they are partitions, and whether their changes are sent.
 */

import type { PartitionOrigin, PartitionTree } from "../model/partition-tree.ts";
import type { Table } from "../model/table.ts";
import type { Inspector } from "./inspector.ts";
import type { Publication, PublicationFault } from "./publication.ts";

export class TableCatalog {
  readonly #inspector: Inspector;
  readonly #publication: Publication;

  constructor(inspector: Inspector, publication: Publication) {
    this.#inspector = inspector;
    this.#publication = publication;
  }

  readTable(oid: number): Promise<Table | undefined> {
    return this.#inspector.findTableByOid(oid);
  }

  readTables(oids: readonly number[]): Promise<ReadonlyMap<number, Table>> {
    return this.#inspector.readTables(oids);
  }

  partitionsOf(oids: readonly number[]): Promise<ReadonlyMap<number, PartitionTree>> {
    return this.#inspector.partitionsOf(oids);
  }

  originOf(oid: number): Promise<PartitionOrigin> {
    return this.#inspector.originOf(oid);
  }

  audit(oids: readonly number[]): Promise<ReadonlyMap<number, PublicationFault>> {
    return this.#publication.audit(oids);
  }

  /** Looks at the publication again, whatever is remembered of it, and mends what it can. */
  repair(table: Table): Promise<void> {
    this.#publication.forget(table.oid);
    return this.#publication.ensure(table);
  }

  removeUnused(table: Table, isUsed: () => boolean): void {
    this.#publication.removeUnused(table, isUsed);
  }

  /** What is known of the table is out of date. */
  forget(oid: number): void {
    this.#inspector.invalidate(oid);
    this.#publication.forget(oid);
  }
}
