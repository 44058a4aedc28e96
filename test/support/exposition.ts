/**
 * The exposition format of Prometheus (0.0.4) read as its specification says, strictly: whatever it
 * does not allow is an error.
 */

export interface Family {
  readonly type: string;
  readonly help: string;
  /** By name and labels: `litz_shapes{state="ready"}`. */
  readonly samples: Map<string, number>;
}

const HELP = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/;
const LABEL = String.raw`[a-zA-Z_]\w*="(?:[^"\\]|\\[\\"n])*"`;
const VALUE = String.raw`-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|[Nn]a[Nn]`;
const SAMPLE = new RegExp(
  `^([a-zA-Z_:][a-zA-Z0-9_:]*)((?:\\{${LABEL}(?:,${LABEL})*\\})?) (${VALUE})$`,
);
/** What samples of a histogram or a summary are called beside its own name. */
const SUFFIX = /_(?:bucket|sum|count)$/;

/** @throws {Error} naming the first line that is not of the format. */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let help: RegExpExecArray | null = null;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const type = TYPE.exec(line);
    if (line.startsWith("# HELP")) {
      help = HELP.exec(line);
      if (help === null) throw new Error(`no help: ${line}`);
    } else if (type !== null) {
      if (help === null || help[1] !== type[1]) throw new Error(`a type without its help: ${line}`);
      if (families.has(type[1]!)) throw new Error(`described twice: ${line}`);
      families.set(type[1]!, { type: type[2]!, help: help[2]!, samples: new Map() });
    } else addSample(families, line);
  }
  for (const [name, family] of families)
    if (family.type === "histogram") checkBuckets(name, family);
  return families;
}

/** Each bucket counts what the one before it does, and more; the last is `_count`. */
function checkBuckets(name: string, { samples }: Family): void {
  const reached = new Map<string, number>();
  for (const [key, value] of samples) {
    if (!key.startsWith(`${name}_bucket{`)) continue;
    const labels = key.slice(`${name}_bucket`.length);
    const others = labels.replace(/le="[^"]*",?/, "").replace("{}", "");
    if (value < (reached.get(others) ?? 0)) throw new Error(`fewer than before it: ${key}`);
    reached.set(others, value);
    const isLast = labels.includes('le="+Inf"');
    const count = samples.get(`${name}_count${others}`);
    if (isLast && value !== count) throw new Error(`${key} is ${value}, and all are ${count}`);
  }
}

function addSample(families: Map<string, Family>, line: string): void {
  const sample = SAMPLE.exec(line);
  if (sample === null) throw new Error(`no sample: ${line}`);
  const [, name = "", labels = "", value = ""] = sample;
  const family = families.get(name) ?? families.get(name.replace(SUFFIX, ""));
  if (family === undefined) throw new Error(`a sample of nothing: ${line}`);
  const key = name + labels;
  if (family.samples.has(key)) throw new Error(`told twice: ${line}`);
  family.samples.set(key, Number(value.replace("Inf", "Infinity")));
}

/** All samples there are, by name and labels. */
export function samplesOf(families: ReadonlyMap<string, Family>): Map<string, number> {
  return new Map([...families.values()].flatMap(({ samples }) => [...samples]));
}
