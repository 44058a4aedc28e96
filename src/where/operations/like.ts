/**
 * LIKE and ILIKE as operators and functions (manual, section 9.7.1), and the regular expressions
 * that are refused.
 *
 * ILIKE is LIKE of both sides in lower case. Regular expressions, SIMILAR TO among them, are
 * Postgres' own kind, with greed and classes like no other's, and may take exponential time: an
 * evaluator would be neither exact nor safe.
 */

import { matchesLike } from "../values/like.ts";
import {
  binary,
  fn,
  make,
  refused,
  type Evaluate,
  type Operation,
  type Place,
} from "./operation.ts";

const SUBJECTS = ["text", "name", "bpchar"] as const;
const BYTEWISE = { collation: "equality" } as const;
const CASED = { collation: "case" } as const;

const matches = (text: string, pattern: string): boolean => matchesLike(text, pattern);
const differs = (text: string, pattern: string): boolean => !matchesLike(text, pattern);

export const LIKE_OPERATIONS: readonly Operation[] = [
  ...SUBJECTS.flatMap((type) => [
    // The padding of a bpchar counts here.
    binary("~~", type, "text", "bool", matches, BYTEWISE),
    binary("!~~", type, "text", "bool", differs, BYTEWISE),
    make("binary", "~~*", [type, "text"], "bool", ignoringCase(matches), CASED),
    make("binary", "!~~*", [type, "text"], "bool", ignoringCase(differs), CASED),
  ]),
  ...(["text", "name"] as const).flatMap((type) => [
    fn("like", [type, "text"], "bool", matches, BYTEWISE),
    fn("notlike", [type, "text"], "bool", differs, BYTEWISE),
  ]),
  // Not a function of Postgres, but one that the protocol knows (section 13.4).
  make("function", "ilike", ["text", "text"], "bool", ignoringCase(matches), {
    ...CASED,
    sql: ([text, pattern]) => `(${text!} OPERATOR(pg_catalog.~~*) ${pattern!})`,
  }),
  ...refusals(),
];

function ignoringCase(
  compare: (text: string, pattern: string) => boolean,
): (place: Place) => Evaluate {
  return ({ caseMapping: { lower } }) => {
    return (text, pattern) => compare(lower(text as string), lower(pattern as string));
  };
}

function refusals(): Operation[] {
  const why =
    "regular expressions and SIMILAR TO are not supported, because they cannot be evaluated " +
    "both exactly and in bounded time; LIKE and ILIKE can";
  const operators = ["~", "~*", "!~", "!~*"].flatMap((name) =>
    SUBJECTS.map((type) => refused("binary", name, [type, "text"], "bool", why)),
  );
  const similar = [["text"], ["text", "text"]] as const;
  return [
    ...operators,
    ...similar.map((args) => refused("function", "similar_to_escape", args, "text", why)),
    refused("function", "similar_escape", ["text", "text"], "text", why),
    refused("function", "substring", ["text", "text"], "text", why),
    refused("function", "substring", ["text", "text", "text"], "text", why),
    refused("function", "regexp_like", ["text", "text"], "bool", why),
    refused("function", "regexp_like", ["text", "text", "text"], "bool", why),
    refused("function", "regexp_replace", ["text", "text", "text"], "text", why),
    refused("function", "regexp_replace", ["text", "text", "text", "text"], "text", why),
  ];
}
