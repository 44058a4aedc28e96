/** What one structure holds, by its own books. */
export interface StructureReport {
  readonly structure: string;
  /** How many things it keeps; pages, where it keeps no things. */
  readonly entries: number;
  readonly liveBytes: number;
  readonly committedBytes: number;
  /** False: it holds the same whatever the number of shapes, or belongs to nobody. */
  readonly isOfShapes: boolean;
}

/** The sums over the structures that grow with the number of shapes. */
export function heldByShapes(structures: readonly StructureReport[]): {
  readonly liveBytes: number;
  readonly committedBytes: number;
} {
  let liveBytes = 0;
  let committedBytes = 0;
  for (const structure of structures) {
    if (!structure.isOfShapes) continue;
    liveBytes += structure.liveBytes;
    committedBytes += structure.committedBytes;
  }
  return { liveBytes, committedBytes };
}
