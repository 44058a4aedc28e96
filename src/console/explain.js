/** The form that asks what becomes of a WHERE, and its answer in words. */

import { explain, Refusal } from "./api.js";
import { byId, element } from "./dom.js";
import { plural } from "./format.js";

/** @typedef {import("./api.js").ExplainedShape} ExplainedShape */

export function startExplain() {
  const form = /** @type {HTMLFormElement} */ (byId("explain-form"));
  const answer = byId("explanation");
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  form.onsubmit = (event) => {
    event.preventDefault();
    button.disabled = true;
    askFor(new FormData(form))
      .then(
        (explained) => answer.replaceChildren(...described(explained)),
        (/** @type {unknown} */ error) => answer.replaceChildren(...refused(error)),
      )
      .finally(() => (button.disabled = false));
  };
}

/** @param {FormData} form */
async function askFor(form) {
  const raw = (/** @type {string} */ name) => /** @type {string} */ (form.get(name));
  const text = (/** @type {string} */ name) => raw(name).trim();
  // White space is part of a value; an empty line at the end is none.
  const lines =
    text("params") === ""
      ? []
      : raw("params")
          .replace(/\r?\n$/, "")
          .split(/\r?\n/);
  const params = Object.fromEntries(lines.map((line, index) => [index + 1, line]));
  return explain({
    table: text("table"),
    ...(text("where") === "" ? {} : { where: text("where") }),
    ...(lines.length === 0 ? {} : { params }),
    ...(text("row") === "" ? {} : { row: rowOf(text("row")) }),
  });
}

/**
 * @param {string} text
 * @returns {unknown}
 */
function rowOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(['row: is no JSON object such as {"id": 1, "title": "old"}']);
  }
}

/**
 * @param {ExplainedShape} explained
 * @returns {Node[]}
 */
function described(explained) {
  const {
    class: name,
    constants,
    cost,
    handle,
    indexes,
    isExact,
    residual,
    row,
    subqueries,
    where,
  } = explained;
  const parts = [];
  if (row !== undefined) parts.push(verdictOf(row));
  parts.push(...chapter("Template", element("code", {}, where ?? "every row of the table")));
  if (constants.length > 0) {
    const values = constants.map((value, index) => `$${index + 1} = ${value}`);
    parts.push(...chapter("Constants", ...values.map((value) => block(value))));
  }
  parts.push(
    ...chapter(
      `Found by: ${name}`,
      element(
        "ul",
        {},
        ...indexes.map((use) =>
          element("li", {}, `${use.index}, ${plural(use.entryCount, "entry", "entries")}`),
        ),
      ),
      ...(indexes.length === 0 ? ["No index is needed."] : []),
    ),
    ...(subqueries === undefined
      ? []
      : chapter("Subqueries", element("ul", {}, ...subqueries.dependencies.map(subquery)))),
    ...chapter(
      "Then",
      isExact || residual === null
        ? "nothing: what the index finds belongs to the shape."
        : "each candidate is tried against the whole clause.",
    ),
    ...chapter(
      "Takes",
      `${cost.totalBytes} bytes: row ${round(cost.rowBytes)}, ` +
        `definition ${round(cost.definitionBytes)}, entries ${round(cost.entryBytes)}`,
    ),
    ...chapter("Exists", handle === null ? "not now" : element("code", {}, `as ${handle}`)),
  );
  return parts;
}

const VERDICTS = {
  true: "The row belongs to the shape.",
  false: "The row does not belong to the shape.",
  null: "That is for a subquery to say, of which nothing is kept until a shape has it.",
};

/** @param {NonNullable<ExplainedShape["subqueries"]>["dependencies"][number]} dependency */
function subquery({ select, view }) {
  return element("li", {}, element("code", {}, select), ": ", kept(view));
}

/** @param {NonNullable<ExplainedShape["subqueries"]>["dependencies"][number]["view"]} view */
function kept(view) {
  if (view === null) return "no shape has it now";
  if (!view.isReady) return "its values are being read";
  const values = plural(view.valueCount, "value", "values") + (view.hasNull ? " and NULL" : "");
  return `${values}, for ${plural(view.userCount, "shape", "shapes")}`;
}

/** @param {NonNullable<ExplainedShape["row"]>} row */
function verdictOf({ matches, parts }) {
  const verdict = VERDICTS[/** @type {"true" | "false" | "null"} */ (String(matches))];
  const reasons = parts.map(({ result, sql }) =>
    element(
      "li",
      {},
      element("code", {}, sql),
      " is ",
      element("strong", { "data-result": result.startsWith("error") ? "error" : result }, result),
    ),
  );
  return element(
    "div",
    {},
    element("p", { class: "verdict", "data-result": String(matches) }, verdict),
    element("ul", {}, ...reasons),
  );
}

/** @param {unknown} error */
function refused(error) {
  const reasons = error instanceof Refusal ? error.reasons : ["The server cannot be reached."];
  return reasons.map((reason) => element("p", { class: "failure" }, reason));
}

/**
 * @param {string} title
 * @param {(Node | string)[]} contents
 */
function chapter(title, ...contents) {
  return [element("h3", {}, title), element("div", {}, ...contents)];
}

/** @param {string} text */
function block(text) {
  return element("div", {}, element("code", {}, text));
}

/** @param {number} size */
function round(size) {
  return Math.round(size * 10) / 10;
}
