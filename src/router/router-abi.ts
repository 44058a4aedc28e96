/** What the core exports to `router.ts`, and where it lays what it has to say. */

/** The part of the ABI that routes: integers of at most 32 bits, signed as they arrive. */
export interface RouterExports {
  routerCreate(inputBytes: number, outputBytes: number, matchCapacity: number): number;
  routerState(): number;
  routerReserveScratch(size: number): number;
  routerAddRelation(size: number): number;
  routerRedescribeRelation(relation: number, size: number): number;
  routerSetRelationLayout(relation: number, count: number): void;
  routerLinkPartition(oid: number, relation: number, count: number): number;
  routerUnlinkPartition(oid: number, relation: number): void;
  routerRemoveRelation(relation: number): number;
  routerAddTemplate(relation: number, planOffset: number): number;
  routerRemoveTemplate(template: number): number;
  routerAddShape(id: number, template: number, size: number, entriesSize: number): number;
  routerRemoveShape(id: number, entriesSize: number): void;
  routerFindShape(template: number, size: number): number;
  routerTemplateOf(id: number): number;
  routerConstantsSizeMax(id: number): number;
  routerReadConstants(id: number): number;
  routerConstantsAddress(): number;
  routerSetTaped(relation: number, isTaped: number): void;
  routerReplay(
    template: number,
    size: number,
    lsnHigh: number,
    lsnLow: number,
    xid: number,
    op: number,
    isFetched: number,
  ): number;
  routerListUsers(view: number, after: number): number;
  routerUsersListedUpTo(): number;
  routerSetGated(id: number, isGated: number): void;
  routerListShapes(relation: number, after: number): number;
  routerListedUpTo(): number;
  routerSkipTo(high: number, low: number): void;
  routerSetStopAtEveryCommit(isWanted: number): void;
  routerResetStream(): void;
  routerReserveInput(size: number): number;
  routerCommitInput(size: number): void;
  routerRun(): number;
  routerReadCount(): number;
  routerReadXids(): number;
  routerAddOps(count: number): void;
  routerClearOutput(): void;
  routerGrow(): number;
}

/** Indexes of the words of `assembly/run-state.ts`. */
export const State = {
  transactionLsn: 0,
  xid: 2,
  commitLsn: 3,
  endLsn: 5,
  commitTime: 7,
  walEnd: 9,
  isReplyRequested: 11,
  messageKind: 12,
  messageAddress: 13,
  messageSize: 14,
  relation: 15,
  reason: 16,
  op: 17,
  isInTransaction: 18,
  growthBytes: 19,
  bodyCount: 20,
  bodiesAddress: 21,
  matchesAddress: 22,
  inputPending: 23,
  changeCount: 24,
  sentTime: 26,
} as const;

/** Words of one row of the body table, see `assembly/regions.ts`. */
export const BODY_WORDS = 6;
export const BodyWord = {
  address: 0,
  size: 1,
  op: 2,
  firstMatch: 3,
  matchCount: 4,
  /** Bits: a match is gated, the body is a delta. */
  flags: 5,
} as const;

export const BodyFlag = { HAS_GATED: 1, IS_DELTA: 2 } as const;

/** What `routerReplay` answers, see `assembly/replay.ts`. */
export const Replay = { DONE: 0, NO_ROOM: 1, UNREADABLE: 2 } as const;
