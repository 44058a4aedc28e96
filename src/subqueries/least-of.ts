/**
 * The least of values that come and go, each as often as it likes: the earliest place that somebody
 * is at, where very many are at few places and mostly come to later ones.
 *
 *     counts   41 -> 2    43 -> 10,000    44 -> 1
 *     heap     [ 40, 41, 43, 44 ]          40 is nobody's any more: it goes when it is the first
 *
 * Coming and going takes O(1) where others are at the same place, asking O(1), and O(log n) for
 * each place that was left since.
 *
 * Invariant: every value with a count is in the heap, once; what else is there has none.
 */

export class LeastOf<Value extends number | bigint> {
  readonly #counts = new Map<Value, number>();
  readonly #heap: Value[] = [];
  /** Values of the heap without a count. */
  readonly #left = new Set<Value>();

  add(value: Value): void {
    const count = this.#counts.get(value) ?? 0;
    this.#counts.set(value, count + 1);
    if (count === 0 && !this.#left.delete(value)) this.#push(value);
  }

  /** REQUIRES: it is there. */
  remove(value: Value): void {
    const count = this.#counts.get(value)!;
    if (count > 1) {
      this.#counts.set(value, count - 1);
      return;
    }
    this.#counts.delete(value);
    this.#left.add(value);
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }

  /** Undefined: there is none. */
  get least(): Value | undefined {
    while (this.#heap.length > 0 && this.#left.delete(this.#heap[0]!)) this.#pop();
    return this.#heap[0];
  }

  #push(value: Value): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= value) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = value;
  }

  /** Takes the first away. */
  #pop(): void {
    const heap = this.#heap;
    const value = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child += 1;
      if (value <= heap[child]!) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
}
