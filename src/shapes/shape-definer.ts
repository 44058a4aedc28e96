/**
 * What a request says of a shape, checked against the catalog. Loaded with the first request: the
 * parser takes 6 MiB, which a server without shapes can do without.
 */

import { InvalidParameter } from "../lib/errors.ts";
import type { CaseMapping } from "../model/case-mapping.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { Subset } from "../model/subset.ts";
import type { Table } from "../model/table.ts";
import { isDescribedAlike } from "../model/template-columns.ts";
import type { TimeZones } from "../model/time-zone.ts";
import { queryableColumns, type ColumnList } from "../where/column-selection.ts";
import { defineShape } from "../where/define-shape.ts";
import { noSuchTable, parseRelationName, type RelationName } from "../where/identifiers.ts";
import { parseOrderBy } from "../where/order-by.ts";
import { subselectTables } from "../where/subselect.ts";
import { compileSubsetWhere } from "../where/subset-filter.ts";
import type { DefinitionRequest, SubsetRequest } from "./shape-service.ts";

/** Time zones that are read when they are needed; `postgres/time-zone-transitions.ts`. */
export interface TimeZoneSource extends TimeZones {
  /** Runs `work`, again if it needed a time zone that had not been read. */
  provide<Result>(work: () => Result): Promise<Result>;
}

export interface DefinerOptions {
  /** What is remembered of a table. */
  readonly knownTable: (name: RelationName) => Table | undefined;
  /** The catalog's word on a table; undefined when there is none that can be a shape's root. */
  readonly findTable: (name: RelationName) => Promise<Table | undefined>;
  /** The same, past what is remembered. */
  readonly refreshTable: (name: RelationName) => Promise<Table | undefined>;
  /** The table is not what it was. Resolves when no shape is served that rests on that. */
  readonly onTableChanged: (table: Table) => Promise<void>;
  /** Whether Postgres replicates stored generated columns. */
  readonly publishesGeneratedColumns: () => Promise<boolean>;
  readonly caseMapping: CaseMapping | undefined;
  readonly timeZones: TimeZoneSource;
}

export class ShapeDefiner {
  readonly #options: DefinerOptions;
  /** Tables whose generated columns are replicated; the catalog hands out one object per table. */
  readonly #withPublishedColumns = new WeakSet<Table>();

  constructor(options: DefinerOptions) {
    this.#options = options;
  }

  /** See `ShapeService`. */
  define(request: DefinitionRequest): Promise<ShapeDefinition> | ShapeDefinition {
    return this.#defineAsKnown(request) ?? this.#defineAsCatalogued(request);
  }

  /**
   * Undefined: the database has to be asked something, be it only whether the request, which seems
   * to be wrong, still is.
   */
  #defineAsKnown(request: DefinitionRequest): ShapeDefinition | undefined {
    const { caseMapping, knownTable, timeZones } = this.#options;
    if (subselectTables(request.where).length > 0) return undefined;
    const table = knownTable(parseRelationName(request.table));
    if (table === undefined) return undefined;
    const publishesGeneratedColumns = this.#withPublishedColumns.has(table);
    if (!publishesGeneratedColumns && hasStoredColumns(table)) return undefined;
    try {
      return defineShape(table, request, { publishesGeneratedColumns, caseMapping, timeZones });
    } catch {
      return undefined;
    }
  }

  async #defineAsCatalogued(request: DefinitionRequest): Promise<ShapeDefinition> {
    const names = [parseRelationName(request.table), ...subselectTables(request.where)];
    const tables = await this.#findTables(names);
    try {
      return await this.#defineOn(tables, request);
    } catch (error) {
      if (!(error instanceof InvalidParameter)) throw error;
      const current: Table[] = [];
      for (const [index, table] of tables.entries()) {
        current.push(await this.#refresh(names[index]!, table));
      }
      if (current.every((table, index) => table === tables[index])) throw error;
      return this.#defineOn(current, request);
    }
  }

  /**
   * What comes first is reported first: the order, then the condition (protocol 3.3).
   *
   * @param queryable the request's `queryable_columns`: nothing else may be spoken of.
   * @throws {InvalidParameter} naming the member. @throws {LitzError} PARSER_RESTARTING (503).
   */
  defineSubset(
    { template: { table } }: ShapeDefinition,
    { where, params, orderBy, limit, offset }: SubsetRequest,
    queryable: ColumnList | undefined,
  ): Subset {
    const columns = queryableColumns(table, queryable);
    const names = columns.map((index) => table.columns[index]!);
    const order = orderBy === undefined ? undefined : parseOrderBy(orderBy, table, names);
    const condition =
      where === undefined
        ? undefined
        : compileSubsetWhere(table, where, params, { queryableColumns: columns });
    return {
      where: condition?.sql,
      parameters: condition?.parameters ?? [],
      orderBy: order,
      limit,
      offset,
    };
  }

  /** @throws {InvalidParameter} naming `table`: the first that there is none of. */
  async #findTables(names: readonly RelationName[]): Promise<readonly Table[]> {
    return Promise.all(
      names.map(async (name) => {
        const table = await this.#options.findTable(name);
        if (table === undefined) throw noSuchTable(name);
        return table;
      }),
    );
  }

  /**
   * What is remembered of the table may be what it was: what nobody has written to yet, nobody has
   * told us of. So the catalog is asked before a request is refused (protocol 21.2).
   */
  async #refresh(name: RelationName, known: Table): Promise<Table> {
    const { findTable, onTableChanged, refreshTable } = this.#options;
    const current = await refreshTable(name);
    if (current !== undefined && isDescribedAlike(known, current)) return known;
    await onTableChanged(known);
    const table = await findTable(name);
    if (table === undefined) throw noSuchTable(name);
    return table;
  }

  /** @param tables the shape's own, then those of its subqueries. */
  async #defineOn(
    [table, ...innerTables]: readonly Table[],
    request: DefinitionRequest,
  ): Promise<ShapeDefinition> {
    const { caseMapping, timeZones } = this.#options;
    const published = [];
    for (const each of [table!, ...innerTables]) {
      published.push(await this.#publishesGenerated(each));
    }
    // Asked of tables that have generated columns; of others the answer does not matter.
    const publishesGeneratedColumns = published.includes(true);
    const facts = { publishesGeneratedColumns, caseMapping, timeZones, innerTables };
    return timeZones.provide(() => defineShape(table!, request, facts));
  }

  /**
   * Postgres is asked for the few tables where it matters. A yes is remembered for as long as the
   * table is; after a no somebody may repair the publication, and wants to see it work.
   */
  async #publishesGenerated(table: Table): Promise<boolean> {
    if (this.#withPublishedColumns.has(table)) return true;
    if (!hasStoredColumns(table)) return false;
    const isPublished = await this.#options.publishesGeneratedColumns();
    if (isPublished) this.#withPublishedColumns.add(table);
    return isPublished;
  }
}

/** Whether it has generated columns that Postgres may be told to replicate. */
function hasStoredColumns(table: Table): boolean {
  return table.columns.some(({ generated }) => generated === "stored");
}
