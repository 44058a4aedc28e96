/** The type bytea, read in both its formats and written in hex (manual, section 8.4). */

import { EvaluationError, InvalidText, SQL_STATE } from "./errors.ts";
import type { ScalarType } from "./scalar-type.ts";

export const byteaType: ScalarType<Uint8Array> = {
  name: "bytea",
  parse: (text) => (text.startsWith("\\x") ? parseHex(text) : parseEscaped(text)),
  format: (value) => `\\x${view(value).toString("hex")}`,
  compare: (a, b) => Buffer.compare(a, b),
  equals: (a, b) => Buffer.compare(a, b) === 0,
};

/** White space may stand between pairs of digits, not within one. */
function parseHex(text: string): Uint8Array {
  const digits = text.slice(2);
  const stray = /[^0-9a-f \t\n\r]/iu.exec(digits);
  if (stray !== null) throw invalid(`invalid hexadecimal digit: "${stray[0]}"`);
  if (!/^(?:[ \t\n\r]*[0-9a-f]{2})*[ \t\n\r]*$/i.test(digits)) {
    throw invalid("invalid hexadecimal data: odd number of digits");
  }
  return Buffer.from(digits.replaceAll(/[ \t\n\r]/g, ""), "hex");
}

/** A backslash begins `\\` or three octal digits; everything else stands for its own bytes. */
function parseEscaped(text: string): Uint8Array {
  if (!/^(?:[^\\]|\\\\|\\[0-3][0-7]{2})*$/.test(text)) throw new InvalidText("bytea", text);
  const parts = text.split(/(\\\\|\\[0-3][0-7]{2})/);
  return Buffer.concat(
    parts.map((part) => {
      if (!part.startsWith("\\")) return Buffer.from(part, "utf8");
      return part === "\\\\" ? Buffer.from("\\") : Buffer.from([Number.parseInt(part.slice(1), 8)]);
    }),
  );
}

function invalid(message: string): EvaluationError {
  return new EvaluationError(message, SQL_STATE.invalidParameterValue);
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
