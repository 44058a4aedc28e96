/** The load of `waiting.ts`: thousands of connections that ask, wait and time their answers. */

import { connect, type Socket } from "node:net";

export type ClientOrder =
  | {
      readonly kind: "connect";
      readonly port: number;
      readonly mode: "poll" | "sse";
      readonly shapeCount: number;
      readonly first: number;
      readonly count: number;
    }
  /** All ask, and wait. Event streams ask once. */
  | { readonly kind: "wait" }
  /** Reports when the last one has its answer. */
  | { readonly kind: "answers" }
  /** All go. */
  | { readonly kind: "close" };

export interface ClientReport {
  /** Milliseconds since 1970, with fractions. */
  readonly times: readonly number[];
}

interface Position {
  readonly definition: string;
  handle: string;
  offset: string;
}

const HEADERS = [
  "host: localhost:3000",
  "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
  "accept: */*",
  "accept-language: en-GB,en;q=0.9,de;q=0.8",
  "accept-encoding: gzip, deflate, br, zstd",
  "origin: https://app.example.org",
  "referer: https://app.example.org/projects/4711/board",
  "sec-fetch-dest: empty",
  "sec-fetch-mode: cors",
  "sec-fetch-site: cross-site",
  "cache-control: no-cache",
].join("\r\n");

/** Connections that are opened at the same time. */
const OPENING_MAX = 100;

const END = Buffer.from('"up-to-date"');

interface Waiter {
  readonly socket: Socket;
  readonly position: Position;
  received: Buffer;
}

const NOTHING: Buffer = Buffer.alloc(0);

let positions: Position[] = [];
let waiters: Waiter[] = [];
let times: number[] = [];
let expected = 0;
let done: () => void = () => undefined;
let mode = "poll";
let hasAsked = false;

process.once("disconnect", () => process.exit(0));

process.on("message", (order: ClientOrder) => {
  void obey(order).then((report) => process.send!(report));
});

async function obey(order: ClientOrder): Promise<ClientReport> {
  if (order.kind === "connect") await open(order);
  if (order.kind === "wait" && !(mode === "sse" && hasAsked)) {
    hasAsked = true;
    for (const { socket, position } of waiters) socket.write(request(position));
  }
  if (order.kind === "close") {
    for (const { socket } of waiters) socket.destroy();
    waiters = [];
    positions = [];
    hasAsked = false;
  }
  if (order.kind === "answers") {
    times = [];
    expected = waiters.length;
    await new Promise<void>((resolve) => (done = resolve));
  }
  return { times: order.kind === "answers" ? times : [] };
}

async function open(order: Extract<ClientOrder, { kind: "connect" }>): Promise<void> {
  ({ mode } = order);
  const origin = `http://127.0.0.1:${order.port}/v1/shape`;
  for (let shape = 0; shape < order.shapeCount; shape++) {
    const where = encodeURIComponent(`shape = ${shape}`);
    const definition = order.shapeCount === 1 ? "table=items" : `table=items&where=${where}`;
    positions.push({ definition, handle: "", offset: "" });
  }
  const mine = new Set<Position>();
  for (let n = 0; n < order.count; n++) mine.add(positions[(order.first + n) % positions.length]!);
  const unmade = [...mine];
  const make = async (): Promise<void> => {
    for (let position = unmade.pop(); position !== undefined; position = unmade.pop()) {
      const response = await fetch(`${origin}?${position.definition}&offset=now`);
      await response.text();
      position.handle = response.headers.get("electric-handle")!;
      position.offset = response.headers.get("electric-offset")!;
    }
  };
  await Promise.all(Array.from({ length: 32 }, make));
  for (let n = 0; n < order.count; n += OPENING_MAX) {
    const size = Math.min(OPENING_MAX, order.count - n);
    await Promise.all(
      Array.from({ length: size }, (_, index) =>
        openOne(order.port, positions[(order.first + n + index) % positions.length]!),
      ),
    );
  }
}

async function openOne(port: number, position: Position): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const waiter: Waiter = { socket, position, received: NOTHING };
  waiters.push(waiter);
  socket.on("data", (bytes: Buffer) => {
    const now = performance.timeOrigin + performance.now();
    waiter.received =
      waiter.received.length === 0 ? bytes : Buffer.concat([waiter.received, bytes]);
    // A head that says up-to-date is no message that does.
    if (!waiter.received.includes(END)) return;
    const text = waiter.received.toString("latin1");
    const offset = /electric-offset: (\S+)/.exec(text);
    if (offset !== null) position.offset = offset[1]!;
    waiter.received = NOTHING;
    times.push(now);
    if (times.length === expected) done();
  });
}

function request({ definition, handle, offset }: Position): string {
  const sse = mode === "sse" ? "&live_sse=true" : "";
  const target = `/v1/shape?${definition}&handle=${handle}&live=true${sse}&offset=${offset}`;
  return `GET ${target}&cursor=1 HTTP/1.1\r\n${HEADERS}\r\n\r\n`;
}
