/**
 * An nginx as a caching proxy in front of a server, on a free port, with everything it writes in a
 * temporary directory. The settings are the ones that upstream tests its server with (protocol
 * 18.1), and two more:
 *
 *     proxy_cache_lock_timeout   how long others wait for the one request that went through. nginx
 *     proxy_cache_lock_age       gives up after 5 s and lets them through; a live request is held
 *                                four times as long.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort } from "../support/child-server.ts";
import { eventually } from "../support/eventually.ts";

export interface NginxProxy {
  readonly url: string;
  /** Requests that nginx has taken and not answered, this look included. */
  openRequestCount(): Promise<number>;
  stop(): Promise<void>;
}

/** @param program the path of nginx. @param upstream the address of the server behind it. */
export async function startNginx(program: string, upstream: string): Promise<NginxProxy> {
  const directory = mkdtempSync(join(tmpdir(), "litz-test-nginx-"));
  const port = await freePort();
  const configuration = join(directory, "nginx.conf");
  const errors = join(directory, "error.log");
  writeFileSync(configuration, configurationOf(directory, port, upstream));
  const child = spawn(program, ["-p", directory, "-c", configuration, "-e", errors], {
    stdio: "ignore",
  });
  const exited = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  const openRequestCount = async () => {
    const status = await (await fetch(`${url}/nginx-status`)).text();
    return Number(/Writing: (\d+)/.exec(status)![1]);
  };
  await eventually(async () => {
    if (child.exitCode === null) return openRequestCount();
    throw new Error(`nginx ended with ${child.exitCode}:\n${readFileSync(errors, "utf8")}`);
  }, 10_000);
  return {
    url,
    openRequestCount,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function configurationOf(directory: string, port: number, upstream: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory}/${name};`)
    .join("\n  ");
  // Workers are not root unless they are told to, and the directory is ours.
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};` : "";
  return `${user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events { worker_connections 8192; }
http {
  ${temporary}
  access_log off;
  default_type application/octet-stream;
  gzip on;
  gzip_types application/json;
  gzip_min_length 1000;
  gzip_vary on;
  proxy_cache_path ${directory}/cache levels=1:2 keys_zone=shapes:10m max_size=1g inactive=60m
                   use_temp_path=off;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /nginx-status { stub_status; }
    location / {
      proxy_pass ${upstream};
      proxy_set_header Host $host;
      proxy_cache shapes;
      proxy_cache_revalidate on;
      proxy_cache_min_uses 1;
      proxy_cache_methods GET HEAD;
      proxy_cache_use_stale error timeout;
      proxy_cache_background_update on;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 60s;
      proxy_cache_lock_age 60s;
      add_header X-Proxy-Cache $upstream_cache_status;
    }
  }
}
`;
}
