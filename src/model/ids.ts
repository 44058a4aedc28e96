/**
 * The names of things, branded so that a mix-up is a compile error.
 *
 * A shape has two identities. Its *handle* is what the world sees: opaque text, never reused, in
 * URLs, in headers and in logs. Its *id* is what the engine works with: a dense u32 that indexes
 * columns of linear memory, is minted anew at each boot and means nothing outside this process.
 * `shapes/registry.ts` is the one place that turns either into the other.
 *
 * On disk a shape is its *storage key*, a number that is never issued twice in one data directory.
 * A handle's second half is the key plus the moment at which the directory was made, so eight bytes
 * (`key:40 | hash:24`) hold both: see `assembly/handle-table.ts`.
 */

declare const brand: unique symbol;
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/**
 * A live shape inside this process: dense, starts at 1, reused after quarantine. Never persisted.
 */
export type ShapeId = Brand<number, "ShapeId">;

/** A shape to the outside world: `<hash>-<microseconds>`, opaque, never reused. */
export type ShapeHandle = Brand<string, "ShapeHandle">;

/** A shape on disk: 1 .. 2^40 - 1, ascending in the order of creation, never reused. */
export type StorageKey = Brand<number, "StorageKey">;

/**
 * A shape's place in the in-memory index over its log, which is the shape's id under the name that
 * storage knows it by. Storage never persists it and never learns what else it identifies.
 */
export type LogSlot = Brand<number, "LogSlot">;

/** Position of a record in the journal: one per body, ascending, never reused, below 2^39. */
export type Seq = Brand<number, "Seq">;

/** What shapes that differ only in their constants have in common. Starts at 1. */
export type TemplateId = Brand<number, "TemplateId">;

/** A table to the core. Starts at 1. */
export type RelationId = Brand<number, "RelationId">;

/** A parked request, a small integer in the consumer registry. Starts at 1. */
export type WaiterId = Brand<number, "WaiterId">;

/** Storage keys and journal positions have at most this many values: they are packed in 40 bits. */
export const STORAGE_KEY_MAX = 2 ** 40 - 1;

const HANDLE_PATTERN = /^(0|[1-9][0-9]{0,7})-([1-9][0-9]{0,15})$/;

/**
 * Reads text from outside as a handle. Returns undefined for text that this server can never have
 * issued: such a handle is merely unknown, which is an outcome and not an error (protocol 4.4).
 */
export function parseShapeHandle(text: string): ShapeHandle | undefined {
  return HANDLE_PATTERN.test(text) ? (text as ShapeHandle) : undefined;
}
