/**
 * Move events as bodies of a log (protocol 7.8):
 *
 *     {"headers":{"event":"move-out","patterns":[{"pos":0,"value":"<hash>"}],"txids":[744]}}
 *
 * A body is shared by all the shapes that it concerns, but hashes contain a shape's handle. So a
 * hash is kept as what it is made of, between two control bytes that occur nowhere else in a body,
 * and made when the log is read (`shapes/tag-hashes.ts`).
 */

import type { Table } from "../model/table.ts";
import { canonicalText, hashInput, HASH_CLOSE, HASH_OPEN } from "../model/tag.ts";
import type { Pattern } from "./shape-moves.ts";

export type MoveEvent = "move-in" | "move-out";

/** Some 5 ms, and far from the most that a body of a log may have. */
const PATTERNS_PER_EVENT = 2_000;

/** One event, or several if there are very many patterns; each is made when it is asked for. */
export function* moveEvents(
  event: MoveEvent,
  table: Table,
  patterns: readonly Pattern[],
  xids: readonly number[],
): Generator<Buffer, void, void> {
  for (let first = 0; first < patterns.length; first += PATTERNS_PER_EVENT) {
    const list = patterns.slice(first, first + PATTERNS_PER_EVENT).map(({ literal, ...rest }) => {
      const { columns } = rest.membership;
      const values = rest.values?.map((value, place) => {
        // Views have numbers and padded text in their canonical form, and bools as the stream does.
        return canonicalText(value, "text", table.columns[columns[place]!]!.typeOid);
      });
      const input = hashInput(table, columns, values ?? null);
      const escaped = JSON.stringify(input).slice(1, -1);
      return `{"pos":${literal},"value":"${HASH_OPEN}${escaped}${HASH_CLOSE}"}`;
    });
    const txids = `[${xids.join(",")}]`;
    const headers = `{"event":"${event}","patterns":[${list.join(",")}],"txids":${txids}}`;
    yield Buffer.from(`{"headers":${headers}}`);
  }
}
