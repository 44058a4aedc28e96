/**
 * The string-keyed engine as pipelines are built: every stage owns its Map over handles, because it
 * must not reach into another's. That is how the upstream of this protocol is divided, and how most
 * engines grow. Compare with `string-keyed.ts`, which merges all it can.
 *
 *     registry      definition -> handle           by which a request finds its shape
 *     partitions    table -> Set of handles        by which a truncated table finds its shapes
 *     log           handle -> position of its last entry
 *     lifecycle     handle -> last use
 */

import { StringKeyedEngine } from "../src/report/baseline/string-keyed.ts";

export class StringStagedEngine extends StringKeyedEngine {
  override readonly name = "string-staged";
  readonly #definitions = new Map<string, string>();
  readonly #partitions = new Map<object, Set<string>>();
  readonly #tails = new Map<string, number>();
  readonly #lastUses = new Map<string, number>();

  override add(template: number, constants: readonly string[]): string {
    const handle = super.add(template, constants);
    this.#definitions.set(definitionText(template, this.constantsOf(handle)), handle);
    this.#tails.set(handle, 1);
    this.#lastUses.set(handle, 0);
    this.#partitionOf(handle).add(handle);
    return handle;
  }

  override remove(handle: string): void {
    const { index } = this.templateOf(handle);
    this.#definitions.delete(definitionText(index, this.constantsOf(handle)));
    this.#tails.delete(handle);
    this.#lastUses.delete(handle);
    this.#partitionOf(handle).delete(handle);
    super.remove(handle);
  }

  override find(template: number, constants: readonly string[]): string | undefined {
    const { path } = this.templates[template]!;
    return this.#definitions.get(definitionText(template, this.keyOfConstants(path, constants)));
  }

  #partitionOf(handle: string): Set<string> {
    const { relation } = this.templateOf(handle);
    let partition = this.#partitions.get(relation);
    if (partition === undefined) {
      partition = new Set();
      this.#partitions.set(relation, partition);
    }
    return partition;
  }
}

function definitionText(template: number, constants: string): string {
  return `${template} ${constants}`;
}
