/** A table as the catalog of Postgres describes it, as far as a shape can tell the difference. */

export interface TableColumn {
  readonly name: string;
  /** `pg_type.oid` of the column's own type: the array type for arrays, the domain for domains. */
  readonly typeOid: number;
  /** `typname`; for arrays the *element* type's name (protocol section 9). */
  readonly typeName: string;
  /**
   * `pg_type.typtype` of the (element) type: b base, d domain, e enum, c composite, r range. That
   * of a domain over a composite type is c.
   */
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
  /** Of text. Undefined: the type has none, or nobody asked. */
  readonly collation?: ColumnCollation;
}

export interface ColumnCollation {
  /** `collname`: of the collation itself, not of the locale behind it. */
  readonly name: string;
  /** Whether it is the one of the database. */
  readonly isDefault: boolean;
  /** Whether texts are ordered as their bytes in UTF-8 are. */
  readonly hasByteOrder: boolean;
}

export interface Table {
  /** `pg_class.oid`. A dropped and recreated table of the same name has another. */
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /**
   * `columns[n]` is attribute n + 1, for as long as the table lives: the place of a dropped column
   * is kept by `DROPPED_COLUMN`. So an index means the same column before and after ALTER TABLE.
   */
  readonly columns: readonly TableColumn[];
  /** `relreplident`: f full, d default, n nothing, i index. */
  readonly replicaIdentity: string;
  /** `relkind` p: its rows are those of its partitions. Unknown of a table from a template. */
  readonly isPartitioned?: true;
  /**
   * Whether columns that nothing asked for may be missing, and stand as dropped: so it is with a
   * table that was read from a stored template instead of the catalog.
   */
  readonly isPartial?: true;
}

/** Where no column is, or none any more. No identifier is empty, so no name finds it. */
export const DROPPED_COLUMN: TableColumn = {
  name: "",
  typeOid: 0,
  typeName: "",
  typeKind: "",
  typeModifier: -1,
  dimensionCount: 0,
  isNotNull: false,
  hasByteEquality: false,
};

/** Indexes of the columns that there are, in attribute order. */
export function liveColumnsOf(table: Pick<Table, "columns">): number[] {
  return [...table.columns.keys()].filter((index) => table.columns[index]!.name !== "");
}

/**
 * The columns that make up a row's key, in key order: the primary key, or every column of a table
 * without one (protocol 7.7). Indexes into `table.columns`.
 */
export function keyColumnsOf(table: Table): readonly number[] {
  const indexes = liveColumnsOf(table);
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
