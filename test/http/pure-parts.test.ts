/**
 * The small pure parts: cursor, etag, caching, admission, errors, and the version.
 *
 * Goal: the arithmetic and the texts of protocol 3.2 and 4. Method: examples with fixed time and
 * randomness; for admission, random sequences against counters.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { test } from "vitest";
import { Admission, kindOf, type AdmissionSlot } from "../../src/http/admission.ts";
import { errorCacheHeaders, logCacheControl } from "../../src/http/caching.ts";
import { nextCursor } from "../../src/http/cursor.ts";
import { errorResponse, isForeseen } from "../../src/http/errors.ts";
import { matchesEtag } from "../../src/http/etag.ts";
import { explained } from "../../src/http/explanations.ts";
import { parseQuery } from "../../src/http/query.ts";
import { VERSION } from "../../src/http/version.ts";
import { InvalidParameter, LitzError } from "../../src/lib/errors.ts";
import { BEFORE_ALL, FIRST } from "../../src/model/log-offset.ts";
import { check } from "../support/property.ts";

test("the version is that of the package", () => {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  assert.equal(VERSION, (JSON.parse(manifest) as { version: string }).version);
});

test("4.5: cursor", () => {
  const epochMs = Date.UTC(2024, 9, 9);
  const cursor = (seconds: number, previous?: string, timeoutMs = 20_000): string =>
    nextCursor({
      nowMs: epochMs + seconds * 1000,
      longPollTimeoutMs: timeoutMs,
      previous,
      random: () => 0.9999,
    });
  assert.equal(cursor(1), "20");
  assert.equal(cursor(20), "20");
  assert.equal(cursor(20.001), "40");
  assert.equal(cursor(21, "20"), "40");
  assert.equal(cursor(21, "40"), String(40 + 3600));
  assert.equal(cursor(21, "100"), String(100 + 3600));
  assert.equal(cursor(1, "x"), "20");
  assert.equal(cursor(1, "-9"), "20");
  assert.equal(cursor(1, "123456789012345678901"), "123456789012345682501");
  assert.equal(cursor(1, "9".repeat(100_000)), "20");
  assert.equal(cursor(1, undefined, 999), "3600");
});

test("4.2: if-none-match is a list; quotes, blanks and W/ do not count", () => {
  for (const header of ["h:-1:0_0", '"h:-1:0_0"', ' "x" , W/"h:-1:0_0" ', '"a","h:-1:0_0"']) {
    assert.equal(matchesEtag(header, "h:-1:0_0"), true, header);
  }
  for (const header of [undefined, "", "*", '"h:-1:0_00"', '"h:-1:0_0:7"']) {
    assert.equal(matchesEtag(header, "h:-1:0_0"), false, header);
  }
});

test("4.3: cache-control by case", () => {
  const policy = { maxAgeSeconds: 1, staleAgeSeconds: 3, sseTimeoutMs: 60_000 };
  assert.equal(
    logCacheControl(BEFORE_ALL, false, policy),
    "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746",
  );
  assert.equal(logCacheControl(FIRST, true, policy), "public, max-age=5, stale-while-revalidate=5");
  assert.equal(
    logCacheControl(FIRST, false, policy),
    "public, max-age=1, stale-while-revalidate=3",
  );
  assert.equal(
    logCacheControl("now", false, policy),
    "public, max-age=1, stale-while-revalidate=3",
  );
  assert.deepEqual(errorCacheHeaders("DELETE"), { "cache-control": "no-cache" });
  const noStore = { "cache-control": "no-store", "surrogate-control": "no-store" };
  assert.deepEqual(errorCacheHeaders("HEAD"), noStore);
});

test("3.2: errors", () => {
  const answer = (code: string, status = 503): unknown =>
    errorResponse(new LitzError("why", { code, httpStatus: status }));
  const known = { "electric-internal-known-error": "true" };
  assert.deepEqual(answer("NOT_READY"), {
    status: 503,
    headers: { "retry-after": "5" },
    body: { message: "why" },
  });
  assert.deepEqual(answer("SNAPSHOT_FAILED"), {
    status: 503,
    headers: { "retry-after": "10", ...known },
    body: { message: "why" },
  });
  assert.deepEqual(answer("SNAPSHOT_FAILED_UNEXPECTEDLY", 500), {
    status: 500,
    headers: {},
    body: { message: "why" },
  });
  assert.deepEqual(answer("POSTGRES_UNREACHABLE"), {
    status: 503,
    headers: { "retry-after": "10" },
    body: { code: "database_unreachable", error: "Database is unreachable" },
  });
  assert.deepEqual(errorResponse(new InvalidParameter("where", "At location 17: no")), {
    status: 400,
    headers: {},
    body: { message: "Invalid request", errors: { where: ["At location 17: no"] } },
  });
});

test("3.2: what was not foreseen tells nothing", () => {
  const internal = { status: 500, headers: {}, body: { error: "Internal server error" } };
  for (const thrown of [
    new Error("secret"),
    "secret",
    undefined,
    new LitzError("secret", { code: "toString" }),
    new LitzError("secret", { code: "STORE_LOCKED" }),
    Object.assign(new Error("secret"), { statusCode: 500 }),
  ]) {
    assert.deepEqual(errorResponse(thrown), internal);
    assert.equal(isForeseen(thrown), false);
  }
});

test("3.2: one lost connection is told by the stage at which it was lost", () => {
  const lost = new LitzError("x", { code: "POSTGRES_UNREACHABLE", httpStatus: 503 });
  const told = (stage: "definition" | "creation" | "snapshot"): unknown => {
    const { body, headers } = errorResponse(explained(stage, lost));
    return [(body as { message: string }).message, headers["retry-after"]];
  };
  assert.deepEqual(told("definition"), [
    "Cannot connect to the database to verify the shape. Please try again later.",
    "1",
  ]);
  assert.deepEqual(told("creation"), ["Failed to create shape, please retry", "1"]);
  assert.deepEqual(told("snapshot"), ["Database connection not available", "10"]);
  const denied = new LitzError("reading t: no", { code: "POSTGRES_PRIVILEGE" });
  const { status, body } = errorResponse(
    explained("snapshot", Object.assign(denied, { postgresMessage: "permission denied" })),
  );
  assert.equal(status, 503);
  assert.deepEqual(body, { message: "Unable to create initial snapshot: permission denied" });
  assert.equal(explained("snapshot", "x"), "x");
});

test("3.2: admission is by kind, and says when to come back", () => {
  assert.equal(kindOf(parseQuery("?offset=-1")), "initial");
  assert.equal(kindOf(parseQuery("?handle=nonsense")), "initial");
  assert.equal(kindOf(parseQuery("?handle=1-2")), "existing");
  for (const [random, seconds] of [
    [0, 6],
    [0.999, 10],
  ] as const) {
    const admission = new Admission({ initial: 1, existing: 1 }, () => random);
    admission.acquire("initial");
    assert.throws(
      () => admission.acquire("initial"),
      (error) => error instanceof LitzError && error.retryAfterSeconds === seconds,
    );
  }
});

test("3.2: admission slots are counted exactly, whatever is done with them", () => {
  const kind = fc.constantFrom("initial" as const, "existing" as const);
  const step = fc.oneof(
    fc.record({ type: fc.constant("acquire" as const), kind }),
    fc.record({ type: fc.constant("release" as const), at: fc.nat(9) }),
    fc.record({ type: fc.constant("move" as const), at: fc.nat(9), kind }),
  );
  check(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const admission = new Admission({ initial: 2, existing: 3 }, () => 0);
      const slots: { slot: AdmissionSlot; held: "initial" | "existing" | undefined }[] = [];
      const count = (kind: string): number => slots.filter(({ held }) => held === kind).length;
      const limit = { initial: 2, existing: 3 };
      for (const step of steps) {
        if (step.type === "acquire") {
          if (count(step.kind) === limit[step.kind]) {
            assert.throws(() => admission.acquire(step.kind), /limit exceeded/);
          } else slots.push({ slot: admission.acquire(step.kind), held: step.kind });
          continue;
        }
        const entry = slots[step.at];
        if (entry === undefined) continue;
        if (step.type === "release") {
          entry.slot.release();
          entry.held = undefined;
        } else {
          const isFull = count(step.kind) === limit[step.kind];
          const moves = entry.held !== undefined && entry.held !== step.kind;
          if (moves && isFull) assert.throws(() => entry.slot.moveTo(step.kind), /limit exceeded/);
          else entry.slot.moveTo(step.kind);
          if (moves && !isFull) entry.held = step.kind;
        }
        for (const kind of ["initial", "existing"] as const) {
          assert.equal(admission.count(kind), count(kind));
        }
      }
    }),
  );
});
