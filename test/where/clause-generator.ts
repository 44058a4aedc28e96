/**
 * Clauses by the thousand. Most are well typed, some are not: a production asks for operands of
 * given types, and now and then is given others.
 *
 *     bool     {int} = {int}   {x} IN ({x}, ...)   NOT {bool}   {text} LIKE {text}   ...
 *     int4     column   literal   $n   {int4} + {int4}   length({text})   {x}::int4   ...
 */

import { SAMPLE_COLUMNS, SAMPLES, SAMPLE_TYPES, type SampleType } from "./value-samples.ts";

export interface GeneratedClause {
  readonly text: string;
  readonly parameters: readonly string[];
}

const NUMBERS = ["int2", "int4", "int8", "float4", "float8", "numeric"] as const;
const STRINGS = ["text", "varchar", "name", "bpchar"] as const;
const ARRAYS = SAMPLE_TYPES.filter((type) => type.endsWith("[]"));
const SCALARS = SAMPLE_TYPES.filter((type) => !type.endsWith("[]"));
const ORDERED: readonly SampleType[] = [
  ...NUMBERS,
  ...(["text", "varchar", "name", "bpchar", "uuid", "date", "time"] as const),
  ...(["timestamp", "timestamptz", "bool", "bytea", "interval"] as const),
];

