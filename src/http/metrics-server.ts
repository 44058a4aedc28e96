/**
 * The listener for Prometheus, on a port of its own (protocol 1): behind no secret, so it can be
 * kept from the world where the other cannot. It answers `GET /metrics` and nothing else.
 */

import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { asError, LitzError } from "../lib/errors.ts";

export interface MetricsServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** The exposition and its content type. */
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>;
  /** It could not be made. Whoever asked gets a 500. */
  readonly onFailure: (error: unknown) => void;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws {LitzError} when the port is in use or may not be listened on. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, metrics, onFailure, port } = options;
  const server = createServer((request, response) => {
    const isKnown = (request.url ?? "").split("?", 1)[0] === "/metrics";
    if (!isKnown || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(404, { "content-type": "text/plain; charset=utf-8" }).end("Not found");
      return;
    }
    metrics().then(
      ({ contentType, text }) => {
        response.writeHead(200, { "content-type": contentType });
        response.end(request.method === "HEAD" ? undefined : text);
      },
      (error: unknown) => {
        onFailure(error);
        response.writeHead(500).end();
      },
    );
  });
  await listen(server, host, port);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen({ port, host });
    await once(server, "listening");
  } catch (thrown) {
    const error = asError(thrown);
    const reason =
      "code" in error && error.code === "EADDRINUSE"
        ? `somebody else listens on ${host}:${port}`
        : error.message;
    throw new LitzError(`ELECTRIC_PROMETHEUS_PORT is ${port}: ${reason}; choose another port`, {
      code: "METRICS_PORT_UNAVAILABLE",
      cause: error,
    });
  }
}
