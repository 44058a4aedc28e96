/**
 * How the plain JavaScript engines name a shape inside, where its definition does not lie in one
 * filter: the one thing in which `string-keyed` and `integer-keyed` differ there.
 *
 *     handles     definition -> handle, handle -> constants             every index holds handles
 *     integers    definition -> id,     array of constants by id        every index holds ids
 *
 * Both keep as little as they can: no position, no last use, no state, which the core has.
 */

import { definitionHash, EPOCH_MICROSECONDS } from "./routing-engine.ts";

export interface ShapeNames<Ref extends string | number> {
  /** REQUIRES: the definition is not there yet. */
  add(definition: string, constants: readonly string[]): Ref;
  find(definition: string): Ref | undefined;
  /** Forgets the definition and returns the name it had. REQUIRES: it is there. */
  remove(definition: string): Ref;
}

export class HandleNames implements ShapeNames<string> {
  readonly #handles = new Map<string, string>();
  readonly #constants = new Map<string, readonly string[]>();
  #keys = 0;

  add(definition: string, constants: readonly string[]): string {
    this.#keys += 1;
    const handle = `${definitionHash(0, constants)}-${EPOCH_MICROSECONDS + this.#keys}`;
    this.#handles.set(definition, handle);
    this.#constants.set(handle, constants);
    return handle;
  }

  find(definition: string): string | undefined {
    return this.#handles.get(definition);
  }

  remove(definition: string): string {
    const handle = this.#handles.get(definition)!;
    this.#handles.delete(definition);
    this.#constants.delete(handle);
    return handle;
  }
}

export class IntegerNames implements ShapeNames<number> {
  readonly #ids = new Map<string, number>();
  readonly #constants: (readonly string[] | undefined)[] = [undefined];
  readonly #free: number[] = [];

  add(definition: string, constants: readonly string[]): number {
    const id = this.#free.pop() ?? this.#constants.length;
    this.#ids.set(definition, id);
    this.#constants[id] = constants;
    return id;
  }

  find(definition: string): number | undefined {
    return this.#ids.get(definition);
  }

  remove(definition: string): number {
    const id = this.#ids.get(definition)!;
    this.#ids.delete(definition);
    this.#constants[id] = undefined;
    this.#free.push(id);
    return id;
  }
}
