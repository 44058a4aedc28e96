/**
 * Whether a connection shall use TLS, for the URL that leaves it to the server (`sslmode=prefer`).
 *
 * The driver cannot fall back by itself, so the server is asked the way libpq asks: an SSLRequest,
 * eight bytes, answered with one (Postgres manual, 54.2.10). A server that is not there, or answers
 * otherwise, is left to the connection attempt itself, which has the better error.
 */

import { connect } from "node:net";
import type { ConnectionOptions } from "./connection-options.ts";

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const TIMEOUT_MS = 10_000;

export async function shouldUseTls(options: ConnectionOptions): Promise<boolean> {
  if (options.tls !== "if offered") return options.tls !== "never";
  return new Promise((resolve) => {
    const socket = connect({ host: options.host, port: options.port }, () => {
      socket.write(SSL_REQUEST);
    });
    const answer = (isOffered: boolean) => {
      socket.destroy();
      resolve(isOffered);
    };
    socket.setTimeout(TIMEOUT_MS, () => answer(false));
    socket.once("data", (bytes) => answer(bytes[0] === 0x53)); // "S"
    socket.once("error", () => answer(false));
    socket.once("close", () => answer(false));
  });
}
