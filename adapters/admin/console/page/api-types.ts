/** What the admin API answers, as far as the console reads it. A test holds this equal to the API's own schemas. */

export type Role = 'viewer' | 'operator' | 'admin';

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
  readonly total: number;
}

export interface Actor {
  readonly name: string;
  readonly role: Role;
}

export interface Session {
  readonly id: string;
  readonly transport: string;
  readonly remoteAddress: string;
  readonly state: string;
  readonly user: string | null;
  readonly connectedAt: string;
  readonly silentForMs: number;
  readonly queuedBytes: number;
  readonly transportBytes: number;
  readonly version: string;
  readonly clientId: string | null;
  readonly roles: readonly string[];
  readonly subscriptions: number;
  readonly heartBeat: { readonly sendMs: number; readonly receiveMs: number };
  readonly writtenAgoMs: number;
}

export interface Subscription {
  readonly sessionId: string;
  readonly number: number;
  readonly id: string | null;
  readonly destination: string;
  readonly user: string | null;
  readonly ack: string;
  readonly window: number;
  readonly pending: number;
  readonly selector: string | null;
  readonly isExclusive: boolean;
  readonly isBrowser: boolean;
  readonly durableName: string | null;
}

export interface User {
  readonly name: string;
  readonly sessions: number;
  readonly sessionIds: readonly string[];
}

export interface Destination {
  readonly destination: string;
  readonly kind: 'topic' | 'queue';
  readonly subscribers: number;
  readonly depth: number;
  readonly history: { readonly messages: number; readonly bytes: number } | null;
}

export interface Queue {
  readonly destination: string;
  readonly depth: number;
  readonly bytes: number;
  readonly delayed: number;
  readonly unsettled: number;
  readonly consumers: number;
  readonly deadLetter: string | null;
  readonly isDurable: boolean;
}

export interface QueueMessage {
  readonly number: number;
  readonly messageId: string;
  readonly priority: number;
  readonly deliveries: number;
  readonly isStored: boolean;
  readonly expiresAt: string | null;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly bodyBytes: number;
  readonly isCut: boolean;
}

export interface AuditEntry {
  readonly number: number;
  readonly at: string;
  readonly actor: string;
  readonly role: Role;
  readonly address: string;
  readonly operation: string;
  readonly subject: Readonly<Record<string, unknown>>;
  readonly outcome: string;
}

export interface Health {
  readonly isReady: boolean;
  readonly isDegraded: boolean;
  readonly problems: readonly {
    readonly part: string;
    readonly code: string;
    readonly message: string;
    readonly since: string;
  }[];
}

/** What is taken of the memory that may be taken, and what is done about it. */
export interface MemoryBudget {
  /** 0: nothing; 1: connections are refused, 2: publishers paused, 3: messages dropped, 4: sessions ended. */
  readonly stage: number;
  /** Part of its budget that is taken of what is nearest to its end. */
  readonly used: number;
  readonly scarce: 'heap' | 'total' | 'worker-heap';
  readonly heapBytes: number;
  readonly heapBudgetBytes: number;
  readonly totalBytes: number;
  readonly budgetBytes: number;
}

/** A process that has clients' sockets. */
export interface WorkerProcess {
  readonly worker: number;
  readonly processId: number | null;
  readonly isListening: boolean;
  readonly connections: number;
  readonly report: {
    readonly heapBytes: number;
    readonly heapLimitBytes: number;
    readonly residentBytes: number;
    readonly cpuMs: number;
    readonly delay: { readonly recentP99Ms: number } | null;
    readonly sockets: { readonly open: number; readonly max: number } | null;
  } | null;
}

export interface Stats {
  readonly server: {
    readonly version: string;
    readonly startedAt: string;
    readonly uptimeMs: number;
    readonly processId: number;
    readonly workers: number;
    readonly workerProcesses: readonly WorkerProcess[];
    readonly memory: { readonly rssBytes: number; readonly heapUsedBytes: number; readonly externalBytes: number };
    readonly cpuMs: number;
    readonly eventLoopDelay: {
      readonly p50Ms: number;
      readonly p99Ms: number;
      readonly maxMs: number;
      readonly recentP99Ms: number;
      readonly recentMaxMs: number;
    };
  };
  readonly users: number;
  readonly destinations: number;
  readonly outbox: { readonly queuedBytes: number; readonly transportBytes: number; readonly largestBytes: number };
  readonly drain: Drain;
  readonly broker: { readonly memory: MemoryBudget | null };
}

export interface Drain {
  readonly isActive: boolean;
  readonly perSecond: number;
  readonly remaining: number;
}

export interface Node {
  readonly nodeId: string;
  readonly incarnation: string | null;
  readonly isOk: boolean;
  readonly isAccepting: boolean;
  readonly sessions: number;
  readonly users: number;
  readonly subscriptions: number;
}

export interface Cluster {
  readonly nodes: readonly Node[];
  readonly missing: readonly string[];
}
