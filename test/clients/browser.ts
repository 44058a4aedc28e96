/**
 * Pages in a real Chromium, on an origin of their own, so that everything they ask of the sync
 * server is asked across origins. Each page is bundled from its source and the packages in
 * node_modules, nothing comes from elsewhere.
 */

import { build } from "esbuild";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { chromium, type Page } from "playwright-core";

const HTML = `<!doctype html><meta charset="utf-8">
<pre>[]</pre><button>add</button><output></output>
<script type="module" src="/page.js"></script>`;

const DESK: View = { width: 1280, height: 800 };

/** What the client says of every server without TLS. */
const EXPECTED = /Using HTTP \(not HTTPS\)/;

export interface OpenPage {
  readonly page: Page;
  /** What the page shows at the moment. */
  rows(): Promise<object[]>;
  /** Errors and warnings on the page's console, and exceptions that nobody caught. */
  readonly complaints: string[];
  close(): Promise<void>;
}

export interface Browser {
  /**
   * @param name of a file in `pages/`.
   * @param settings go to the page in its address.
   * @param onPost the application's server: answers a POST from the page.
   */
  open(
    name: string,
    settings: Readonly<Record<string, string>>,
    onPost?: (body: string) => Promise<object>,
  ): Promise<OpenPage>;
  /** Opens a page that somebody else serves. */
  visit(url: string, view?: View): Promise<Omit<OpenPage, "rows">>;
  close(): Promise<void>;
}

/** What looks at a page. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly colorScheme?: "light" | "dark";
}

export async function startBrowser(program: string): Promise<Browser> {
  // A sandbox needs rights that root in a container does not have; the pages are our own.
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"] });
  const visit: Browser["visit"] = async (url, { colorScheme = "light", ...viewport } = DESK) => {
    const context = await browser.newContext({ viewport, colorScheme });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      const isComplaint = ["error", "warning"].includes(message.type());
      if (isComplaint && !EXPECTED.test(message.text())) complaints.push(message.text());
    });
    await page.goto(url);
    return { page, complaints, close: () => context.close() };
  };
  return {
    open: async (name, settings, onPost) => {
      const application = await serveApplication(await bundle(name), onPost);
      const parameters = new URLSearchParams(settings).toString();
      const { page, complaints, close } = await visit(`${application.url}/?${parameters}`);
      return {
        page,
        complaints,
        rows: async () => JSON.parse((await page.textContent("pre"))!) as object[],
        close: async () => {
          await close();
          await application.close();
        },
      };
    },
    visit,
    close: () => browser.close(),
  };
}

async function bundle(name: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [new URL(`pages/${name}.ts`, import.meta.url).pathname],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2023",
  });
  return outputFiles[0]!.contents;
}

async function serveApplication(
  script: Uint8Array,
  onPost: (body: string) => Promise<object> = () => Promise.resolve({}),
) {
  const server = createServer((request, response) => {
    void answer(request).then(([type, body]) => {
      response.writeHead(200, { "content-type": type }).end(body);
    });
  });
  const answer = async (request: IncomingMessage): Promise<[string, string | Uint8Array]> => {
    if (request.method === "POST") {
      const body = (await request.toArray()).join("");
      return ["application/json", JSON.stringify(await onPost(body))];
    }
    if (request.url === "/page.js") return ["text/javascript", script];
    return ["text/html", request.url === "/favicon.ico" ? "" : HTML];
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
