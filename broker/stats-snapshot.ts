/**
 * What a node tells of itself in figures, and what several tell together. Read off when somebody asks: the parts count,
 * nothing is kept here.
 */
import type { CloseCode } from './close-reason.js';
import { sumOf } from './cluster/node-views.js';
import type { DeadLetterReason } from './destinations/dead-letter-reason.js';
import type { InboxSnapshot } from './inbox/inbox.js';
import { type MemorySnapshot, withWorstStage } from './memory/memory-watch.js';
import type { NodeRelayCounts, TransportName } from './ports.js';
import type { SessionEnvironment } from './session-environment.js';

/** What the broker counts, at one moment. */
export interface StatsSnapshot {
  readonly connections: {
    readonly current: number;
    readonly total: number;
    readonly refused: number;
    /** Open now; transports without any are left out or 0. */
    readonly byTransport: Readonly<Partial<Record<TransportName, number>>>;
    /** Ended by the network since start. */
    readonly transportErrors: number;
  };
  /** Since start: CONNECT and STOMP frames received, CONNECTED written, DISCONNECT received. */
  readonly stomp: { readonly connect: number; readonly connected: number; readonly disconnect: number };
  readonly subscriptions: number;
  /** Under `/temp-queue/`, of all sessions that are open. */
  readonly temporaryQueues: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly messagesIn: number;
  readonly messagesDropped: number;
  /** Messages that gave way to newer ones for a slow subscriber, by policy. */
  readonly givenWay: { readonly 'drop-oldest': number; readonly 'latest-per-key': number };
  /** Messages that came back and went out again. */
  readonly redelivered: number;
  /** Messages given up, by queues and for topic subscriptions that refused them, by reason. */
  readonly givenUp: Readonly<Record<DeadLetterReason, number>>;
  /** Of these, the ones that are kept in a dead-letter destination; the others are dropped. */
  readonly deadLettered: number;
  /** Times that a dead-letter destination took none: the message stayed in its queue, to be given up later. */
  readonly deadLettersRefused: number;
  /** Frames over a rate of `quotas`: refused, or their clients had to wait. */
  readonly rateLimited: number;
  /** What clients were refused, by code (README); codes that never came are not there. */
  readonly refused: Readonly<Record<string, number>>;
  /** CONNECTs refused unasked, after too many wrong credentials (`auth.guesses`). */
  readonly loginsLimited: number;
  /** Times that a client's frames had to wait for a later turn of the event loop (`limits.turnBudgetMs`). */
  readonly turnsWaited: number;
  /** Times that a full queue refused a publisher. */
  readonly queueFull: number;
  /** On their way to the store (`store.maxPendingBytes`). */
  readonly storePendingBytes: number;
  /** Times that the store was asked to store something, and how long that took, all of it together. */
  readonly storeCommits: number;
  readonly storeCommitMs: number;
  /** What topics keep (`history`). */
  readonly history: {
    readonly topics: number;
    readonly messages: number;
    /** Memory, near enough; bounded by `limits.maxHistoryBytes`. */
    readonly bytes: number;
    /** Histories that were forgotten to keep that bound. */
    readonly givenWay: number;
    /** SUBSCRIBEs that asked for what was missed and got all of it, or not. */
    readonly recovered: number;
    readonly unrecovered: number;
    /** Times that messages were gone before a subscription had read them: each was told so. */
    readonly gaps: number;
  };
  /** What is kept for users who are not there (`inbox`). */
  readonly inbox: InboxSnapshot;
  /** What went to other nodes and came from them; null without a relay between nodes. */
  readonly cluster: NodeRelayCounts | null;
  /** What the process takes of its memory (`memory`); null where nobody watches. */
  readonly memory: MemorySnapshot | null;
  /** Messages that had their RECEIPT and were not delivered again, as their `message-key` was seen before. */
  readonly duplicates: number;
  readonly errorsSent: number;
  /** Connections ended since start, by reason. */
  readonly closed: Readonly<Record<CloseCode, number>>;
}

/** Where the figures are. */
export interface StatsSources {
  readonly environment: SessionEnvironment;
  /** Null: there are no other nodes. */
  readonly cluster: NodeRelayCounts | null;
  /** Null: nobody watches it. */
  readonly memory: MemorySnapshot | null;
}

/** As of now. */
export function takeStats({ environment, cluster, memory }: StatsSources): StatsSnapshot {
  const { stats, registry, writer, router, budget, journal } = environment;
  const { histories } = router;
  return {
    connections: {
      current: registry.size,
      total: stats.connectionsTotal,
      refused: stats.connectionsRefused,
      byTransport: Object.fromEntries(stats.currentByTransport),
      transportErrors: stats.transportErrors,
    },
    stomp: { connect: stats.connectFrames, connected: stats.connectedFrames, disconnect: stats.disconnectFrames },
    subscriptions: stats.subscriptions,
    temporaryQueues: router.temporary.size,
    framesIn: stats.framesIn,
    framesOut: writer.framesOut,
    messagesIn: stats.messagesIn,
    messagesDropped: stats.messagesDropped,
    givenWay: { ...stats.givenWay },
    redelivered: stats.redelivered,
    givenUp: { ...stats.givenUp },
    deadLettered: stats.deadLettered,
    deadLettersRefused: stats.deadLettersRefused,
    rateLimited: stats.rateLimited,
    refused: Object.fromEntries(stats.refused),
    loginsLimited: stats.loginsLimited,
    turnsWaited: budget.waits,
    queueFull: stats.queueFull,
    storePendingBytes: journal?.pendingBytes ?? 0,
    storeCommits: journal?.commits.count ?? 0,
    storeCommitMs: Math.round(journal?.commits.totalMs ?? 0),
    history: {
      topics: histories.topicCount,
      messages: histories.messageCount,
      bytes: histories.bytes,
      givenWay: stats.historiesGivenWay,
      recovered: stats.historyRecovered,
      unrecovered: stats.historyUnrecovered,
      gaps: stats.historyGaps,
    },
    inbox: router.inbox.snapshot,
    cluster: cluster === null ? null : { ...cluster },
    memory,
    duplicates: stats.duplicates,
    errorsSent: stats.errorsSent,
    closed: { ...stats.closed },
  };
}

/** What several nodes say of theirs, this one first. @param sharesInbox each tells of the same inbox */
export function mergeStats(all: readonly StatsSnapshot[], sharesInbox: boolean): StatsSnapshot {
  const sum = withMemory(sumOf(all), all);
  const [own] = all;
  if (!sharesInbox || own === undefined) return sum;
  const { users, messages, bytes } = own.inbox;
  return { ...sum, inbox: { ...sum.inbox, users, messages, bytes } };
}

/** A stage is no sum. */
function withMemory(sum: StatsSnapshot, all: readonly StatsSnapshot[]): StatsSnapshot {
  if (sum.memory === null) return sum;
  const each = all.flatMap(({ memory }) => (memory === null ? [] : [memory]));
  return { ...sum, memory: withWorstStage(sum.memory, each) };
}
