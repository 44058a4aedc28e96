/**
 * A request target fit for a log: secrets and the values of parameters are left out. Who may read
 * logs need not be who may read rows.
 */

const REDACTED_NAMES = /^(?:secret|api_secret|source_secret|(?:subset__)?params|subset)(?:\[.*)?$/s;

export function redactTarget(target: string): string {
  const start = target.indexOf("?");
  if (start === -1) return target;
  const pairs = target
    .slice(start + 1)
    .split("&")
    .map(redactPair);
  return `${target.slice(0, start)}?${pairs.join("&")}`;
}

function redactPair(pair: string): string {
  const equals = pair.indexOf("=");
  if (equals === -1) return pair;
  const name = pair.slice(0, equals);
  return isRedacted(name) ? `${name}=[redacted]` : pair;
}

function isRedacted(name: string): boolean {
  try {
    return REDACTED_NAMES.test(decodeURIComponent(name.replaceAll("+", " ")));
  } catch {
    // Nobody can say what it was meant to be.
    return true;
  }
}
