/**
 * HTTP/2 over TLS, with HTTP/1.1 for whoever does not offer better. For development: in production
 * a proxy ends TLS, and lanes are worth more than HTTP/2.
 *
 * Node's server ends when its connections do, and sessions stay as long as their clients like:
 * closing tells each session to take no new streams, and each HTTP/1.1 connection to end when
 * nothing is owed on it.
 */

import type { RequestListener, Server } from "node:http";
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { Connections } from "./connections.ts";
import type { Certificate } from "./https-certificate.ts";
import { HANDSHAKE_TIMEOUT_MS, HEADER_BYTES_MAX } from "./limits.ts";

type Http2Listener = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** @param connections is told of everything that has to end when the server closes. */
export function createHttpsServer(
  { cert, key }: Certificate,
  listener: RequestListener,
  connections: Connections,
): Server {
  const server = createSecureServer(
    {
      allowHTTP1: true,
      cert,
      key,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      settings: { maxHeaderListSize: HEADER_BYTES_MAX },
    } as Parameters<typeof createSecureServer>[0],
    // Both kinds of requests have what we and Fastify ask of them.
    listener as unknown as Http2Listener,
  );
  connections.watch(server as unknown as Server, "secureConnection");
  server.on("session", (session: ServerHttp2Session) => connections.watchSession(session));
  return server as unknown as Server;
}
