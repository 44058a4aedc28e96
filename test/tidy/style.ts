/** What a reader may count on in every file, as rules. */

import { homedir } from "node:os";
import { dirname } from "node:path";
import ts from "typescript";
import { isTypeScript, nodesOf, placeOf, root, type Rule, type SourceText } from "./source.ts";

export const FILE_LINES_MAX = 500;
export const FUNCTION_LINES_MAX = 70;
export const LINE_WIDTH_MAX = 100;

/** Spelled apart, so that this file does not break its own rules. */
export const UNFINISHED = "TO" + "DO";
export const BROKEN = "FIX" + "ME";

export const filesAreShort: Rule = (files) => {
  return files.filter(isTypeScript).flatMap(({ path, text }) => {
    const count = linesOf(text).length;
    return count > FILE_LINES_MAX ? [`${path}: ${count} lines`] : [];
  });
};

export const functionsAreShort: Rule = (files) => {
  return files.filter(isTypeScript).flatMap((file) => {
    return nodesOf(file)
      .filter(isCounted)
      .flatMap((node) => {
        const count = linesOf(node.getText()).length;
        return count > FUNCTION_LINES_MAX ? [`${placeOf(file, node)}: ${count} lines`] : [];
      });
  });
};

/** Every function but the suites of tests, which are chapters rather than functions. */
function isCounted(node: ts.Node): boolean {
  if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return false;
  const call = node.parent;
  return !(ts.isCallExpression(call) && /^describe\b/.test(call.expression.getText()));
}

/** The title of a test is a sentence, and the formatter leaves it whole. */
const TEST_TITLE = /^\s*(test|describe)(\.\w+)?\(/;

export const linesAreNarrow: Rule = (files) => {
  return files.filter(isTypeScript).flatMap(({ path, text }) => {
    return linesOf(text).flatMap((line, index) => {
      const width = Array.from(line).length;
      return width > LINE_WIDTH_MAX && !TEST_TITLE.test(line)
        ? [`${path}:${index + 1}: ${width} columns`]
        : [];
    });
  });
};

export const noAny: Rule = (files) => {
  return files.filter(isTypeScript).flatMap((file) => {
    return nodesOf(file)
      .filter((node) => node.kind === ts.SyntaxKind.AnyKeyword)
      .map((node) => `${placeOf(file, node)}: any`);
  });
};

/** Tools ask for them: the settings of a test run are no code of ours. */
export const noDefaultExports: Rule = (files) => {
  const own = files.filter((file) => isTypeScript(file) && !file.path.startsWith("test/support/"));
  return own.flatMap((file) => {
    return nodesOf(file)
      .filter((node) => ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword)
      .map((node) => `${placeOf(file, node)}: a default export`);
  });
};

/** Work that is left has a number under which it is known; what is broken is not left. */
export const nothingIsLeftUndone: Rule = (files) => {
  const pattern = new RegExp(`\\b${UNFINISHED}\\b(?!\\(#[0-9]+\\))|\\b${BROKEN}\\b`);
  return matchLines(files.filter(isTypeScript), pattern, (found) => found);
};

export const everyTestRuns: Rule = (files) => {
  return files.filter(isTypeScript).flatMap((file) => {
    return nodesOf(file)
      .filter(ts.isPropertyAccessExpression)
      .filter(({ expression, name }) => {
        const suite = /^(?:test|it|describe|suite)\b/.test(expression.getText());
        return suite && ["only", "skip", "todo"].includes(name.text);
      })
      .map((node) => `${placeOf(file, node)}: ${node.getText()}`);
  });
};

export const fileNamesAreKebabCase: Rule = (files) => {
  return files
    .filter(isTypeScript)
    .filter(
      ({ path }) => !path.split("/").every((part) => /^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(part)),
    )
    .map(({ path }) => `${path}: not kebab-case`);
};

/** No file knows where it lies on whose machine. */
export const noMachinePaths: Rule = (files) => {
  const homes = [root, dirname(root), homedir()].filter((path) => path !== "/");
  const own = homes.map((path) => escapeRegExp(path)).join("|");
  const pattern = new RegExp(`(?<![\\w.-])(?:(?:${own})(?=/)|/(?:home|Users)/[a-z][\\w-]*)`);
  return matchLines(files, pattern, (found) => `names ${found}`);
};

/** Where packages come from is the business of who installs them. */
export const noRegistryHosts: Rule = (files) => {
  const pattern = new RegExp(
    `https?://[\\w.-]*(?:${"regi" + "stry"}|npmmirror|artifactory)[\\w.-]*\\.[a-z]+`,
  );
  return matchLines(files, pattern, (found) => `names ${found}`);
};

function matchLines(
  files: readonly SourceText[],
  pattern: RegExp,
  describe: (found: string) => string,
): string[] {
  return files.flatMap(({ path, text }) =>
    linesOf(text).flatMap((line, index) => {
      const match = pattern.exec(line);
      return match === null ? [] : [`${path}:${index + 1}: ${describe(match[0])}`];
    }),
  );
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
