/**
 * Kill -9, again and again, on one directory: nothing that was acknowledged is lost, no transaction
 * is there by half, none is there twice. Checkpoints and merges run in their thread meanwhile.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, test } from "vitest";
import { SNAPSHOT_END } from "../../src/model/log-offset.ts";
import {
  logOf,
  readAll,
  removeTemporaryDirectories,
  startStore,
  temporaryDirectory,
} from "../support/store-harness.ts";
import { changesOf, isReached, KILL_OPTIONS, SHAPES } from "../support/store-writer.ts";
import { runsOf } from "../support/runs.ts";

afterEach(removeTemporaryDirectories);

const ROUNDS = runsOf(5);
const WRITER = fileURLToPath(new URL("../support/store-writer.ts", import.meta.url));

/** Runs the writer for a while; returns the last position that it said was acknowledged. */
function writeUntilKilled(directory: string, milliseconds: number): Promise<bigint> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", WRITER, directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let acknowledged = 0n;
    let isReady = false;
    createInterface(child.stdout).on("line", (line) => {
      if (line.startsWith("ready")) {
        isReady = true;
        setTimeout(() => child.kill("SIGKILL"), milliseconds);
      } else {
        acknowledged = BigInt(line);
      }
    });
    child.on("close", () => {
      if (isReady) resolve(acknowledged);
      else reject(new Error("the writer did not start"));
    });
  });
}

test(`${ROUNDS} kills`, async () => {
  const directory = temporaryDirectory();
  let position = 0n;
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledged = await writeUntilKilled(directory, 50 + ((round * 131) % 400));
    const harness = await startStore(directory, KILL_OPTIONS);
    assert.ok(harness.store.position >= acknowledged, "what was acknowledged is lost");
    assert.ok(harness.store.position >= position);
    position = harness.store.position;
    const keys = [...harness.slots.keys()].sort((a, b) => a - b);
    assert.equal(keys.length, SHAPES);
    for (const [shape, key] of keys.entries()) {
      const expected: string[] = [];
      for (let lsn = 8n; lsn <= position; lsn += 8n) {
        if (!isReached(lsn, shape)) continue;
        const bodies = changesOf(lsn);
        expected.push(...bodies.slice(0, -1), bodies.at(-1)!.slice(0, -2) + ',"last":true}}');
      }
      const { messages } = await readAll(logOf(harness, key), SNAPSHOT_END);
      assert.equal(messages.length, expected.length);
      assert.ok(messages.every((message, index) => message === expected[index]));
    }
    await harness.store.close();
  }
  assert.ok(position > 0n);
}, 300_000);