/** What makes a value of a type: `{type}` is an operand, `{number}` one of some family. */
const PRODUCTIONS: Partial<Record<SampleType, readonly string[]>> = {
  int4: [
    ...["{int4} + {int4}", "{int4} - {int2}", "{int4} * {int4}", "{int4} / {int4}"],
    ...["{int4} % {int4}", "-{int4}", "@ {int4}", "~{int4}", "{int4} & {int4}", "{int4} | {int2}"],
    ...["length({text})", "char_length({string})", "octet_length({text})", "abs({int4})"],
    ...["array_length({array}, 1)", "cardinality({array})", "array_ndims({array})"],
    ...["strpos({text}, {text})", "position({text} IN {text})", "{date} - {date}"],
    ...["jsonb_array_length({jsonb})", "{int4[]}[1]", "{int4[]}[{int4}]", "{text}::int4"],
    ...["{int4} # {int4}", "{int4} << 2", "mod({int4}, {int4})", "{bool}::int4", "{float8}::int4"],
    ...["{numeric}::int4", "{int8}::int4", "sign({int4})", "array_position({int4[]}, {int4})"],
  ],
  int2: ["{int2} + {int2}", "{int2} * {int2}", "-{int2}", "{int4}::int2", "abs({int2})"],
  int8: ["{int8} + {int4}", "{int8} * {int8}", "{int8} / {int4}", "{int4}::int8", "{text}::int8"],
  float4: ["{float4} + {float4}", "{float4} * {float4}", "{float8}::float4", "-{float4}"],
  float8: [
    ...["{float8} + {float4}", "{float8} * {float8}", "{float8} / {float8}", "{float8} - {int4}"],
    ...["abs({float8})", "round({float8})", "floor({float8})", "ceil({float8})", "trunc({float8})"],
    ...["{numeric}::float8", "{int8}::float8", "|/ {float8}", "sign({float8})", "sqrt({float8})"],
    ...["date_part('year', {timestamp})", "date_part('epoch', {interval})", "{float8} ^ 2"],
  ],
  numeric: [
    ...["{numeric} + {numeric}", "{numeric} * {int4}", "{numeric} / {numeric}", "{numeric} - 1.5"],
    ...["{numeric} % {numeric}", "abs({numeric})", "round({numeric})", "round({numeric}, 1)"],
    ...[
      "trunc({numeric}, 1)",
      "floor({numeric})",
      "ceil({numeric})",
      "-{numeric}",
      "{int8}::numeric",
    ],
    ...["{float8}::numeric", "extract(year FROM {date})", "extract(epoch FROM {timestamp})"],
    ...[
      "{text}::numeric",
      "sign({numeric})",
      "mod({numeric}, {numeric})",
      "div({numeric}, {numeric})",
    ],
    ...["power({numeric}, 2)", "extract(second FROM {time})", "extract(day FROM {interval})"],
  ],
  text: [
    ...["{text} || {text}", "{text} || {int4}", "lower({text})", "upper({string})", "trim({text})"],
    ...["substring({text} FROM 2)", "substring({text} FROM {int4} FOR 2)", "left({text}, 2)"],
    ...["right({text}, {int4})", "replace({text}, 'a', {text})", "concat({text}, {any}, {text})"],
    ...["{any}::text", "{scalar}::text", "ltrim({text}, 'a')", "rtrim({text})", "reverse({text})"],
    ...[
      "lpad({text}, 3, 'x')",
      "rpad({text}, {int2})",
      "repeat({text}, 2)",
      "split_part({text}, ',', 1)",
    ],
    ...[
      "{jsonb} ->> 'a'",
      "{jsonb} ->> 0",
      "{json} ->> 'a'",
      "{jsonb} #>> '{a,b}'",
      "{varchar}::text",
    ],
    ...[
      "{jsonb} -> 'a' ->> 'b'",
      "{text[]}[1]",
      "coalesce({text}, {text})",
      "jsonb_typeof({jsonb})",
    ],
    ...["array_to_string({text[]}, ',')", "{mood}::text", "{bpchar}::text", "initcap({text})"],
  ],
  varchar: ["{text}::varchar", "{int4}::varchar", "coalesce({varchar}, {text})"],
  bpchar: ["{text}::bpchar", "{varchar}::bpchar"],
  name: ["{text}::name"],
  bool: [
    "{bool} AND {bool}",
    "{bool} OR {bool}",
    "NOT {bool}",
    "{bool} IS TRUE",
    "{bool} IS NOT TRUE",
    "{bool} IS FALSE",
    "{bool} IS NOT FALSE",
    "{bool} IS UNKNOWN",
    "{bool} IS NOT UNKNOWN",
    "{any} IS NULL",
    "{any} IS NOT NULL",
    "{text} LIKE {pattern}",
    "{text} NOT LIKE {pattern}",
    "{text} ILIKE {pattern}",
    "{string} LIKE {pattern}",
    "{string} NOT ILIKE {pattern}",
    "{text} LIKE {text}",
    "{parameter} IN ({text}, {varchar}) AND {text} LIKE {pattern}",
    "{text} ~~ {text}",
    "{array} @> {same}",
    "{array} <@ {same}",
    "{array} && {same}",
    "{array} = {same}",
    "{array} <> {same}",
    "{jsonb} @> {jsonb}",
    "{jsonb} <@ {jsonb}",
    "{jsonb} ? {text}",
    "{jsonb} ?| {text[]}",
    "{jsonb} ?& {text[]}",
    "{jsonb} = {jsonb}",
    "{jsonb} -> 'a' = {jsonb}",
    "{jsonb} -> 'a' ->> 'b' = {text}",
    "{jsonb} ->> 'a' = {text}",
    "{bool} = {bool}",
    "{bool} <> {bool}",
    "{mood} = {mood}",
    "{mood} <> 'ok'",
    "{mood} IN ('sad', 'happy')",
    "{mood} = ANY({mood[]})",
    "starts_with({text}, {text})",
    "{text} ^@ {text}",
    "coalesce({bool}, {bool})",
    "{int4}::bool",
    "{text}::bool",
    "{array} IS NOT DISTINCT FROM {same}",
    "{bytea} = {bytea}",
  ],
  date: [
    "{date} + {int4}",
    "{date} - 1",
    "{timestamp}::date",
    "coalesce({date}, {date})",
    "{text}::date",
  ],
  time: ["{time} + {interval}", "{timestamp}::time", "{time} - {interval}"],
  timestamp: [
    ...[
      "{timestamp} + {interval}",
      "{timestamp} - {interval}",
      "{date} + {time}",
      "{date} + {interval}",
    ],
    ...[
      "{timestamptz} AT TIME ZONE 'UTC'",
      "date_trunc('month', {timestamp})",
      "{date}::timestamp",
    ],
    ...["{timestamptz} AT TIME ZONE '+02'", "date_trunc('hour', {timestamp})"],
  ],
  timestamptz: [
    ...[
      "{timestamptz} + {interval}",
      "{timestamp} AT TIME ZONE 'UTC'",
      "{timestamptz} - {interval}",
    ],
    ...["{timestamp} AT TIME ZONE 'Europe/Berlin'", "coalesce({timestamptz}, {timestamptz})"],
  ],
  interval: [
    ...[
      "{interval} + {interval}",
      "{timestamp} - {timestamp}",
      "{interval} * 2.5",
      "{time} - {time}",
    ],
    ...[
      "{interval} - {interval}",
      "-{interval}",
      "justify_days({interval})",
      "justify_hours({interval})",
    ],
    ...["{timestamptz} - {timestamptz}", "{interval} / 2", "age({timestamp}, {timestamp})"],
  ],
  json: ["{json} -> 'a'", "{json} -> 0", "{json} #> '{a}'"],
  jsonb: ["{jsonb} -> 'a'", "{jsonb} -> 0", "{jsonb} #> '{a,b}'", "{text}::jsonb"],
  uuid: ["{text}::uuid", "coalesce({uuid}, {uuid})"],
  bytea: ["{bytea} || {bytea}"],
  "int4[]": [
    ...[
      "{int4[]} || {int4[]}",
      "{int4[]} || {int4}",
      "{int4} || {int4[]}",
      "ARRAY[{int4}, {int4}]",
    ],
    ...["{int4[]}[1:2]", "{int4[]}[:{int4}]", "array_append({int4[]}, {int4})", "{int4[]}[2:]"],
    ...["array_cat({int4[]}, {int4[]})", "array_prepend({int4}, {int4[]})", "{int8[]}::int4[]"],
    ...["array_remove({int4[]}, {int4})", "ARRAY[[{int4}], [{int4}]]"],
  ],
  "int8[]": ["{int4[]}::int8[]", "ARRAY[{int8}, {int4}]", "{int8[]} || {int8}"],
  "text[]": [
    ...["{text[]} || {text}", "ARRAY[{text}, {text}]", "{text[]} || {text[]}", "{text[]}[1:1]"],
    ...["{int4[]}::text[]", "string_to_array({text}, ',')"],
  ],
  "numeric[]": ["ARRAY[{numeric}, {int4}]", "{int4[]}::numeric[]"],
};

