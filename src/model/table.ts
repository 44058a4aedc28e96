/** A table as the catalog of Postgres describes it, as far as a shape can tell the difference. */

export interface TableColumn {
  readonly name: string;
  /** `pg_type.oid` of the column's own type: the array type for arrays, the domain for domains. */
  readonly typeOid: number;
  /** `typname`; for arrays the *element* type's name (protocol section 9). */
  readonly typeName: string;
  /** `pg_type.typtype` of the (element) type: b base, d domain, e enum, c composite, r range. */
  readonly typeKind: string;
  /** `atttypmod`, -1 when there is none. */
  readonly typeModifier: number;
  /** `attndims`, 0 for a column that is not an array. */
  readonly dimensionCount: number;
  readonly isNotNull: boolean;
  /** Zero-based position in the primary key. */
  readonly keyIndex?: number;
  /** `attgenerated`: stored or virtual generated columns are not replicated before Postgres 18. */
  readonly generated?: "stored" | "virtual";
  /**
   * Whether equality of values is equality of their text: false under a nondeterministic
   * collation (Postgres manual, 23.2.2.4).
   */
  readonly hasByteEquality: boolean;
}

export interface Table {
  /** `pg_class.oid`. A dropped and recreated table of the same name has another. */
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** In attribute order, dropped columns left out. */
  readonly columns: readonly TableColumn[];
  /** `relreplident`: f full, d default, n nothing, i index. */
  readonly replicaIdentity: string;
}

/**
 * The columns that make up a row's key, in key order: the primary key, or every column of a table
 * without one (protocol 7.7). Indexes into `table.columns`.
 */
export function keyColumnsOf(table: Table): readonly number[] {
  const indexes = table.columns.map((_, index) => index);
  const key = indexes.filter((index) => table.columns[index]!.keyIndex !== undefined);
  if (key.length === 0) return indexes;
  return key.sort((a, b) => table.columns[a]!.keyIndex! - table.columns[b]!.keyIndex!);
}

/** An identifier between double quotes, as SQL and row keys write it (protocol 8.1). */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteTable(table: Pick<Table, "schema" | "name">): string {
  return `${quoteIdentifier(table.schema)}.${quoteIdentifier(table.name)}`;
}
