/** A server over a MemoryShapeService, and the few words that its tests say again and again. */

import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { afterEach } from "vitest";
import { readConfig, type Config } from "../../src/config.ts";
import { createHttpServer } from "../../src/http/server.ts";
import type { Logger } from "../../src/lib/logger.ts";
import { MemoryShapeService, type Row } from "../support/memory-shape-service.ts";

export interface Fixture {
  readonly app: FastifyInstance;
  readonly service: MemoryShapeService;
  /** What was logged, as JSON. */
  readonly log: string[];
  /** `/v1/shape` with these parameters. */
  readonly get: (
    parameters: Record<string, string>,
    headers?: Record<string, string>,
  ) => Promise<LightMyRequestResponse>;
  /** Starts listening; the port. */
  listen(): Promise<number>;
}

export interface FixtureOptions {
  readonly config?: Partial<Config>;
  readonly messagesPerChunk?: number;
  readonly messagesPerPage?: number;
  readonly rows?: Row[];
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export const NOW = Date.UTC(2026, 0, 1);

const open: FastifyInstance[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

export function makeFixture(options: FixtureOptions = {}): Fixture {
  const service = new MemoryShapeService(options);
  service.setTable("items", options.rows ?? [{ id: "1" }, { id: "2" }, { id: "3" }]);
  service.setTable("empty", []);
  const log: string[] = [];
  const app = createHttpServer({
    service,
    config: { ...testConfig, ...options.config },
    memoryReport: () => ({ committedBytes: 65_536 }),
    logger: recorder(log),
    clock: {
      nowMilliseconds: options.now ?? ((): number => Date.now()),
      nowMicroseconds: () => NOW * 1000,
    },
    random: () => 0,
  });
  open.push(app);
  return {
    app,
    service,
    log,
    get: (parameters, headers = {}) =>
      app.inject({ method: "GET", url: shapeUrl(parameters), headers }),
    listen: async () => {
      await app.listen({ port: 0, host: "127.0.0.1" });
      const address = app.server.address();
      return typeof address === "object" ? address!.port : 0;
    },
  };
}

export function shapeUrl(parameters: Record<string, string>): string {
  return `/v1/shape?${new URLSearchParams(parameters).toString()}`;
}

export function testConfigWith(config: Partial<Config>): Config {
  return { ...testConfig, ...config };
}

const testConfig: Config = {
  ...readConfig({ DATABASE_URL: "postgresql://localhost/test", ELECTRIC_INSECURE: "true" }),
  longPollTimeoutMs: 100,
  readyTimeoutMs: 50,
};

function recorder(log: string[]): Logger {
  const record = (fields: object, message: string): void => {
    log.push(
      JSON.stringify({ ...fields, message }, (_key, value: unknown) =>
        value instanceof Error ? Object.assign({}, value, { message: value.message }) : value,
      ),
    );
  };
  return { debug: record, info: record, warn: record, error: record };
}
