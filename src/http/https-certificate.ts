/**
 * A certificate for this machine alone, so that browsers speak HTTP/2 to a server under
 * development: with HTTP/1.1 they open six connections to a host, and six live requests fill them.
 *
 *     <directory>/certificate.pem    for whoever wants to trust it
 *     <directory>/key.pem            readable by the owner alone
 *
 * It is made once, kept, and replaced before it expires. It names the loopback interface and
 * nothing else: it cannot be mistaken for one that is fit for the world.
 */

import { X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** Where it is kept; undefined: nowhere. */
  readonly path: string | undefined;
}

const DAY_MS = 86_400_000;
const VALID_DAYS = 365;
/** One that has less left is replaced. */
const REMAINING_DAYS_MIN = 7;

/**
 * The certificate that is kept in the directory, made if there is none.
 *
 * @param directory undefined: one that is good for this start only.
 * @throws what the file system throws.
 */
export async function developmentCertificate(
  directory: string | undefined,
  clock: Clock,
): Promise<Certificate> {
  const path = directory === undefined ? undefined : join(directory, "certificate.pem");
  const now = clock.nowMilliseconds();
  const kept = directory === undefined ? undefined : readKept(directory);
  if (kept !== undefined && daysLeft(kept.cert, now) >= REMAINING_DAYS_MIN) {
    return { ...kept, path };
  }
  const made = await make(now);
  if (directory !== undefined) keep(directory, made);
  return { ...made, path };
}

type KeyPair = Pick<Certificate, "cert" | "key">;

function readKept(directory: string): KeyPair | undefined {
  try {
    const read = (name: string): string => readFileSync(join(directory, name), "utf8");
    return { cert: read("certificate.pem"), key: read("key.pem") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Below zero for what is no certificate at all. */
function daysLeft(cert: string, nowMs: number): number {
  try {
    return (Date.parse(new X509Certificate(cert).validTo) - nowMs) / DAY_MS;
  } catch {
    return -1;
  }
}

async function make(nowMs: number): Promise<KeyPair> {
  // Only who asks for it pays for loading it.
  const { generate } = await import("selfsigned");
  const made = await generate([{ name: "commonName", value: "litz development" }], {
    keyType: "ec",
    algorithm: "sha256",
    // Clocks of virtual machines differ from those of their hosts.
    notBeforeDate: new Date(nowMs - DAY_MS),
    notAfterDate: new Date(nowMs + VALID_DAYS * DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  return { cert: made.cert, key: made.private };
}

/** The key first: a certificate without its key is of no use. */
function keep(directory: string, { cert, key }: KeyPair): void {
  mkdirSync(directory, { recursive: true, mode: 0o750 });
  for (const [name, text, mode] of [
    ["key.pem", key, 0o600],
    ["certificate.pem", cert, 0o644],
  ] as const) {
    const path = join(directory, name);
    writeFileSync(`${path}.new`, text, { mode });
    renameSync(`${path}.new`, path);
  }
}
