/** The version in the `electric-server` header: that of package.json, which a test compares. */
export const VERSION = "0.1.0";

/** What the `electric-server` header says. */
export const SERVER_NAME = `ElectricSQL/${VERSION}`;
