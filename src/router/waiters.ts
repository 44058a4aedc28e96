import type { ShapeId, WaiterId } from "../model/ids.ts";
import { EXCHANGE_SIZE, type Core, type CoreExports } from "./core.ts";

/** Half of the exchange for ids, half for waiters. */
const SLICE = EXCHANGE_SIZE / 8;

/**
 * Who waits for which shape: see `assembly/consumer-registry.ts`. Waiters are ended in the core
 * before they are visited, so `visit` may park and leave as it likes.
 *
 * `park` may grow linear memory; nothing else does.
 */
export class Waiters {
  readonly #core: Core;
  readonly #exports: CoreExports;

  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports;
  }

  get count(): number {
    return this.#exports.waiterCount() >>> 0;
  }

  /** Whether somebody waits for the shape. REQUIRES: the id was minted once. */
  isAwaited(id: ShapeId): boolean {
    return this.#exports.waiterIsAwaited(id) !== 0;
  }

  /** Undefined: no memory is left. REQUIRES: the shape is live. */
  park(id: ShapeId): WaiterId | undefined {
    const waiter = this.#exports.waiterPark(id) >>> 0;
    return waiter === 0 ? undefined : (waiter as WaiterId);
  }

  /** REQUIRES: the waiter is parked: neither left nor woken. */
  leave(waiter: WaiterId): void {
    this.#exports.waiterLeave(waiter);
  }

  /** Ends the waits for these shapes. Ids may repeat and may have been retired. */
  wake(ids: Uint32Array, count: number, visit: (waiter: WaiterId) => void): void {
    const first = this.#core.exchange;
    const out = first + SLICE * 4;
    let at = 0;
    while (at < count && this.count !== 0) {
      const size = Math.min(SLICE, count - at);
      this.#core.words.set(ids.subarray(at, at + size), first >>> 2);
      const woken = this.#exports.waiterWake(first, size, out, SLICE) >>> 0;
      at += this.#exports.waiterWokenUpTo() >>> 0;
      this.#visit(out, woken, visit);
    }
  }

  /** Ends all waits for one shape. */
  wakeAll(id: ShapeId, visit: (waiter: WaiterId) => void): void {
    const out = this.#core.exchange;
    let woken: number;
    do {
      woken = this.#exports.waiterWakeAllOf(id, out, SLICE) >>> 0;
      this.#visit(out, woken, visit);
    } while (woken === SLICE);
  }

  #visit(out: number, count: number, visit: (waiter: WaiterId) => void): void {
    if (count === 0) return;
    // A copy: what is visited may use the exchange.
    const woken = this.#core.words.slice(out >>> 2, (out >>> 2) + count);
    for (const waiter of woken) visit(waiter as WaiterId);
  }
}
