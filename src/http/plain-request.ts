/**
 * The request that nearly every client sends, read without an HTTP parser: one whole GET for a
 * shape, alone in what has arrived, in which nothing is said about the connection.
 *
 *     GET /v1/shape?table=items&offset=-1 HTTP/1.1 ⏎ host: x ⏎ accept: * / * ⏎ ⏎
 *     └──── START: visible ASCII, no # ────────────┘ └──── LINE, each ─────┘ └ the end of the bytes
 *
 * 1. What is taken here, Node's parser would have taken too, and read in the same way. Whatever is
 *    not plain beyond doubt is none of ours: a body, a second request behind the first, a name or
 *    value in other characters, a header of ours that stands twice.
 * 2. Headers that are not read here change no answer.
 */

/** The same two properties that `IncomingMessage` has. */
export interface PlainRequest {
  readonly url: string;
  readonly headers: ReadHeaders;
}

type ReadHeaders = Partial<Record<"origin" | "if-none-match" | "x-request-id", string>>;

/** Longer ones are rare, and seldom plain. */
const SIZE_MAX = 8_192;

const BLANK_LINE = "\r\n\r\n";
const START = /^GET (\/v1\/shape\?[!"$-~]*) HTTP\/1\.1\r\n/;
/** A name is a token, a value has no controls (RFC 9110, section 5.5 and 5.6.2). */
const LINE = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e]*)\r\n/y;

/** Undefined: it is for the HTTP parser. */
export function parsePlainRequest(bytes: Buffer): PlainRequest | undefined {
  if (bytes.length > SIZE_MAX) return undefined;
  const text = bytes.toString("latin1");
  if (!text.endsWith(BLANK_LINE)) return undefined;
  const start = START.exec(text);
  if (start === null) return undefined;
  const headers: ReadHeaders = {};
  let hasHost = false;
  const end = text.length - BLANK_LINE.length / 2;
  for (let at = start[0].length; at < end; at = LINE.lastIndex) {
    LINE.lastIndex = at;
    const line = LINE.exec(text);
    if (line === null) return undefined;
    const name = line[1]!.toLowerCase();
    if (name === "host") {
      if (hasHost) return undefined;
      hasHost = true;
    } else if (isRead(name)) {
      if (headers[name] !== undefined) return undefined;
      headers[name] = line[2]!.trim();
    } else if (isAboutConnection(name, line[2]!)) {
      return undefined;
    }
  }
  return hasHost ? { url: start[1]!, headers } : undefined;
}

function isRead(name: string): name is keyof ReadHeaders {
  return name === "origin" || name === "if-none-match" || name === "x-request-id";
}

/** Whether it says how to go on after this request, or that there is more of it. */
function isAboutConnection(name: string, value: string): boolean {
  switch (name) {
    case "connection":
      return value.trim().toLowerCase() !== "keep-alive";
    case "content-length":
    case "transfer-encoding":
    case "expect":
    case "upgrade":
    case "te":
    case "trailer":
    case "keep-alive":
    case "proxy-connection":
      return true;
    default:
      return false;
  }
}
