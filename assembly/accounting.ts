/**
 * What every owner of pages holds: entries, live bytes, committed bytes.
 *
 * Committed are the pages that an owner has; live are the bytes in them that mean something,
 * rounded up as the owner allocates; the rest is waste. Committed bytes over all owners, free pages
 * included, are the size of linear memory, to the byte: every page has one owner (page-pool.ts,
 * invariant 1).
 *
 * Owners that have no entries of their own, and those that use all they hold, count pages.
 */

import * as accesses from "./access";
import * as tree from "./condition-tree";
import * as consumerRegistry from "./consumer-registry";
import * as definitionIndex from "./definition-index";
import * as equalityIndex from "./equality-index";
import * as flushTracker from "./flush-tracker";
import * as handleTable from "./handle-table";
import * as idSet from "./id-set";
import {
  FREE,
  OWNER_ACCESSES,
  OWNER_CONDITION_TREE,
  OWNER_CONSUMER_REGISTRY,
  OWNER_DEFINITION_INDEX,
  OWNER_EQUALITY_INDEX,
  OWNER_FLUSH_TRACKER,
  OWNER_HANDLE_TABLE,
  OWNER_ID_SET,
  OWNER_MEMBERSHIP_INDEX,
  OWNER_PARTITION_MAP,
  OWNER_PENDING_POSTINGS,
  OWNER_RANGE_INDEX,
  OWNER_SHAPE_TABLE,
  OWNER_SUBQUERY_INDEX,
  OWNER_VALUE_COUNTS,
  OWNER_VALUE_STORE,
  OWNER_VIEW_HISTORY,
} from "./owners";
import * as membershipIndex from "./membership-index";
import * as pagePool from "./page-pool";
import { PAGE_SIZE } from "./page-pool";
import * as partitionMap from "./partition-map";
import * as pendingPostings from "./pending-postings";
import * as rangeIndex from "./range-index";
import * as shapeTable from "./shape-table";
import * as subqueryIndex from "./subquery-index";
import * as valueCounts from "./value-counts";
import * as valueStore from "./value-store";
import * as viewHistory from "./view-history";

/** How many things an owner keeps. */
export function entries(owner: u32): u32 {
  // What has no page has not been created, or is empty.
  if (pagePool.pagesOf(owner) == 0) return 0;
  switch (owner) {
    case OWNER_HANDLE_TABLE:
    case OWNER_SHAPE_TABLE:
      return shapeTable.count();
    case OWNER_EQUALITY_INDEX:
      return equalityIndex.count();
    case OWNER_ID_SET:
      return idSet.setCount();
    case OWNER_VALUE_STORE:
      return valueStore.count();
    case OWNER_CONDITION_TREE:
      return tree.count();
    case OWNER_CONSUMER_REGISTRY:
      return consumerRegistry.count();
    case OWNER_FLUSH_TRACKER:
      return flushTracker.count();
    case OWNER_PENDING_POSTINGS:
      return pendingPostings.entryCount();
    case OWNER_PARTITION_MAP:
      return partitionMap.count();
    case OWNER_MEMBERSHIP_INDEX:
      return membershipIndex.count();
    case OWNER_RANGE_INDEX:
      return rangeIndex.total();
    case OWNER_DEFINITION_INDEX:
      return definitionIndex.count();
    case OWNER_ACCESSES:
      return accesses.count();
    case OWNER_SUBQUERY_INDEX:
      return subqueryIndex.count();
    case OWNER_VALUE_COUNTS:
      return valueCounts.count();
    case OWNER_VIEW_HISTORY:
      return viewHistory.count();
    default:
      return pagePool.pagesOf(owner);
  }
}

/** Bytes that an owner uses of those that it holds. */
export function liveBytes(owner: u32): usize {
  if (pagePool.pagesOf(owner) == 0) return 0;
  switch (owner) {
    case FREE:
      return 0;
    case OWNER_HANDLE_TABLE:
      return handleTable.liveBytes();
    case OWNER_SHAPE_TABLE:
      return shapeTable.liveBytes();
    case OWNER_EQUALITY_INDEX:
      return equalityIndex.liveBytes();
    case OWNER_ID_SET:
      return idSet.liveBytes();
    case OWNER_VALUE_STORE:
      return valueStore.liveBytes();
    case OWNER_CONDITION_TREE:
      return tree.liveBytes();
    case OWNER_CONSUMER_REGISTRY:
      return consumerRegistry.liveBytes();
    case OWNER_FLUSH_TRACKER:
      return flushTracker.liveBytes();
    case OWNER_PENDING_POSTINGS:
      return pendingPostings.liveBytes();
    case OWNER_PARTITION_MAP:
      return partitionMap.liveBytes();
    case OWNER_MEMBERSHIP_INDEX:
      return membershipIndex.liveBytes();
    case OWNER_RANGE_INDEX:
      return rangeIndex.liveBytes();
    case OWNER_DEFINITION_INDEX:
      return definitionIndex.liveBytes();
    case OWNER_ACCESSES:
      return accesses.liveBytes();
    case OWNER_SUBQUERY_INDEX:
      return subqueryIndex.liveBytes();
    case OWNER_VALUE_COUNTS:
      return valueCounts.liveBytes();
    case OWNER_VIEW_HISTORY:
      return viewHistory.liveBytes();
    default:
      return <usize>pagePool.pagesOf(owner) * PAGE_SIZE;
  }
}

/** Bytes of the pages that an owner holds. */
export function committedBytes(owner: u32): f64 {
  // All of linear memory may be free: 2^32 does not fit in 32 bits.
  return <f64>pagePool.pagesOf(owner) * <f64>PAGE_SIZE;
}
