/**
 * A litz as its clients know it: an address, and what it answers. Every file of this suite has one
 * of its own, over a database of its own, and looks at it through HTTP alone.
 */

import { afterAll, beforeAll, expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { readConfig } from "../../src/config.ts";
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from "../../src/storage/temporary-directory.ts";
import { PipelineService } from "../../src/sync-service.ts";
import { settingsFor, type Settings } from "../support/live-server.ts";
import { createTestDatabase, type Row, type TestDatabase } from "../support/postgres.ts";

export type Parameters = Readonly<Record<string, string>>;
export type Value = Readonly<Record<string, string | null>>;

export interface Message {
  readonly key?: string;
  readonly value?: Value;
  readonly old_value?: Value;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A whole answer, read to its end. */
export class Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;

  constructor(response: Response, text: string) {
    this.status = response.status;
    this.headers = response.headers;
    this.text = text;
  }

  header(name: string): string | null {
    return this.headers.get(name);
  }

  get json(): unknown {
    return JSON.parse(this.text) as unknown;
  }

  /** Of a log. */
  get messages(): Message[] {
    if (!this.text.startsWith("[")) throw new Error(`${this.status}: ${this.text}`);
    return this.json as Message[];
  }

  /** Of a subset. */
  get subset(): { readonly metadata: Readonly<Record<string, unknown>>; readonly data: Message[] } {
    if (this.status !== 200) throw new Error(`${this.status}: ${this.text}`);
    return this.json as Answer["subset"];
  }

  /** Where the next request goes on. */
  get position(): Parameters {
    return { handle: this.header("electric-handle")!, offset: this.header("electric-offset")! };
  }
}

export class Subject {
  url = "";
  #database: TestDatabase | undefined;
  #settings: Settings = {};
  #service: PipelineService | undefined;
  #storage: TemporaryDirectory | undefined;
  #close: (() => Promise<void>) | undefined;

  get database(): TestDatabase {
    return this.#database!;
  }

  get shapeUrl(): string {
    return `${this.url}/v1/shape`;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Accepts requests, and does nothing for them before `start`. */
  async listen(database: TestDatabase, settings: Settings): Promise<void> {
    this.#database = database;
    this.#settings = settings;
    this.#storage ??= makeTemporaryDirectory();
    const config = readConfig(settingsFor(database, this.#storage.path, settings));
    const service = new PipelineService({ config });
    const app = service.httpServer();
    this.url = await app.listen({ port: 0, host: "127.0.0.1" });
    this.#service = service;
    this.#close = () => app.close();
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    await this.#service!.start();
  }

  /** Another process on the same storage, as far as anybody can tell. */
  async restart(settings: Settings = {}): Promise<void> {
    await this.stop();
    await this.listen(this.database, { ...this.#settings, ...settings });
    await this.start();
  }

  /** Storage stays for `restart`. */
  async stop(): Promise<void> {
    await this.#close?.();
    await this.#service?.stop();
    this.#service = this.#close = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop();
    this.#storage?.remove();
  }

  sql(text: string): Promise<Row[]> {
    return this.database.query(text);
  }

  /** @param target begins with a slash. */
  async send(method: string, target: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(this.url + target, { ...init, method });
    return new Answer(response, await response.text());
  }

  /** `GET /v1/shape`. */
  get(parameters: Parameters, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send("GET", shapeTarget(parameters), { headers });
  }

  head(parameters: Parameters): Promise<Answer> {
    return this.send("HEAD", shapeTarget(parameters));
  }

  /** @param body an object, or a text that is sent as it is. */
  post(parameters: Parameters, body: object | string): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { "content-type": "application/json" };
    return this.send("POST", shapeTarget(parameters), { headers, body: text });
  }

  delete(parameters: Parameters): Promise<Answer> {
    return this.send("DELETE", shapeTarget(parameters));
  }

  /** The shape from its beginning to the end of its log. */
  async read(definition: Parameters): Promise<ShapeReader> {
    const reader = new ShapeReader(this, definition);
    await reader.catchUp();
    return reader;
  }
}

/** One client of one shape: remembers where it is. */
export class ShapeReader {
  readonly definition: Parameters;
  /** Every answer so far. */
  readonly answers: Answer[] = [];
  position: Parameters = { offset: "-1" };
  readonly #subject: Subject;

  constructor(subject: Subject, definition: Parameters) {
    this.#subject = subject;
    this.definition = definition;
  }

  get handle(): string {
    return this.position["handle"]!;
  }

  get offset(): string {
    return this.position["offset"]!;
  }

  /** What the requests so far brought, control messages included. */
  get messages(): Message[] {
    return this.answers.flatMap(({ messages }) => messages);
  }

  get rows(): Message[] {
    return changesIn(this.messages);
  }

  /** One request from here, which has to succeed. */
  async step(parameters: Parameters = {}): Promise<Answer> {
    const answer = await this.#subject.get({ ...this.definition, ...this.position, ...parameters });
    expect(answer.status, answer.text).toBe(200);
    this.answers.push(answer);
    this.position = answer.position;
    return answer;
  }

  /** Reads until there is no more for now. */
  async catchUp(): Promise<void> {
    while ((await this.step()).header("electric-up-to-date") === null);
  }

  /** Waits for so many changes, and returns them. */
  async changes(count: number): Promise<Message[]> {
    const start = this.rows.length;
    await eventually(async () => {
      if (this.rows.length - start < count) await this.step({ live: "true" });
      expect(this.rows.length - start).toBeGreaterThanOrEqual(count);
    });
    const changes = this.rows.slice(start);
    expect(changes).toHaveLength(count);
    return changes;
  }
}

/** A long-poll lasts a second. */
const SETTINGS: Settings = { ELECTRIC_LONG_POLL_TIMEOUT: "1000" };

/** An event stream that is being read. */
export class EventStream {
  readonly head: Answer;
  text = "";
  isClosed = false;
  readonly #leave: AbortController;

  private constructor(response: Response, leave: AbortController) {
    this.head = new Answer(response, "");
    this.#leave = leave;
    this.#read(response)
      .catch(() => undefined)
      .finally(() => (this.isClosed = true));
  }

  static async open(subject: Subject, parameters: Parameters): Promise<EventStream> {
    const leave = new AbortController();
    const target = shapeTarget({ ...parameters, live: "true", live_sse: "true" });
    const response = await fetch(subject.url + target, { signal: leave.signal });
    return new EventStream(response, leave);
  }

  async #read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      this.text += decoder.decode(bytes, { stream: true });
    }
  }

  /** Whole events so far. */
  get events(): string[] {
    return this.text.split("\n\n").slice(0, -1);
  }

  get messages(): Message[] {
    const data = this.events.filter((event) => event.startsWith("data: "));
    return data.map((event) => JSON.parse(event.slice("data: ".length)) as Message);
  }

  /** Waits for so many up-to-date messages. */
  async batches(count: number): Promise<Message[]> {
    await eventually(() => {
      const controls = this.messages.filter(({ headers }) => headers["control"] === "up-to-date");
      expect(controls.length).toBeGreaterThanOrEqual(count);
    });
    return this.messages;
  }

  async closed(): Promise<void> {
    await eventually(() => expect(this.isClosed).toBe(true));
  }

  close(): void {
    this.#leave.abort();
  }
}

export interface SubjectOptions {
  readonly settings?: Settings;
  /** SQL that is run before the server starts. */
  readonly schema?: string;
}

/** A server for the tests of the calling file or suite. */
export function serveLitz({ settings = {}, schema }: SubjectOptions = {}): Subject {
  const subject = new Subject();
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    if (schema !== undefined) await database.query(schema);
    await subject.listen(database, { ...SETTINGS, ...settings });
    await subject.start();
  });
  afterAll(async () => {
    await subject.dispose();
    await database.dispose();
  });
  return subject;
}

/** One more server over a database, listening and not yet started. Its caller disposes of it. */
export async function listenBeforeStart(
  database: TestDatabase,
  settings: Settings = {},
): Promise<Subject> {
  const subject = new Subject();
  await subject.listen(database, { ...SETTINGS, ...settings });
  return subject;
}

export function shapeTarget(parameters: Parameters): string {
  return `/v1/shape?${new URLSearchParams(parameters).toString()}`;
}

export function changesIn(messages: readonly Message[]): Message[] {
  return messages.filter(({ headers }) => headers["operation"] !== undefined);
}

/** `insert 1`, `update 2` and so on: operations and ids. */
export function told(messages: readonly Message[]): string[] {
  return changesIn(messages).map(
    ({ headers, value }) => `${String(headers["operation"])} ${value!["id"]}`,
  );
}

/** What an answer says is wrong, by field. */
export function errorsIn(answer: Answer): unknown {
  expect(answer.status, answer.text).toBe(400);
  const { message, errors } = answer.json as { message: string; errors: unknown };
  expect(message).toBe("Invalid request");
  return errors;
}

export const UP_TO_DATE = {
  headers: {
    control: "up-to-date",
    global_last_seen_lsn: expect.stringMatching(/^\d+$/) as string,
  },
};

export const SNAPSHOT_END = {
  headers: {
    control: "snapshot-end",
    xmin: expect.stringMatching(/^\d+$/) as string,
    xmax: expect.stringMatching(/^\d+$/) as string,
    xip_list: expect.any(Array) as string[],
  },
};

export const JSON_TYPE = "application/json; charset=utf-8";

export const MUST_REFETCH = [{ headers: { control: "must-refetch" } }];
