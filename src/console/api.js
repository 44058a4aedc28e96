/** Asks the server, with its secret if it has one, which is asked for and kept for this tab. */

import { byId } from "./dom.js";

/**
 * @typedef {import("../metrics/figures.ts").Figures} Figures
 * @typedef {import("../shapes/shape-admin.ts").TemplateSummary} TemplateSummary
 * @typedef {import("../shapes/shape-admin.ts").ShapeListing} ShapeListing
 * @typedef {import("../shapes/shape-admin.ts").ExplainedShape} ExplainedShape
 */

const KEPT = "litz-secret";
const TIMEOUT_MS = 10_000;

/** The server refuses, and says why. */
export class Refusal extends Error {
  /** @param {readonly string[]} reasons */
  constructor(reasons) {
    super(reasons.join("\n"));
    this.reasons = reasons;
  }
}

/** @returns {Promise<Figures>} */
export function fetchFigures() {
  return /** @type {Promise<Figures>} */ (ask("status"));
}

/** @returns {Promise<{ templates: TemplateSummary[] }>} */
export function fetchTemplates() {
  return /** @type {Promise<{ templates: TemplateSummary[] }>} */ (ask("templates"));
}

/**
 * @param {string | undefined} after
 * @returns {Promise<ShapeListing>}
 */
export function fetchUnindexedShapes(after) {
  const page = { class: "scan", limit: "10", ...(after === undefined ? {} : { after }) };
  return /** @type {Promise<ShapeListing>} */ (ask("shapes", page));
}

/**
 * @param {object} definition
 * @returns {Promise<ExplainedShape>}
 */
export function explain(definition) {
  const init = { method: "POST", body: JSON.stringify(definition) };
  return /** @type {Promise<ExplainedShape>} */ (ask("explain", {}, init));
}

/**
 * @param {string} what
 * @param {Readonly<Record<string, string>>} parameters
 * @param {RequestInit} init
 * @returns {Promise<unknown>}
 * @throws {Refusal}
 */
async function ask(what, parameters = {}, init = {}) {
  const secret = sessionStorage.getItem(KEPT);
  const query = new URLSearchParams({ ...parameters, ...(secret === null ? {} : { secret }) });
  const response = await fetch(`${what}?${query.toString()}`, {
    ...init,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 401) {
    // Perhaps it was given while this answer was on its way.
    if (sessionStorage.getItem(KEPT) === secret) await askForSecret(secret !== null);
    return ask(what, parameters, init);
  }
  const body = /** @type {unknown} */ (await response.json());
  if (!response.ok) throw new Refusal(reasonsIn(body));
  return body;
}

/** @type {Promise<void> | undefined} */
let asking;

/**
 * Resolves when there is one to try.
 *
 * @param {boolean} isWrong whether one was tried already.
 */
function askForSecret(isWrong) {
  asking ??= new Promise((/** @type {(value: void) => void} */ resolve) => {
    const dialog = byId("secret-dialog");
    const form = byId("secret-form");
    if (isWrong) byId("secret-hint").textContent = "That is not the secret. Please try again.";
    // Without it there is nothing to go back to.
    dialog.oncancel = (event) => event.preventDefault();
    form.onsubmit = (event) => {
      event.preventDefault();
      const input = /** @type {HTMLInputElement | null} */ (form.querySelector("[name=secret]"));
      sessionStorage.setItem(KEPT, input?.value ?? "");
      if (input !== null) input.value = "";
      /** @type {HTMLDialogElement} */ (dialog).close();
      resolve();
    };
    /** @type {HTMLDialogElement} */ (dialog).showModal();
  }).finally(() => (asking = undefined));
  return asking;
}

/**
 * `{"message": ...}`, with `{"errors": {"where": [...]}}` if something is wrong with parameters.
 *
 * @param {unknown} body
 * @returns {string[]}
 */
function reasonsIn(body) {
  const { errors = {}, message = "The request failed" } =
    /** @type {{ errors?: Record<string, string | string[]>, message?: string }} */ (body);
  const reasons = Object.entries(errors).flatMap(([name, texts]) =>
    [texts].flat().map((text) => `${name}: ${text}`),
  );
  return reasons.length === 0 ? [message] : reasons;
}
