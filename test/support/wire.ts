/**
 * A sink that takes the stream apart as the specification reads, with no thought of speed: frames,
 * then what is in them. Tests compare the engine with it.
 */

import type { ByteSink, ReplicationStream } from "../../src/postgres/replication-stream.ts";

export class FrameSink implements ByteSink {
  /** pgoutput messages, each beginning with its kind. */
  readonly messages: Buffer[] = [];
  readonly keepalives: Buffer[] = [];
  readCount = 0;
  byteCount = 0;
  stream: ReplicationStream | undefined;
  #bytes = Buffer.alloc(0);
  #waiters: { isMet: () => boolean; resolve: () => void }[] = [];

  onBytes(chunk: Uint8Array): void {
    this.readCount++;
    this.byteCount += chunk.length;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      if (this.#bytes.length < 5) break;
      const size = 1 + this.#bytes.readUInt32BE(1);
      if (this.#bytes.length < size) break;
      this.#frame(this.#bytes.subarray(0, size));
      this.#bytes = this.#bytes.subarray(size);
    }
    const met = this.#waiters.filter(({ isMet }) => isMet());
    this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }

  /** Kinds of the messages so far, one letter each. */
  get kinds(): string {
    return this.messages.map((message) => String.fromCharCode(message[0]!)).join("");
  }

  get commitCount(): number {
    return this.messages.reduce((count, message) => count + (message[0] === 0x43 ? 1 : 0), 0);
  }

  async until(isMet: () => boolean): Promise<void> {
    if (isMet()) return;
    return new Promise((resolve) => this.#waiters.push({ isMet, resolve }));
  }

  #frame(frame: Buffer): void {
    const kind = String.fromCharCode(frame[0]!, frame[0] === 0x64 ? frame[5]! : 0x20);
    if (kind === "dw") this.messages.push(Buffer.from(frame.subarray(5 + 25)));
    else if (kind === "dk") this.keepalives.push(Buffer.from(frame.subarray(5)));
    else this.stream!.handOver(frame);
  }
}
