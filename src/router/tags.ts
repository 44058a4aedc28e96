/**
 * Tags as the core is told of them: for each disjunct of a WHERE with subqueries the text of its
 * tag (protocol 14.3), in pieces between which the values of a row belong.
 *
 *     a IN (S) AND x OR (b, c) IN (T)       literals 0, 1 and 2
 *
 *     disjunct 0    \1 [a] \2/1/
 *     disjunct 1    //\1b: [b] c: [c] \2
 *
 * The layout is that of `assembly/tag-writer.ts`, which says how a value is written; what is hashed
 * is said in `model/tag.ts`.
 */

import type { EqualityKind } from "../model/access-plan.ts";
import type { Literal, Membership } from "../model/subquery.ts";
import { HASH_CLOSE, HASH_OPEN } from "../model/tag.ts";
import { EQUALITY_KIND } from "./equality-kinds.ts";

/** What tags are made of: the part of a template's `Subqueries` that says so. */
export interface TaggedForm {
  readonly dependencies: readonly { readonly kinds: readonly EqualityKind[] }[];
  readonly literals: readonly Literal[];
  readonly disjuncts: readonly (readonly number[])[];
}

/** The slot of a literal that is no membership. */
const PLAIN_SLOT = "1";

/** @param read columns that the WHERE reads: an update that changes one is told. */
export function describeTags(
  form: TaggedForm,
  read: readonly number[],
  columns: readonly { readonly name: string }[],
): Uint8Array {
  const head = Buffer.alloc(12 + 2 * read.length);
  head.writeUInt32LE(form.literals.length, 0);
  head.writeUInt32LE(form.disjuncts.length, 4);
  head.writeUInt32LE(read.length, 8);
  read.forEach((column, index) => head.writeUInt16LE(column, 12 + 2 * index));
  const disjuncts = form.disjuncts.map((disjunct) => describeDisjunct(form, disjunct, columns));
  return Buffer.concat([head, ...disjuncts]);
}

function describeDisjunct(
  form: TaggedForm,
  disjunct: readonly number[],
  columns: readonly { readonly name: string }[],
): Uint8Array {
  const tag = new TagPieces();
  for (const [index, literal] of form.literals.entries()) {
    if (index > 0) tag.text("/");
    if (!disjunct.includes(index)) continue;
    if (literal.is === "condition") tag.text(PLAIN_SLOT);
    else appendHash(tag, literal, form.dependencies[literal.dependency]!.kinds, columns);
  }
  return tag.bytes();
}

function appendHash(
  tag: TagPieces,
  membership: Membership,
  kinds: readonly EqualityKind[],
  columns: readonly { readonly name: string }[],
): void {
  tag.text(HASH_OPEN);
  membership.columns.forEach((column, place) => {
    if (membership.columns.length > 1) {
      tag.text(`${JSON.stringify(columns[column]!.name).slice(1, -1)}:`);
    }
    tag.value(column, kinds[place]!);
  });
  tag.text(HASH_CLOSE);
}

/** A text with values in it. */
class TagPieces {
  readonly #pieces: Buffer[] = [];
  #valueCount = 0;
  #text = "";

  text(text: string): void {
    this.#text += text;
  }

  value(column: number, kind: EqualityKind): void {
    const text = this.#takeText();
    const head = Buffer.alloc(8);
    head.writeUInt16LE(column, 0);
    head.writeUInt16LE(EQUALITY_KIND[kind], 2);
    head.writeUInt32LE(text.length, 4);
    this.#pieces.push(head, text);
    this.#valueCount += 1;
  }

  bytes(): Uint8Array {
    const text = this.#takeText();
    const tail = Buffer.alloc(4);
    tail.writeUInt32LE(text.length, 0);
    const body = Buffer.concat([...this.#pieces, tail, text]);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(this.#valueCount, 0);
    head.writeUInt32LE(8 + body.length, 4);
    return Buffer.concat([head, body]);
  }

  #takeText(): Buffer {
    const text = Buffer.from(this.#text);
    this.#text = "";
    return text;
  }
}
