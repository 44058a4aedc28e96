/**
 * The library: a sync server inside your own Node process.
 *
 *     import { createSyncService, readConfig } from "litz";
 *
 *     const service = createSyncService({ config: readConfig(process.env) });
 *     await app.register(service.plugin);
 *     app.addHook("onClose", () => service.stop());
 *     await app.listen({ port: 3000 });
 *     await service.start();
 */

export { ConfigError, readConfig, type Config } from "./config.ts";
export { InvalidParameter, LitzError } from "./lib/errors.ts";
export type { Logger } from "./lib/logger.ts";
export { createSyncService, type SyncService, type SyncServiceOptions } from "./sync-service.ts";
