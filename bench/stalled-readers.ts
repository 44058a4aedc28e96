/** The readers of `stalled.ts`: they ask and take nothing. */

import { connect } from "node:net";

export interface ReaderOrder {
  readonly port: number;
  readonly count: number;
  readonly encoding: string;
}

process.once("disconnect", () => process.exit(0));

process.on("message", (order: ReaderOrder) => {
  void obey(order).then(() => process.send!("done"));
});

async function obey({ port, count, encoding }: ReaderOrder): Promise<void> {
  for (let n = 0; n < count; n++) await stall(port, encoding);
}

async function stall(port: number, encoding: string): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.pause();
  socket.write(
    "GET /v1/shape?table=items&offset=-1 HTTP/1.1\r\n" +
      `host: x\r\naccept-encoding: ${encoding}\r\n\r\n`,
  );
  socket.on("error", () => undefined);
}
