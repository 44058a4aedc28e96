/**
 * How the plain JavaScript engines name a shape inside, where its definition does not lie in one
 * filter: the one thing in which `string-keyed` and `integer-keyed` differ there.
 *
 *     handles     definition -> handle, handle -> definition            every index holds handles
 *     integers    definition -> id,     array of definitions by id      every index holds ids
 *
 * A definition is one text, template and constants, and held once. Both keep as little as they can:
 * no position, no last use, no state, which the core has.
 */

import { flatText } from "./flat-text.ts";
import { definitionHash, EPOCH_MICROSECONDS } from "./routing-engine.ts";

export interface ShapeNames<Ref extends string | number> {
  /** REQUIRES: the definition is not there yet. */
  add(definition: string): Ref;
  find(definition: string): Ref | undefined;
  /** Forgets the definition and returns the name it had. REQUIRES: it is there. */
  remove(definition: string): Ref;
}

export class HandleNames implements ShapeNames<string> {
  readonly #handles = new Map<string, string>();
  readonly #definitions = new Map<string, string>();
  #keys = 0;

  add(definition: string): string {
    this.#keys += 1;
    const hash = definitionHash(0, [definition]);
    const handle = flatText(`${hash}-${EPOCH_MICROSECONDS + this.#keys}`);
    const flat = flatText(definition);
    this.#handles.set(flat, handle);
    this.#definitions.set(handle, flat);
    return handle;
  }

  find(definition: string): string | undefined {
    return this.#handles.get(definition);
  }

  remove(definition: string): string {
    const handle = this.#handles.get(definition)!;
    this.#handles.delete(definition);
    this.#definitions.delete(handle);
    return handle;
  }
}

export class IntegerNames implements ShapeNames<number> {
  readonly #ids = new Map<string, number>();
  readonly #definitions: (string | undefined)[] = [undefined];
  readonly #free: number[] = [];

  add(definition: string): number {
    const id = this.#free.pop() ?? this.#definitions.length;
    const flat = flatText(definition);
    this.#ids.set(flat, id);
    this.#definitions[id] = flat;
    return id;
  }

  find(definition: string): number | undefined {
    return this.#ids.get(definition);
  }

  remove(definition: string): number {
    const id = this.#ids.get(definition)!;
    this.#ids.delete(definition);
    this.#definitions[id] = undefined;
    this.#free.push(id);
    return id;
  }
}
