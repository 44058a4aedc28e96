import { defineConfig } from "vitest/config";
export default defineConfig({
  root: "/work/main",
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60000,
    hookTimeout: 60000,
    maxWorkers: 1,
    pool: "forks",
  },
});
