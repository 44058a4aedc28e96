/**
 * Long-polls that wait on lanes: a socket each, and everything else once for all who sent the same
 * URL.
 *
 *     shape ──news──> cohort ──reads and encodes once──> answer ──> socket, socket, socket, ...
 *                     (URL, origin)
 *
 * The official client sends equal URLs for equal positions of equal shapes (protocol 4.5 is there
 * for nothing else), so ten thousand readers of one shape are one cohort, one waiter in the core
 * and one read of the log.
 *
 * 1. A poll is in at most one cohort, or in the list of one answer, never both.
 * 2. A cohort waits for its shape as long as it has polls, and is found by its key as long as it
 *    waits.
 * 3. Whoever joins a cohort is at the place of the log that it waits at: the key says so, since a
 *    handle's log never changes behind an offset.
 */

import { setMaxListeners } from "node:events";
import { TransientMap } from "../lib/transient-map.ts";
import type { WaiterId } from "../model/ids.ts";
import type { News, WaitOutcome, Watcher } from "../shapes/shape-service.ts";
import type { AdmissionSlot } from "./admission.ts";
import { closeBody, type OpenBody } from "./body.ts";
import { laneAnswer, writeAnswer, type LaneAnswer } from "./lane-answer.ts";
import type { Guest, LaneConnection } from "./lane-connection.ts";
import { once, READ_COST, type Job, type LaneTurns } from "./lane-turns.ts";
import { SHARED_BODY_BYTES_MAX } from "./limits.ts";
import { Patience } from "./open-requests.ts";
import { shapeResponse, type ResponseContext, type ShapeResponse } from "./responses.ts";
import { resumeServing, type Held, type ServingOptions } from "./serving.ts";
import type { Traffic } from "./traffic.ts";

export interface LanePollsOptions extends ServingOptions {
  readonly turns: LaneTurns;
  readonly traffic: Traffic;
  readonly context: (previousCursor: string | undefined) => ResponseContext;
  /** An error as a response, logged if nobody foresaw it. */
  readonly failure: (thrown: unknown, target: string) => ShapeResponse;
}

/** A request that is to be parked. */
export interface ParkedRequest {
  readonly connection: LaneConnection;
  readonly slot: AdmissionSlot;
  readonly target: string;
  readonly cursor: string | undefined;
  readonly origin: string | undefined;
  /** The client's own id of the request, if it is to be told it. */
  readonly requestId: string | undefined;
}

export class LanePolls {
  readonly options: LanePollsOptions;
  readonly patience = new Patience();
  readonly #cohorts = new TransientMap<string, PollCohort>();
  #count = 0;

  constructor(options: LanePollsOptions) {
    this.options = options;
    // Many cohorts read at the same time.
    setMaxListeners(0, this.patience.signal);
  }

  /** Requests that wait. */
  get count(): number {
    return this.#count;
  }

  /** Takes over the request and its slot. False, with nothing changed: it cannot. */
  park(request: ParkedRequest, held: Held): boolean {
    if (this.patience.signal.aborted) return false;
    const key = `${request.origin ?? ""}\n${request.target}`;
    let cohort = this.#cohorts.get(key);
    if (cohort === undefined) {
      cohort = new PollCohort(this, key, request.cursor, held);
      if (!cohort.watch()) return false;
      this.#cohorts.set(key, cohort);
    }
    const poll = new LanePoll(this, request);
    request.connection.park(poll);
    request.connection.expireAfter(this.options.longPollTimeoutMs);
    cohort.add(poll);
    return true;
  }

