/**
 * A page with `@electric-sql/client`. `mode` says how it gets its rows: `poll` and `sse` follow the
 * whole table, `subset` asks for a part by POST, which a browser does not send to another origin
 * without asking first.
 */

import { Shape, ShapeStream, type Row } from "@electric-sql/client";
import { setting, show } from "./show.ts";

const mode = setting("mode");
const stream = new ShapeStream<Row>({
  url: setting("shape"),
  params: { table: "issues" },
  liveSse: mode === "sse",
  log: mode === "subset" ? "changes_only" : "full",
  subsetMethod: "POST",
});
// The client's own types are not made for exactOptionalPropertyTypes.
const shape = new Shape<Row>(stream as unknown as ConstructorParameters<typeof Shape<Row>>[0]);
shape.subscribe(({ rows }) => show(rows));
if (mode === "subset") {
  await shape.requestSnapshot({ where: "project = $1", params: { 1: "1" }, method: "POST" });
}
