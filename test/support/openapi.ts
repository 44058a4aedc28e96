/** An OpenAPI document, and whether an answer is as it says. */

import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";

export interface Described {
  readonly description: string;
  readonly headers: Readonly<Record<string, { readonly required?: true; schema: object }>>;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

export interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, Described>>;
}

export interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** A response, be it of `inject` or of `fetch`. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Validate = (value: unknown) => string | undefined;

export class OpenApi {
  readonly document: OpenApiDocument;
  readonly #ajv = new Ajv2020({ strict: false });
  /** By schema: compiling takes longer than everything else. */
  readonly #validators = new Map<object, Validate>();

  constructor(document: OpenApiDocument) {
    this.document = document;
  }

  /** Asserts that the operation describes the answer: its status, every header, its body. */
  assertDescribes(method: string, path: string, { status, headers, body }: Answer): void {
    const operation = this.document.paths[path]![method.toLowerCase()]!;
    const what = `${method} ${path} ${status}`;
    const described = operation.responses[status];
    assert.notEqual(described, undefined, `${what} is not described`);
    const { headers: known, content = {} } = described!;
    for (const [name, { required, schema }] of Object.entries(known)) {
      const value = headers[name];
      assert.ok(value !== undefined || required !== true, `${what} has no ${name}`);
      if (value !== undefined) this.#assertValid(schema, value, `${what} ${name}`);
    }
    for (const name of Object.keys(headers)) {
      if (name.startsWith("electric-")) assert.ok(name in known, `${what} describes no ${name}`);
    }
    if (method === "HEAD" || body === "") return;
    const type = headers["content-type"]!.split(";")[0]!;
    assert.ok(type in content, `${what} describes no ${type}`);
    const value: unknown = type === "application/json" ? JSON.parse(body) : body;
    this.#assertValid(content[type]!.schema, value, what);
  }

  #assertValid(schema: object, value: unknown, what: string): void {
    let validate = this.#validators.get(schema);
    if (validate === undefined) {
      validate = this.#compile(schema);
      this.#validators.set(schema, validate);
    }
    const problem = validate(value);
    assert.equal(problem, undefined, `${what}: ${problem}`);
  }

  #compile(schema: object): Validate {
    const validate = this.#ajv.compile({ ...schema, components: this.document.components });
    return (value) => (validate(value) ? undefined : this.#ajv.errorsText(validate.errors));
  }
}
