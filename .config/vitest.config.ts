import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Of a minute and more on two busy cores: whichever came last would run alone. */
const LONGEST = [
  "test/subqueries/oracle.test.ts",
  "test/where/differential.test.ts",
  "test/e2e/budgets.test.ts",
  "test/faults/kill.test.ts",
  "test/clients/console.test.ts",
  "test/storage/kill.test.ts",
];

/** Begins with the longest. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((path) => moduleId.endsWith(path));
      return place < 0 ? LONGEST.length : place;
    };
    return sorted.sort((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores are shared with Postgres and with the servers that the tests start.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    pool: "forks",
  },
});
