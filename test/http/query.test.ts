/**
 * Request targets as text: query strings, paths, and what of them may be logged.
 *
 * Goal: every spelling means what protocol sections 1 and 2 say, and none gets around anything.
 * Method: tables of examples; a round trip over generated names and values.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { normalizeTarget } from "../../src/http/path.ts";
import { MALFORMED, parseQuery, textOf } from "../../src/http/query.ts";
import { redactTarget } from "../../src/http/redaction.ts";
import { isAuthorized } from "../../src/http/secret.ts";
import { check } from "../support/property.ts";

test("2: scalars, lists and maps, plain or percent-encoded", () => {
  const query = parseQuery(
    "/v1/shape?a=1&a=2&c[]=x&c%5B%5D=y&params%5B1%5D=p&params[2]=&bare&=z&&",
  );
  assert.deepEqual(
    [...query],
    [
      ["a", "2"],
      ["c", ["x", "y"]],
      [
        "params",
        new Map([
          ["1", "p"],
          ["2", ""],
        ]),
      ],
      ["bare", ""],
    ],
  );
});

test("2: of contradicting kinds the last wins, and deeper nesting is malformed", () => {
  assert.deepEqual(parseQuery("?p=x&p[1]=y").get("p"), new Map([["1", "y"]]));
  assert.equal(parseQuery("?p[1]=y&p=x").get("p"), "x");
  assert.equal(parseQuery("?p[1][2]=y").get("p"), MALFORMED);
});

test("2: what cannot be decoded is malformed, and never replaced by something else", () => {
  assert.equal(parseQuery("?where=%zz").get("where"), MALFORMED);
  assert.equal(parseQuery("?where=%ff").get("where"), MALFORMED);
  assert.equal(parseQuery("?%ff=1").size, 0);
  assert.equal(parseQuery("?a=x+y%2B").get("a"), "x y+");
});

test("2.1: blank counts as absent", () => {
  assert.equal(textOf(parseQuery("?a=%20"), "a"), undefined);
  assert.equal(textOf(parseQuery("?a"), "a"), undefined);
  assert.equal(textOf(parseQuery("?a[]=x"), "a"), undefined);
});

test("2: whatever URLSearchParams writes is read back", () => {
  const name = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => !/[[\]]/.test(text));
  const pairs = fc.uniqueArray(fc.tuple(name, fc.string({ unit: "grapheme" })), {
    selector: ([first]) => first,
  });
  check(
    fc.property(pairs, (pairs) => {
      const query = parseQuery(`/?${new URLSearchParams(pairs).toString()}`);
      assert.deepEqual([...query], pairs);
    }),
  );
});

test("1: all spellings of a path are one, and an encoded slash is not a slash", () => {
  const spellings = ["/v1/shape", "/v1/shape/", "/v1//shape", "//v1/shape", "/v1/%73hape"];
  for (const path of [...spellings, "/%76%31/shape", "http://host:1/v1/shape", "v1/shape"]) {
    assert.equal(normalizeTarget(`${path}?a=//%2f`), "/v1/shape?a=//%2f");
  }
  assert.equal(normalizeTarget("/"), "/");
  assert.equal(normalizeTarget(""), "/");
  assert.equal(normalizeTarget("/v1%2Fshape"), "/v1%2Fshape");
  assert.equal(normalizeTarget("/v1/sh%zzape"), "/v1/sh%25zzape");
  assert.equal(normalizeTarget("/v1/shape%3f"), "/v1/shape%3F");
});

test("1.4: secrets and values are redacted, however their names are spelled", () => {
  const target =
    "/v1/shape?table=t&secret=s1&%73ecret=s2&api_secret=s3&params[1]=s4&params%5B2%5D=s5";
  assert.equal(/s[1-5]\b/.test(redactTarget(target).replace("secret=", "")), false);
  assert.match(redactTarget(target), /table=t&secret=\[redacted\]/);
  assert.equal(
    redactTarget("/v1/shape?%ff=s1&subset[params]=s2&where=x"),
    "/v1/shape?%ff=[redacted]&subset[params]=[redacted]&where=x",
  );
});

test("1.4: `secret` goes before `api_secret`, and the last one before the others", () => {
  const isIn = (query: string): boolean => isAuthorized(query, "good");
  assert.equal(isIn("?secret=good"), true);
  assert.equal(isIn("?api_secret=good"), true);
  assert.equal(isIn("?secret=bad&secret=good"), true);
  assert.equal(isIn("?secret=bad&api_secret=good"), false);
  for (const query of ["", "?secret=", "?secret=goo", "?secret=good%20", "?secret[]=good"]) {
    assert.equal(isIn(query), false, query);
  }
  assert.equal(isAuthorized("", undefined), true);
});
