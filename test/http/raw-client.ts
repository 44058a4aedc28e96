/** A client that says exactly what it is told to, and reads only when it is told to. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";

export class RawClient {
  readonly socket: Socket;
  #received = "";
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** @param isReading false: takes nothing from the socket until `read` is called. */
  static async connect(port: number, isReading = true): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1" });
    const client = new RawClient(socket);
    await once(socket, "connect");
    if (isReading) client.read();
    return client;
  }

  get received(): string {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  read(): void {
    this.socket.on("data", (bytes) => {
      this.#received += bytes.toString("latin1");
      this.#wake();
    });
  }

  send(text: string): void {
    this.socket.write(text);
  }

  get(target: string, version = "1.1"): void {
    this.send(`GET ${target} HTTP/${version}\r\nhost: x\r\n\r\n`);
  }

  /**
   * Resolves when the text has come so many times since the connection began, or throws when it
   * ends before that.
   */
  async until(text: string, times = 1): Promise<string> {
    while (this.#received.split(text).length <= times) {
      if (this.#isClosed) throw new Error(`closed after ${JSON.stringify(this.#received)}`);
      await this.#event();
    }
    return this.#received;
  }

  async closed(): Promise<string> {
    while (!this.#isClosed) await this.#event();
    return this.#received;
  }

  /** Goes away without a word. */
  leave(): void {
    this.socket.destroy();
  }

  async #event(): Promise<void> {
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}
