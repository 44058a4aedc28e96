/**
 * What the engine asks of a logger; pino, which Fastify brings, is one. Messages are sentences for
 * operators; `fields` carry what a machine may want to search for. Secrets are never among them.
 */

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
