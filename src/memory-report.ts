/**
 * Where the bytes are: each structure of the core, the pages that belong to nobody, and beside them
 * what the process as a whole takes. The structures and the free pages add up to the size of linear
 * memory, to the byte.
 */

import { formatLsn } from "./model/lsn.ts";
import type { Pipeline } from "./server.ts";

/** @param pipeline undefined while the service starts: then only the process is reported. */
export function memoryReport(pipeline: Pipeline | undefined): object {
  const { heapUsed, heapTotal, external, arrayBuffers, rss } = process.memoryUsage();
  const usage = {
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
    arrayBuffersBytes: arrayBuffers,
    rssBytes: rss,
  };
  if (pipeline === undefined) return { process: usage };
  const { position, ...storage } = pipeline.store.statistics();
  return {
    shapes: pipeline.registry.count,
    templates: pipeline.templates.templateCount,
    snapshotsUnderWay: pipeline.creator.count,
    gates: pipeline.writer.gateCount,
    waitingRequests: pipeline.waitingRoom.count,
    coreBytes: pipeline.core.bytes.byteLength,
    core: pipeline.accounting.report(),
    subqueries: subqueryReport(pipeline),
    storage: { position: formatLsn(position), ...storage },
    process: usage,
  };
}

/**
 * Views, and how they are shared: `viewUses` counts each as often as a shape, or another view,
 * stands on it, so what sharing saves is the difference. What shapes that are behind have kept: raw
 * changes of their tables, and the history of the views.
 */
function subqueryReport({ moves, templates, views }: Pipeline): object {
  const all = templates.all();
  const countOf = (isMeant: (live: (typeof all)[number]) => boolean): number =>
    all.filter(isMeant).reduce((sum, { shapeCount }) => sum + shapeCount, 0);
  const { gated, batches, tapeBytes, queries } = moves.figures;
  const uses = all.reduce((sum, { shapeCount, template: { where } }) => {
    return sum + shapeCount * (where?.subqueries?.dependencies.length ?? 0);
  }, 0);
  return {
    views: countOf(({ template }) => template.projection !== undefined),
    dependentShapes: countOf(({ template: { projection, where } }) => {
      return projection === undefined && where?.subqueries !== undefined;
    }),
    viewUses: uses,
    distinctValues: views.valueCount,
    historyTransitions: views.historyLength,
    shapesBehind: gated,
    movesUnderWay: batches,
    moveQueries: queries,
    tapeBytes,
  };
}