/** Of the end of a text. */
const PATTERN_TEXT_MAX = 40;

export class ClauseGenerator {
  readonly #random: () => number;
  #parameters: string[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  next(): GeneratedClause {
    this.#parameters = [];
    const text = this.#condition(this.#random() < 0.5 ? 1 : 3);
    return { text, parameters: this.#parameters };
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }

  #condition(depth: number): string {
    const roll = this.#random();
    if (depth > 0 && roll < 0.2) {
      const word = this.#pick(["AND", "OR"]);
      return `(${this.#condition(depth - 1)}) ${word} (${this.#condition(depth - 1)})`;
    }
    if (depth > 0 && roll < 0.28) return `NOT (${this.#condition(depth - 1)})`;
    if (roll < 0.72) return this.#comparison(depth);
    if (roll < 0.97) return this.#fill(this.#pick(PRODUCTIONS.bool!), depth);
    return this.#value("bool", depth);
  }

  /** Of two values of one type, mostly; numbers of different ones. */
  #comparison(depth: number): string {
    const type = this.#pick(this.#random() < 0.8 ? ORDERED : SAMPLE_TYPES);
    const left = this.#random() < 0.7 ? this.#column(type) : this.#value(type, depth);
    const other = this.#random() < 0.8 ? type : this.#similar(type);
    const right = () => {
      return this.#random() < 0.7 ? this.#constant(other) : this.#value(other, depth);
    };
    const roll = this.#random();
    if (roll < 0.35) return `${left} ${this.#pick(["=", "=", "<>"])} ${right()}`;
    if (roll < 0.55) return `${left} ${this.#pick(["<", "<=", ">", ">=", "!="])} ${right()}`;
    if (roll < 0.6) return `${right()} ${this.#pick(["<", "=", ">="])} ${left}`;
    if (roll < 0.69) return `${left} ${this.#not()}IN (${this.#list(right)})`;
    // A parameter that becomes a constant for each member, or none for a constant member.
    if (roll < 0.71) return `${this.#parameterOf(type)} ${this.#not()}IN (${left}, ${right()})`;
    if (roll < 0.78) return `${left} ${this.#not()}BETWEEN ${right()} AND ${right()}`;
    if (roll < 0.8) return `${left} BETWEEN SYMMETRIC ${right()} AND ${right()}`;
    if (roll < 0.86) return `${left} IS ${this.#not()}DISTINCT FROM ${right()}`;
    if (roll < 0.93) return this.#quantified(left, type, depth);
    const which = this.#pick(["greatest", "least", "coalesce"]);
    return `${which}(${left}, ${right()}) = ${right()}`;
  }

  #quantified(left: string, type: SampleType, depth: number): string {
    const array = `${type}[]`;
    const operator = this.#pick(["= ANY", "= ANY", "<> ALL", "< ANY", ">= ALL"]);
    const isKnown = (ARRAYS as readonly string[]).includes(array);
    if (isKnown && this.#random() < 0.6) {
      return `${left} ${operator} (${this.#value(array as SampleType, depth)})`;
    }
    return `${left} ${operator} (ARRAY[${this.#list(() => this.#typed(type))}])`;
  }

  #not(): string {
    return this.#random() < 0.3 ? "NOT " : "";
  }

  #list(item: () => string): string {
    return Array.from({ length: 1 + Math.floor(this.#random() * 3) }, item).join(", ");
  }

  #similar(type: SampleType): SampleType {
    if ((NUMBERS as readonly string[]).includes(type)) return this.#pick(NUMBERS);
    if ((STRINGS as readonly string[]).includes(type)) return this.#pick(STRINGS);
    if (/^(?:date|time)/.test(type))
      return this.#pick(["date", "timestamp", "timestamptz", "time"]);
    return this.#random() < 0.5 ? type : this.#pick(SAMPLE_TYPES);
  }

  #value(type: SampleType, depth: number): string {
    const roll = this.#random();
    const productions = PRODUCTIONS[type];
    if (depth > 0 && roll < 0.45 && productions !== undefined) {
      return `(${this.#fill(this.#pick(productions), depth - 1)})`;
    }
    return roll < 0.8 ? this.#column(type) : this.#constant(type);
  }

  #fill(production: string, depth: number): string {
    let array: SampleType | undefined;
    return production.replaceAll(/\{([a-z0-9]+(?:\[\])?)\}/g, (_, name: string) => {
      if (name === "a") return "{a}";
      if (name === "pattern") return this.#pattern();
      if (name === "parameter") return this.#parameterOf("text");
      if (name === "array") array = this.#pick(ARRAYS);
      if (name === "same" || name === "array") return this.#value(array!, depth);
      return this.#value(this.#typeFor(name), depth);
    });
  }

  #typeFor(name: string): SampleType {
    // What is not what is asked for is refused by both, or means something unexpected.
    if (this.#random() < 0.02) return this.#pick(SAMPLE_TYPES);
    if (name === "any") return this.#pick(SAMPLE_TYPES);
    if (name === "scalar") return this.#pick(SCALARS);
    if (name === "string") return this.#pick(STRINGS);
    return name as SampleType;
  }

  #column(type: SampleType): string {
    return this.#pick(SAMPLE_COLUMNS.filter((column) => column.type === type)).name;
  }

  #constant(type: SampleType): string {
    const text = this.#pick(SAMPLES[type]);
    const roll = this.#random();
    if (roll < 0.05) return "NULL";
    if (roll < 0.35) return this.#parameter(text);
    if (roll < 0.5) return this.#typed(type);
    if (/^(?:int|numeric)/.test(type) && /^-?[0-9.]+$/.test(text)) return text;
    if (type === "bool") return this.#pick(["true", "false"]);
    return quote(text);
  }

  #typed(type: SampleType): string {
    return `${quote(this.#pick(SAMPLES[type]))}::${type}`;
  }

  #parameterOf(type: SampleType): string {
    return this.#parameter(this.#pick(SAMPLES[type]));
  }

  #parameter(text: string): string {
    const count = this.#parameters.length;
    if (count > 0 && this.#random() < 0.1) return `$${1 + Math.floor(this.#random() * count)}`;
    this.#parameters.push(text);
    return `$${count + 1}`;
  }

  #pattern(): string {
    const pattern = this.#random() < 0.5 ? this.#patternOfPieces() : this.#patternOfText();
    return this.#random() < 0.5 ? quote(pattern) : this.#parameter(pattern);
  }

  #patternOfPieces(): string {
    const pieces = ["%", "_", "a", "b", "A", "\\%", "\\_", "é", "abc", "\n", "x", "Str"];
    const count = 1 + Math.floor(this.#random() * 4);
    return Array.from({ length: count }, () => this.#pick(pieces)).join("");
  }

  /** A part of a text, often with a wildcard or in another case: some row is like it. */
  #patternOfText(): string {
    const characters = Array.from(this.#pick(SAMPLES.text)).slice(-PATTERN_TEXT_MAX);
    const from = Math.floor((this.#random() * characters.length) / 2);
    const part = characters.slice(from, from + 2 + Math.floor(this.#random() * 12));
    const pieces = part.map((character) => {
      const roll = this.#random();
      if (roll < 0.08) return this.#pick(["_", "%"]);
      if (roll < 0.16) return character.toUpperCase();
      if (roll < 0.24) return character.toLowerCase();
      return /[%_\\]/.test(character) ? `\\${character}` : character;
    });
    const edges = ["", "%", "%", "%", "_", "%_"];
    return [this.#pick(edges), ...pieces, this.#pick(edges)].join("");
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