  /** Answers everybody, as at their timeouts, and parks nobody any more. */
  close(): void {
    this.patience.shutDown();
    for (const cohort of [...this.#cohorts.values()]) cohort.end("aborted");
  }

  /** For cohorts. */
  forget(key: string): void {
    this.#cohorts.delete(key);
  }

  /** For cohorts: whether it is found by its key from now on. */
  remember(key: string, cohort: PollCohort): boolean {
    if (this.#cohorts.has(key)) return false;
    this.#cohorts.set(key, cohort);
    return true;
  }

  /** For polls. */
  counted(change: 1 | -1): void {
    this.#count += change;
  }
}

/** One long-poll. */
class LanePoll implements Guest {
  readonly connection: LaneConnection;
  readonly requestId: string | undefined;
  cohort: PollCohort | undefined;
  /** In the cohort's list. */
  place = 0;
  readonly #polls: LanePolls;
  readonly #slot: AdmissionSlot;
  #isOver = false;

  constructor(polls: LanePolls, { connection, slot, requestId }: ParkedRequest) {
    this.#polls = polls;
    this.connection = connection;
    this.requestId = requestId;
    this.#slot = slot;
    polls.counted(1);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  expired(): void {
    this.cohort?.expired(this);
  }

  halfClosed(): void {
    // Nearly always it is gone, and what it waits for may never come. Node's own layer does this.
    this.connection.socket.destroy();
  }

  left(): void {
    this.cohort?.remove(this);
    this.over();
  }

  /** It has its answer, or needs none. */
  over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#slot.release();
    this.#polls.counted(-1);
  }
}

class PollCohort implements Watcher {
  readonly #polls: LanePolls;
  readonly #key: string;
  readonly #cursor: string | undefined;
  readonly #held: Held;
  #members: LanePoll[] = [];
  #waiter: WaiterId | undefined;
  /** Members whose time is up in this turn. */
  #late: LanePoll[] | undefined;

  constructor(polls: LanePolls, key: string, cursor: string | undefined, held: Held) {
    this.#polls = polls;
    this.#key = key;
    this.#cursor = cursor;
    this.#held = held;
  }

  /** False: there is news already, or no memory to wait with. */
  watch(): boolean {
    const waiter = this.#held.shape.watch(this.#held.end, this);
    if (typeof waiter === "string") return false;
    this.#waiter = waiter;
    return true;
  }

  add(poll: LanePoll): void {
    poll.cohort = this;
    poll.place = this.#members.length;
    // Pushed onto an empty array, the first would get room for sixteen others.
    if (poll.place === 0) this.#members = [poll];
    else this.#members.push(poll);
  }

  remove(poll: LanePoll): void {
    const last = this.#members.pop()!;
    if (last !== poll) {
      this.#members[poll.place] = last;
      last.place = poll.place;
    }
    poll.cohort = undefined;
    if (this.#members.length > 0 || this.#waiter === undefined) return;
    this.#held.shape.unwatch(this.#waiter);
    this.#stopWaiting();
  }

  news(news: News): void {
    this.#stopWaiting();
    this.#answerAll(news);
  }

  /** Ends the wait for everybody. */
  end(outcome: WaitOutcome): void {
    this.#held.shape.unwatch(this.#waiter!);
    this.#stopWaiting();
    this.#answerAll(outcome);
  }

  /** Those whose time is up together are answered together. */
  expired(poll: LanePoll): void {
    this.remove(poll);
    if (this.#late !== undefined) {
      this.#late.push(poll);
      return;
    }
    const late = [poll];
    this.#late = late;
    queueMicrotask(() => {
      this.#late = undefined;
      void this.#answer(late, "timeout");
    });
  }

  #stopWaiting(): void {
    this.#waiter = undefined;
    this.#polls.forget(this.#key);
  }

  #answerAll(outcome: WaitOutcome): void {
    const polls = this.#members;
    this.#members = [];
    for (const poll of polls) poll.cohort = undefined;
    // In its turn: one commit may be news to ten thousand cohorts.
    const { turns } = this.#polls.options;
    turns.add(once(READ_COST, () => void this.#answer(polls, outcome)));
  }

  async #answer(polls: readonly LanePoll[], outcome: WaitOutcome): Promise<void> {
    const { options, patience } = this.#polls;
    const response = await this.#respond(outcome);
    if (response === undefined) {
      this.#again(polls, outcome);
      return;
    }
    const body = await sharedBody(response.body);
    if (body === undefined) {
      options.turns.add(new Replay(polls, this.#requestHead()));
      return;
    }
    const isLast = patience.signal.aborted;
    const bytes = this.#bytesOf(response, body, isLast);
    const answered = (): void => options.traffic.answered("shape", response.status);
    options.turns.add(new Answering(polls, bytes, isLast, answered));
  }

  /** Undefined: there is nothing to say yet. */
  async #respond(outcome: WaitOutcome): Promise<ShapeResponse | undefined> {
    const { options, patience } = this.#polls;
    try {
      const answer = await resumeServing(options, this.#held, outcome, patience);
      return answer && shapeResponse(answer, options.context(this.#cursor));
    } catch (error) {
      return options.failure(error, this.#target);
    }
  }

  /** The wait ended for nothing. */
  #again(polls: readonly LanePoll[], outcome: WaitOutcome): void {
    if (outcome === "changed" && this.#isWaitingAgain()) {
      for (const poll of polls) if (!poll.isOver) this.add(poll);
      return;
    }
    // Another cohort waits here by now, or there is news again: each asks for itself.
    this.#polls.options.turns.add(new Replay(polls, this.#requestHead()));
  }

  #isWaitingAgain(): boolean {
    if (!this.#polls.remember(this.#key, this)) return false;
    if (this.watch()) return true;
    this.#polls.forget(this.#key);
    return false;
  }

  #bytesOf({ status, headers }: ShapeResponse, body: Uint8Array, isLast: boolean): LaneAnswer {
    const nowMs = this.#polls.options.clock.nowMilliseconds();
    return laneAnswer({ status, headers, origin: this.#origin, nowMs, isLast }, body);
  }

  get #target(): string {
    return this.#key.slice(this.#key.indexOf("\n") + 1);
  }

  get #origin(): string | undefined {
    return this.#key.slice(0, this.#key.indexOf("\n")) || undefined;
  }

  /** The request, for the HTTP layer to answer after all; the request's id is to follow. */
  #requestHead(): string {
    const origin = this.#origin === undefined ? "" : `origin: ${this.#origin}\r\n`;
    return `GET ${this.#target} HTTP/1.1\r\nhost: localhost\r\n${origin}`;
  }
}

/** The same bytes for everybody. */
class Answering implements Job {
  readonly cost = 1;
  readonly #polls: readonly LanePoll[];
  readonly #answer: LaneAnswer;
  readonly #isLast: boolean;
  readonly #answered: () => void;
  #next = 0;

  constructor(
    polls: readonly LanePoll[],
    answer: LaneAnswer,
    isLast: boolean,
    answered: () => void,
  ) {
    this.#polls = polls;
    this.#answer = answer;
    this.#isLast = isLast;
    this.#answered = answered;
  }

  step(): boolean {
    const poll = this.#polls[this.#next];
    this.#next += 1;
    if (poll !== undefined && !poll.isOver) {
      const { connection } = poll;
      writeAnswer(connection.socket, this.#answer, poll.requestId);
      this.#answered();
      poll.over();
      connection.release(this.#isLast);
    }
    return this.#next < this.#polls.length;
  }
}

/** Everybody asks the HTTP layer again, which streams to each at his own speed. */
class Replay implements Job {
  // What follows is done in turns anyway.
  readonly cost = 1;
  readonly #polls: readonly LanePoll[];
  readonly #head: string;
  #next = 0;

  constructor(polls: readonly LanePoll[], head: string) {
    this.#polls = polls;
    this.#head = head;
  }

  step(): boolean {
    const poll = this.#polls[this.#next];
    this.#next += 1;
    if (poll !== undefined && !poll.isOver) {
      const id = poll.requestId === undefined ? "" : `x-request-id: ${poll.requestId}\r\n`;
      poll.over();
      poll.connection.redo(Buffer.from(`${this.#head}${id}\r\n`, "latin1"));
    }
    return this.#next < this.#polls.length;
  }
}

/** The whole body as bytes; undefined: it is too long to be shared, or could not be read. */
async function sharedBody(body: ShapeResponse["body"]): Promise<Uint8Array | undefined> {
  if (typeof body === "string") return Buffer.from(body);
  const { pages, tail } = body;
  try {
    const parts = await firstPages(pages);
    if (parts === undefined) return undefined;
    const separator = tail === undefined || parts.length === 0 ? "" : ",\n";
    return Buffer.concat([Buffer.from("["), ...parts, Buffer.from(`${separator}${tail ?? ""}]`)]);
  } catch {
    return undefined;
  } finally {
    closeBody(pages);
  }
}

/** Undefined: there are more bytes than are shared. */
async function firstPages({ first, pages }: OpenBody): Promise<Uint8Array[] | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let step = first; !step.done; step = await pages.next()) {
    size += step.value.byteLength;
    if (size > SHARED_BODY_BYTES_MAX) return undefined;
    if (step.value.byteLength > 0) parts.push(step.value);
  }
  return parts;
}
