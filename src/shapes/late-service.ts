/**
 * Stands where the shapes will be once storage is open: the HTTP server listens from the first
 * moment, and whoever asks too early is told to try again.
 */

import { LitzError } from "../lib/errors.ts";
import { LSN_ZERO, type Lsn } from "../model/lsn.ts";
import type { ShapeDefinition } from "../model/shape-definition.ts";
import type { Subset, SubsetSnapshot } from "../model/subset.ts";
import type { Readiness } from "./readiness.ts";
import type {
  DefinitionRequest,
  ServedShape,
  ServiceStatus,
  ShapeService,
  SubsetRequest,
} from "./shape-service.ts";

type Handle = ServedShape["handle"];

export class LateService implements ShapeService {
  readonly #readiness: Readiness;
  #shapes: ShapeService | undefined;

  constructor(readiness: Readiness) {
    this.#readiness = readiness;
  }

  /** From now on requests go here, and those that read are let in. */
  open(shapes: ShapeService): void {
    this.#shapes = shapes;
    this.#readiness.restored();
  }

  get status(): ServiceStatus {
    return this.#readiness.status;
  }

  readable(timeoutMs: number): Promise<void> | undefined {
    return this.#readiness.readable(timeoutMs);
  }

  ready(timeoutMs: number): Promise<void> | undefined {
    return this.#readiness.ready(timeoutMs);
  }

  get lastProcessedLsn(): Lsn {
    return this.#shapes?.lastProcessedLsn ?? LSN_ZERO;
  }

  define(request: DefinitionRequest): Promise<ShapeDefinition> | ShapeDefinition {
    return this.#opened.define(request);
  }

  async defineSubset(
    definition: ShapeDefinition,
    request: SubsetRequest,
    queryable: DefinitionRequest["queryableColumns"],
  ): Promise<Subset> {
    return this.#opened.defineSubset(definition, request, queryable);
  }

  async readSubset(
    shape: Pick<ServedShape, "definition" | "handle">,
    subset: Subset,
    signal: AbortSignal,
  ): Promise<SubsetSnapshot> {
    return this.#opened.readSubset(shape, subset, signal);
  }

  find(definition: ShapeDefinition): ServedShape | undefined {
    return this.#opened.find(definition);
  }

  findOrCreate(definition: ShapeDefinition): Promise<ServedShape> {
    return this.#opened.findOrCreate(definition);
  }

  definitionOf(handle: Handle): ShapeDefinition | undefined {
    return this.#opened.definitionOf(handle);
  }

  async remove(handle: Handle): Promise<void> {
    return this.#opened.remove(handle);
  }

  get #opened(): ShapeService {
    if (this.#shapes !== undefined) return this.#shapes;
    throw new LitzError("Timeout waiting for shape metadata to be loaded", {
      code: "NOT_READY",
      httpStatus: 503,
      retriable: true,
      retryAfterSeconds: 5,
    });
  }
}
