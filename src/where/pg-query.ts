/**
 * Postgres' own parser, compiled to Wasm by libpg-query, with the care that it needs.
 *
 * Whatever it throws (a stack that overflowed, a trap) has left its memory in an unknown state: the
 * stack pointer is not put back, and some dozens of such calls break every later one. So a module
 * that has thrown is never called again; another is made, which takes some 100 ms, in which clients
 * are asked to try again. The caller keeps statements small enough that this does not happen.
 *
 * The package's own entry point keeps one module for good, which is why its inside is used. A
 * module reserves 128 MiB of address space, so there is one in a process: `pgQuery`.
 *
 * Invariant: a call that ends with an exception is the last one into its module.
 */

import { createRequire } from "node:module";
import type { Node } from "@pgsql/types";
import { LitzError } from "../lib/errors.ts";

/** What is used of the Emscripten module. Addresses are those of its linear memory. */
export interface PgQueryModule {
  lengthBytesUTF8(text: string): number;
  stringToUTF8(text: string, address: number, capacity: number): void;
  UTF8ToString(address: number): string;
  getValue(address: number, type: "i32"): number;
  _malloc(size: number): number;
  _free(address: number): void;
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
  _wasm_scan(text: number): number;
  _wasm_free_string(text: number): void;
}

export interface Statement {
  readonly stmt?: Node;
}

export type ParseOutcome =
  | { readonly statements: readonly Statement[] }
  /** Characters before the mistake, or 0 where it has no place. */
  | { readonly message: string; readonly location: number };

/** In the order of the text. Comments are tokens, too. */
export interface Token {
  readonly text: string;
}

/** The module broke at this statement and was given up. Nobody else is harmed. */
export class StatementTooComplex extends Error {
  override readonly name = "StatementTooComplex";
}

type CreateModule = () => Promise<PgQueryModule>;

export class PgQuery {
  readonly #create: CreateModule;
  #module: PgQueryModule | undefined;
  #loading: Promise<void> | undefined;

  static async load(create: CreateModule): Promise<PgQuery> {
    return new PgQuery(create, await create());
  }

  private constructor(create: CreateModule, module: PgQueryModule) {
    this.#create = create;
    this.#module = module;
  }

  /**
   * REQUIRES: no null character and no half surrogate pair in the text, which would end early or
   * come back different.
   *
   * @throws {StatementTooComplex}
   * @throws {LitzError} PARSER_RESTARTING (503).
   */
  parse(sql: string): ParseOutcome {
    const outcome = this.#call(sql, readParseResult);
    if (typeof outcome !== "string") return outcome;
    const tree = JSON.parse(outcome) as { stmts?: readonly Statement[] };
    return { statements: tree.stmts ?? [] };
  }

  /**
   * Undefined when there is a mistake, of which `parse` says more. Slower than parsing, though
   * without recursion.
   *
   * @throws {StatementTooComplex}
   * @throws {LitzError} PARSER_RESTARTING (503).
   */
  scan(sql: string): readonly Token[] | undefined {
    const text = this.#call(sql, (module, address) => {
      const result = module._wasm_scan(address);
      const text = module.UTF8ToString(result);
      module._wasm_free_string(result);
      return text;
    });
    // An error comes as bare text in the place of the JSON.
    return text.startsWith("{") ? (JSON.parse(text) as { tokens: Token[] }).tokens : undefined;
  }

  #call<Result>(sql: string, work: (module: PgQueryModule, address: number) => Result): Result {
    const module = this.#module;
    if (module === undefined) {
      this.#load();
      throw restarting();
    }
    try {
      const size = module.lengthBytesUTF8(sql) + 1;
      const address = module._malloc(size);
      module.stringToUTF8(sql, address, size);
      const result = work(module, address);
      module._free(address);
      return result;
    } catch (error) {
      this.#module = undefined;
      this.#load();
      throw new StatementTooComplex("the parser gave up", { cause: error });
    }
  }

  /** A failure is not remembered: whoever calls next tries again. */
  #load(): void {
    this.#loading ??= this.#create()
      .then(
        (module) => void (this.#module = module),
        () => undefined,
      )
      .finally(() => (this.#loading = undefined));
  }
}

function restarting(): LitzError {
  return new LitzError("The SQL parser is restarting, please retry", {
    code: "PARSER_RESTARTING",
    httpStatus: 503,
    retriable: true,
    retryAfterSeconds: 1,
  });
}

/**
 * Reads and frees a `PgQueryParseResult`. The tree comes as JSON.
 *
 *     result  ┌──────┬────────┬───────┐     error  ┌─────────┬──────────┬──────┬──────┬────────┐
 *             │ tree │ stderr │ error │            │ message │ function │ file │ line │ cursor │
 *             └──────┴────────┴───────┘            └─────────┴──────────┴──────┴──────┴────────┘
 *                i32 each, addresses or 0             i32 each; the cursor counts characters from 1
 */
function readParseResult(
  module: PgQueryModule,
  text: number,
): string | { message: string; location: number } {
  const result = module._wasm_parse_query_raw(text);
  const error = module.getValue(result + 8, "i32");
  const outcome =
    error === 0
      ? module.UTF8ToString(module.getValue(result, "i32"))
      : {
          message: module.UTF8ToString(module.getValue(error, "i32")),
          location: Math.max(0, module.getValue(error + 16, "i32") - 1),
        };
  module._wasm_free_parse_result(result);
  return outcome;
}

/** A CommonJS module that comes without types. */
export const createModule = createRequire(import.meta.url)(
  "libpg-query/wasm/libpg-query.js",
) as CreateModule;

export const pgQuery = await PgQuery.load(createModule);
