/**
 * Which definitions are one: those of the same template with the same constants (protocol 11.1). A
 * template is some kilobytes of text and is hashed once, not for each of its shapes.
 */

import { createHash } from "node:crypto";
import type { ShapeDefinition, ShapeTemplate } from "../model/shape-definition.ts";

const digests = new WeakMap<ShapeTemplate, string>();

/** A text that two definitions share if they are one. */
export function identityOf({ template, constants }: ShapeDefinition): string {
  let digest = digests.get(template);
  if (digest === undefined) {
    digest = createHash("sha256").update(template.text).digest("base64");
    digests.set(template, digest);
  }
  return digest + JSON.stringify(constants);
}

/** The half of a handle that tells of its definition, as upstream's does: 24 bits (FNV-1a). */
export function handleHashOf(identity: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < identity.length; index++) {
    hash = Math.imul(hash ^ identity.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 8) & 0xff_ffff;
}
