/**
 * Where the JavaScript heap goes: bytes by constructor, from two heap snapshots, one before there
 * were shapes and one with all of them.
 *
 * V8 lists nodes and edges as flat arrays of integers (`snapshot.meta` names the fields). A node's
 * own size is counted under the name that developer tools give it, with one exception: the table
 * behind a Map or Set is a nameless array there, and counts as the Map's here.
 */

import { getHeapSnapshot } from "node:v8";
import type { HeapShare, RunOptions } from "./measurement.ts";
import { collectGarbage, settle } from "./measure.ts";
import { warmUp } from "./measure-population.ts";
import { workloadNamed } from "./workloads.ts";

interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[], ...unknown[]];
      readonly edge_fields: readonly string[];
    };
  };
  readonly nodes: readonly number[];
  readonly edges: readonly number[];
  readonly strings: readonly string[];
}

interface Sum {
  count: number;
  bytes: number;
}

/** The most of them that are told apart; what is less is one line. */
const SHARES_MAX = 10;
const TABLE_OWNERS: readonly string[] = ["Map", "Set"];

export async function measureHeapShares(options: RunOptions): Promise<readonly HeapShare[]> {
  const create = await workloadNamed(options.workload).load();
  warmUp(create, options);
  const population = create(options);
  await settle();
  const before = sumByConstructor(await takeSnapshot());
  for (let shape = 0; shape < options.shapeCount; shape += 1) population.add(shape);
  await settle();
  const after = sumByConstructor(await takeSnapshot());
  if (!population.has(0)) throw new Error("a shape was lost");
  return largestOf(growth(before, after));
}

async function takeSnapshot(): Promise<Snapshot> {
  collectGarbage();
  const chunks: Buffer[] = [];
  for await (const chunk of getHeapSnapshot()) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as Snapshot;
}

function sumByConstructor({ snapshot, nodes, edges, strings }: Snapshot): Map<string, Sum> {
  const { node_fields: fields, node_types: types, edge_fields: edgeFields } = snapshot.meta;
  const [type, name, size, edgeCount] = ["type", "name", "self_size", "edge_count"].map((field) =>
    fields.indexOf(field),
  ) as [number, number, number, number];
  const sums = new Map<string, Sum>();
  const owners = new Map<number, string>();
  const nameOf = (at: number): string =>
    owners.get(at) ?? constructorName(types[0][nodes[at + type]!]!, strings[nodes[at + name]!]!);
  let edge = 0;
  for (let at = 0; at < nodes.length; at += fields.length) {
    const end = edge + nodes[at + edgeCount]! * edgeFields.length;
    const owner = nameOf(at);
    for (; edge < end; edge += edgeFields.length) {
      // Type, name and node are in this order in every version since there are snapshots.
      const isTable = TABLE_OWNERS.includes(owner) && strings[edges[edge + 1]!] === "table";
      if (isTable) owners.set(edges[edge + 2]!, `${owner} (its table)`);
    }
  }
  for (let at = 0; at < nodes.length; at += fields.length) {
    const sum = sums.get(nameOf(at)) ?? { count: 0, bytes: 0 };
    sums.set(nameOf(at), { count: sum.count + 1, bytes: sum.bytes + nodes[at + size]! });
  }
  return sums;
}

function constructorName(type: string, name: string): string {
  switch (type) {
    case "object":
    case "native":
      return name;
    case "string":
    case "concatenated string":
    case "sliced string":
      return "(string)";
    default:
      return `(${type})`;
  }
}

function growth(before: ReadonlyMap<string, Sum>, after: ReadonlyMap<string, Sum>): HeapShare[] {
  return [...after].map(([constructorName, { count, bytes }]) => ({
    constructorName,
    count: count - (before.get(constructorName)?.count ?? 0),
    bytes: bytes - (before.get(constructorName)?.bytes ?? 0),
  }));
}

function largestOf(shares: readonly HeapShare[]): HeapShare[] {
  const sorted = shares.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const rest = sorted.slice(SHARES_MAX);
  if (rest.length === 0) return sorted;
  const sum = (field: "count" | "bytes"): number =>
    rest.reduce((total, share) => total + share[field], 0);
  const others = { constructorName: "all others", count: sum("count"), bytes: sum("bytes") };
  return [...sorted.slice(0, SHARES_MAX), others];
}
