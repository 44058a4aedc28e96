/** The few words in which this page says what it shows. Text is always text, never markup. */

/**
 * The element of the page with this id.
 *
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @returns {Kind}
 */
export function byId(id) {
  return /** @type {Kind} */ (document.getElementById(id));
}

/**
 * A new element.
 *
 * @param {string} name
 * @param {Readonly<Record<string, string | number>>} attributes
 * @param {readonly (Node | string)[]} children
 * @returns {HTMLElement}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * A row of a table: its first cell is what the row is about.
 *
 * @param {readonly (Node | string)[]} cells
 * @param {(column: number) => boolean} isNumber
 */
export function tableRow(cells, isNumber) {
  return element(
    "tr",
    {},
    ...cells.map((cell, column) =>
      element(
        column === 0 && !isNumber(0) ? "th" : "td",
        {
          ...(column === 0 && !isNumber(0) ? { scope: "row" } : {}),
          ...(isNumber(column) ? { class: "number" } : {}),
        },
        cell,
      ),
    ),
  );
}
