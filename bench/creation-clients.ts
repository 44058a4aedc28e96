/** The load of `creation.ts` and `churn.ts`: connections that ask for one shape after another. */

import { connect, type Socket } from "node:net";

export interface CreationOrder {
  /** Which has to be enabled. The shapes exist, then; otherwise they do not. */
  readonly isRemoval?: boolean;
  readonly port: number;
  readonly clause: "literal" | "parameter";
  readonly connections: number;
  /** Of the tenants whose shapes are asked for. */
  readonly first: number;
  readonly count: number;
}

export interface CreationReport {
  readonly elapsedMs: number;
  /** Processor time of the clients. */
  readonly cpuMs: number;
  /** Of each shape, in milliseconds. */
  readonly latencies: number[];
  /** What the server said instead of rows. */
  readonly failure: string | undefined;
}

const HEADERS = "host: localhost\r\naccept: */*\r\nuser-agent: litz-bench";
const HEAD_END = "\r\n\r\n";
const LAST_CHUNK = "0\r\n\r\n";

process.once("disconnect", () => process.exit(0));

process.on("message", (order: CreationOrder) => {
  void obey(order).then((report) => process.send!(report));
});

async function obey(order: CreationOrder): Promise<CreationReport> {
  const sockets = await Promise.all(
    Array.from({ length: order.connections }, () => open(order.port)),
  );
  const latencies: number[] = [];
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let next = order.first;
  let failure: string | undefined;
  const end = order.first + order.count;
  const wanted = order.isRemoval === true ? "HTTP/1.1 202" : "HTTP/1.1 200";
  const work = async (socket: Socket): Promise<void> => {
    while (next < end && failure === undefined) {
      const sent = performance.now();
      const answer = await ask(socket, requestText(order, next++));
      latencies.push(performance.now() - sent);
      if (!answer.startsWith(wanted)) failure = answer;
    }
  };
  await Promise.all(sockets.map(work));
  const elapsedMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const socket of sockets) socket.destroy();
  return { elapsedMs, cpuMs: (user + system) / 1000, latencies, failure };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.setEncoding("latin1");
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

function requestText({ clause, isRemoval }: CreationOrder, tenant: number): string {
  const definition =
    clause === "literal"
      ? `where=tenant_id%20%3D%20${tenant}`
      : `where=tenant_id%20%3D%20%241&params%5B1%5D=${tenant}`;
  const [method, offset] = isRemoval === true ? ["DELETE", ""] : ["GET", "&offset=-1"];
  return `${method} /v1/shape?table=items&${definition}${offset} HTTP/1.1\r\n${HEADERS}${HEAD_END}`;
}

/** Resolves with the whole response. */
function ask(socket: Socket, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const closed = (): void => reject(new Error(`the server hung up after: ${received}`));
    const data = (text: string): void => {
      received += text;
      if (!isWhole(received)) return;
      socket.off("data", data).off("close", closed);
      resolve(received);
    };
    socket.on("data", data).once("close", closed);
    socket.write(request);
  });
}

function isWhole(received: string): boolean {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(received);
  if (length === null) return received.endsWith(LAST_CHUNK);
  return received.length >= headEnd + HEAD_END.length + Number(length[1]);
}
