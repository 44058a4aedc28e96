/**
 * The console: asks how the server is every two seconds while somebody looks, and shows it.
 *
 *     status     every 2 s    tiles, charts, structures, classes
 *     templates  every 10 s   and whenever their number changes
 *     shapes     when the number of those without an index changes
 */

import { fetchFigures, fetchTemplates, Refusal } from "./api.js";
import { byId } from "./dom.js";
import { startExplain } from "./explain.js";
import { Overview } from "./overview.js";
import { Shapes } from "./shapes.js";

const PERIOD_MS = 2_000;
const TEMPLATES_PERIOD_MS = 10_000;

const overview = new Overview();
const shapes = new Shapes();
let templateCount = -1;
let templatesAtMs = 0;

async function look() {
  const figures = await fetchFigures();
  showStatus(figures.server.status);
  overview.show(figures);
  if (figures.engine === null) return;
  shapes.show(figures.engine);
  const { templates } = figures.engine.shapes;
  const isOld = performance.now() - templatesAtMs > TEMPLATES_PERIOD_MS;
  if (templates === templateCount && !isOld) return;
  shapes.showTemplates((await fetchTemplates()).templates);
  templateCount = templates;
  templatesAtMs = performance.now();
}

/** @param {string} status */
function showStatus(status) {
  const pill = byId("status");
  // Or a screen reader would say it every two seconds.
  if (pill.textContent === status) return;
  pill.textContent = status;
  pill.dataset["status"] = status;
}

/** @param {string | undefined} text */
function showNotice(text) {
  const notice = byId("notice");
  notice.hidden = text === undefined;
  if (notice.textContent !== (text ?? "")) notice.textContent = text ?? "";
}

async function watch() {
  for (;;) {
    if (!document.hidden) {
      try {
        await look();
        showNotice(undefined);
      } catch (error) {
        const isRefused = error instanceof Refusal;
        if (!isRefused) showStatus("unreachable");
        showNotice(isRefused ? error.message : "The server cannot be reached. Trying again.");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
}

startExplain();
void watch();
