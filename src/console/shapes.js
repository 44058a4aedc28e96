/** Which shapes there are: by class, by template, and those that make every row expensive. */

import { fetchUnindexedShapes } from "./api.js";
import { byId, element, tableRow } from "./dom.js";
import { compact, count, tableName } from "./format.js";

/**
 * @typedef {import("../metrics/figures.ts").EngineFigures} EngineFigures
 * @typedef {import("./api.js").TemplateSummary} TemplateSummary
 */

/** Templates that are shown: those with the most shapes. */
const TEMPLATES_MAX = 100;

const CLASS_NAMES = /** @type {const} */ ({ elements: "array elements", path: "JSON path" });

export class Shapes {
  /** How many there were when they were listed. */
  #unindexed = -1;

  /** @param {EngineFigures} engine */
  show({ shapes }) {
    const present = shapes.classes.filter((one) => one.shapes > 0);
    const most = Math.max(1, ...present.map((one) => one.shapes));
    byId("classes").replaceChildren(
      ...present
        .sort((a, b) => b.shapes - a.shapes)
        .map((one) =>
          element(
            "li",
            one.class === "scan" ? { class: "unindexed" } : {},
            element("span", {}, nameOf(one.class)),
            element("meter", {
              min: 0,
              max: most,
              value: one.shapes,
              "aria-label": nameOf(one.class),
            }),
            element("span", {}, count(one.shapes)),
          ),
        ),
      ...(present.length === 0 ? [element("li", {}, "None yet")] : []),
    );
    if (shapes.unindexed === this.#unindexed) return;
    this.#unindexed = shapes.unindexed;
    const container = byId("offenders");
    if (shapes.unindexed > 0) {
      list(container).catch(() => (this.#unindexed = -1));
    } else container.replaceChildren(element("p", { class: "quiet" }, "There is none."));
  }

  /** @param {readonly TemplateSummary[]} templates the most numerous first. */
  showTemplates(templates) {
    byId("templates").replaceChildren(
      ...templates
        .slice(0, TEMPLATES_MAX)
        .map((template) =>
          tableRow(
            [
              count(template.shapes),
              element("code", {}, tableName(template.table)),
              element("code", { class: "clause" }, template.where ?? "every row"),
              kindOf(template),
              element("span", { class: "columns" }, columnsOf(template)),
            ],
            (column) => column === 0,
          ),
        ),
    );
    const rest = byId("templates-rest");
    rest.hidden = templates.length <= TEMPLATES_MAX;
    rest.textContent = `and ${compact(templates.length - TEMPLATES_MAX)} more`;
  }
}

/**
 * A page of them, and a button for the next.
 *
 * @param {HTMLElement} container
 */
async function list(container) {
  const items = element("ul", { class: "offenders" });
  const more = element("button", { type: "button", class: "plain" }, "More");
  /** @type {string | undefined} */
  let after;
  const addPage = async () => {
    const { next, shapes } = await fetchUnindexedShapes(after);
    for (const { constants, table, where } of shapes) {
      const values = constants.map((text, index) => `$${index + 1} = ${text}`).join(", ");
      items.append(
        element(
          "li",
          {},
          element("code", {}, `${tableName(table)} · ${where ?? "every row"}`),
          element("div", { class: "quiet" }, values),
        ),
      );
    }
    after = next ?? undefined;
    more.hidden = next === null;
    // A page may be empty, with more behind it.
    if (next !== null && items.children.length === 0) await addPage();
  };
  more.onclick = () => {
    addPage().catch(() => (more.textContent = "Try again"));
  };
  await addPage();
  container.replaceChildren(items, more);
}

/** @param {TemplateSummary["class"]} name */
function nameOf(name) {
  return name === "elements" || name === "path" ? CLASS_NAMES[name] : name;
}

/**
 * What is counted of a subquery's template are its views: they are no shapes.
 *
 * @param {TemplateSummary} template
 */
function kindOf({ class: name, isView }) {
  return isView ? `${nameOf(name)} · views of a subquery` : nameOf(name);
}

/** @param {TemplateSummary} template */
function columnsOf({ columns, log, replica }) {
  const modes = [replica === "full" ? "full replica" : "", log === "full" ? "" : "changes only"];
  const shown = columns.length > 4 ? `${columns.length} columns` : columns.join(", ");
  return [shown, ...modes].filter((text) => text !== "").join(" · ");
}
