/** What a record can do to the catalog, once it is durable. */

import type { Lsn } from "../model/lsn.ts";
import type { PartitionTree } from "../model/partition-tree.ts";
import type { BehindPayload } from "./behind.ts";
import type { SnapshotMeta } from "./record.ts";

/** A complete snapshot and where its rows are. */
export interface StoredSnapshot extends SnapshotMeta {
  /** Seq of the journal record that holds the rows, or 0: they have a file of their own. */
  readonly seq: number;
}

export type CatalogChange =
  | { readonly type: "template"; readonly id: number; readonly text: string }
  | {
      readonly type: "created";
      readonly key: number;
      readonly hash: number;
      readonly templateId: number;
      readonly constants: Uint8Array;
    }
  | { readonly type: "removed"; readonly key: number }
  | { readonly type: "snapshot"; readonly key: number; readonly snapshot: StoredSnapshot }
  | {
      readonly type: "partitions";
      readonly oid: number;
      readonly partitions: PartitionTree | undefined;
    }
  | { readonly type: "behind"; readonly behind: BehindPayload }
  | { readonly type: "confirmed"; readonly lsn: Lsn };

/** A shape as the catalog knows it. */
export interface CatalogShape {
  readonly key: number;
  readonly hash: number;
  readonly templateId: number;
  readonly constants: Uint8Array;
  /** Undefined until the snapshot is complete. */
  readonly snapshot: StoredSnapshot | undefined;
}
