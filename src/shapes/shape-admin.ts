/**
 * What an operator asks: which shapes there are, which of them make every row expensive, and what
 * becomes of a WHERE. Nothing is kept for it: a listing walks over the ids, a page at a time.
 */

import { InvalidParameter } from "../lib/errors.ts";
import { whereSql, type ShapeDefinition } from "../model/shape-definition.ts";
import { quoteTable } from "../model/table.ts";
import type { ShapeHandle } from "../model/ids.ts";
import type { Router } from "../router/router.ts";
import { accessEntries, withUnknownViews } from "../where/access-entries.ts";
import type { EvaluationFacts } from "../where/evaluate.ts";
import type { Explanation, ShapeClass } from "../model/explanation.ts";
import { classOf, explainShape } from "../where/explain.ts";
import { knownViews, type KnownViewsOptions } from "./known-views.ts";
import type { ShapeRegistry } from "./registry.ts";
import { costOf, type ShapeCost } from "./shape-cost.ts";
import type { DefinitionRequest } from "./shape-service.ts";
import type { Shapes } from "./shapes.ts";
import type { LiveTemplate, TemplateRegistry } from "./template-registry.ts";
import type { ViewKeeper } from "./view-keeper.ts";

export interface TemplateSummary {
  readonly table: string;
  readonly class: ShapeClass;
  /** With `$1`, `$2`, ... for constants; null for every row. */
  readonly where: string | null;
  readonly isExact: boolean;
  readonly columns: readonly string[];
  readonly replica: string;
  readonly log: string;
  /** It is a subquery; `shapes` are the views of it, each of them shared by whoever writes it. */
  readonly isView: boolean;
  readonly shapes: number;
}

export interface ListedShape {
  readonly handle: ShapeHandle;
  readonly table: string;
  readonly class: ShapeClass;
  readonly where: string | null;
  readonly constants: readonly string[];
  readonly bytes: number;
}

export interface ShapeListing {
  readonly shapes: readonly ListedShape[];
  /** Give it as `after` for the next page. Null: that was all. */
  readonly next: ShapeHandle | null;
}

export interface ListRequest {
  /** 1 .. LIST_LIMIT_MAX. */
  readonly limit: number;
  readonly after?: ShapeHandle | undefined;
  readonly class?: ShapeClass | undefined;
}

export interface ExplainedShape extends Explanation {
  readonly table: string;
  /** Null: there is no such shape now. */
  readonly handle: ShapeHandle | null;
  readonly cost: ShapeCost;
}

export const LIST_LIMIT_MAX = 1000;
/** Ids that one page walks over: 20 ms. A page may be short, and even empty, with a `next`. */
const WALK_MAX = 100_000;

export interface ShapeAdminOptions {
  readonly registry: ShapeRegistry;
  readonly templates: TemplateRegistry;
  readonly router: Router;
  readonly shapes: Pick<Shapes, "define" | "find" | "idOf">;
  readonly viewKeeper: Pick<ViewKeeper, "isReady" | "stored" | "viewOf">;
  readonly views: KnownViewsOptions["views"];
  readonly facts: EvaluationFacts;
}

export class ShapeAdmin {
  readonly #options: ShapeAdminOptions;

  constructor(options: ShapeAdminOptions) {
    this.#options = options;
  }

  /** What there is, the most numerous first. */
  templates(): readonly TemplateSummary[] {
    return this.#options.templates
      .all()
      .map(summaryOf)
      .sort((a, b) => b.shapes - a.shapes);
  }

  /** @throws {InvalidParameter} naming `after`, which is no shape (any more). */
  list({ limit, after, class: wanted }: ListRequest): ShapeListing {
    const { registry, router, templates, viewKeeper } = this.#options;
    let id = after === undefined ? undefined : this.#options.shapes.idOf(after);
    if (after !== undefined && id === undefined) {
      throw new InvalidParameter("after", `no shape has the handle ${after} now; begin anew`);
    }
    const shapes: ListedShape[] = [];
    let walked = 0;
    for (id = registry.next(id); id !== undefined; id = registry.next(id)) {
      // A shape that is being made or removed is not routed to.
      const live = router.isRouted(id) ? templates.get(router.templateOf(id)) : undefined;
      if (live !== undefined && isListed(live, wanted)) {
        const constants = viewKeeper.stored(live, router.constantsOf(id));
        shapes.push(listed(registry.handleOf(id)!, live, constants));
      }
      walked += 1;
      const handle = registry.handleOf(id);
      // A page cannot end with a view: there is no name for it.
      if (handle === undefined || (shapes.length < limit && walked < WALK_MAX)) continue;
      return { shapes, next: registry.next(id) === undefined ? null : handle };
    }
    return { shapes, next: null };
  }

  /**
   * @param row values by column, as Postgres writes them.
   * @throws {InvalidParameter} as for a request for the shape, or naming `row`.
   */
  async explain(
    request: DefinitionRequest,
    row?: Readonly<Record<string, string | null>>,
  ): Promise<ExplainedShape> {
    const { facts, shapes } = this.#options;
    const definition = await shapes.define(request);
    checkColumns(definition, row);
    return {
      table: quoteTable(definition.template.table),
      handle: shapes.find(definition)?.handle ?? null,
      ...explainShape(definition, facts, row, knownViews(definition, this.#options)),
      cost: costOfShape(definition),
    };
  }
}

/** A misspelt name would be taken for a NULL, and the answer for the row's. */
function checkColumns({ template: { table } }: ShapeDefinition, row: object | undefined): void {
  const known = new Set(table.columns.map(({ name }) => name));
  const unknown = Object.keys(row ?? {}).find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw new InvalidParameter("row", `${quoteTable(table)} has no column "${unknown}"`);
}

/** Views are no shapes that anybody asked for, and have no handle. */
function isListed({ template }: LiveTemplate, wanted: string | undefined): boolean {
  if (template.projection !== undefined) return false;
  return wanted === undefined || classOf(template.where) === wanted;
}

function listed(
  handle: ShapeHandle,
  { template }: LiveTemplate,
  constants: ShapeDefinition["constants"],
): ListedShape {
  return {
    handle,
    table: quoteTable(template.table),
    class: classOf(template.where),
    where: template.where === undefined ? null : whereSql(template.where, 1),
    constants,
    bytes: costOfShape({ template, constants }).totalBytes,
  };
}

function costOfShape({ template, constants }: ShapeDefinition): ShapeCost {
  const { where } = template;
  const isConjunction = where === undefined || where.plan.isConjunction === true;
  const entries = isConjunction ? [] : accessEntries(where, withUnknownViews(where, constants));
  return costOf(template, constants, entries);
}

function summaryOf({ template, shapeCount }: LiveTemplate): TemplateSummary {
  const { table, where, columns, replica, log } = template;
  return {
    table: quoteTable(table),
    class: classOf(where),
    where: where === undefined ? null : whereSql(where, 1),
    isExact: where?.plan.isExact ?? true,
    columns: columns.map((index) => table.columns[index]!.name),
    replica,
    log,
    isView: template.projection !== undefined,
    shapes: shapeCount,
  };
}
