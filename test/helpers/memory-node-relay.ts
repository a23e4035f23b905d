/** Relays between nodes of one process: what they promise, without a network, and out of reach when a test says so. */
import { isPattern } from '../../broker/destinations/pattern.js';
import { BrokerError } from '../../broker/errors.js';
import type { NodeRelay, NodeRelayEvents, RelayProblem } from '../../broker/ports.js';
import { antMatch } from './ant-match.js';

export class MemoryNetwork {
  readonly #nodes = new Set<MemoryNodeRelay>();

  /** A relay that is not started. */
  createRelay(): MemoryNodeRelay {
    return new MemoryNodeRelay(this.#nodes);
  }
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: BrokerError) => void;
}

/** What every node joins for itself: what nodes say of what they watch, and its replies. Not counted, nor among the claims. */
function isTalk(destination: string): boolean {
  if (destination.startsWith('/reply-queue/')) return true;
  return destination.includes('$nodes/') || destination.includes('$presence/') || destination.includes('$broker/');
}

export class MemoryNodeRelay implements NodeRelay {
  readonly name = 'memory';
  readonly counts = { published: 0, received: 0, dropped: 0, gaps: 0 };
  /** Destinations and patterns, with their claims. */
  readonly claims = new Map<string, number>();
  /** Destinations that it is sure nobody wants. */
  readonly unwanted = new Set<string>();
  readonly #talkClaims = new Map<string, number>();
  problem: RelayProblem | null = null;
  /** Set, what is asked for is answered by `answer` alone. */
  isHeld = false;
  isStopped = false;
  readonly #nodes: Set<MemoryNodeRelay>;
  /** Not null: it is behind, until a test sets null and resolves it. */
  relief: Promise<void> | null = null;
  readonly #held: Waiting[] = [];
  #events: NodeRelayEvents | null = null;

  constructor(nodes: Set<MemoryNodeRelay>) {
    this.#nodes = nodes;
  }

  get isBehind(): boolean {
    return this.relief !== null;
  }

  caughtUp(): Promise<void> {
    return this.relief ?? Promise.resolve();
  }

  get isAccepting(): boolean {
    return this.problem === null && this.#events !== null;
  }

  start(events: NodeRelayEvents): Promise<void> {
    this.#events = events;
    this.#nodes.add(this);
    events.onAvailable(true);
    return Promise.resolve();
  }

  isWanted(destination: string): boolean {
    return !this.unwanted.has(destination);
  }

  publish(destination: string, octets: Buffer): void {
    if (!this.isAccepting) {
      this.counts.dropped++;
      return;
    }
    if (!isTalk(destination)) this.counts.published++;
    for (const node of this.#nodes) if (node !== this) node.#receive(destination, octets);
  }

  accepted(): Promise<void> {
    if (this.isAccepting) return this.#wait() ?? Promise.resolve();
    return Promise.reject(new BrokerError('relay-lost', 'nobody has it'));
  }

  join(destination: string): Promise<void> | undefined {
    const all = this.#claimsOf(destination);
    const claims = all.get(destination) ?? 0;
    all.set(destination, claims + 1);
    return claims === 0 ? this.#wait() : undefined;
  }

  leave(destination: string): void {
    const all = this.#claimsOf(destination);
    const claims = all.get(destination) ?? 0;
    if (claims > 1) all.set(destination, claims - 1);
    else all.delete(destination);
  }

  stop(): Promise<void> {
    this.#nodes.delete(this);
    this.isStopped = true;
    this.#events = null;
    return Promise.resolve();
  }

  /** Everything that waits is confirmed, or refused. */
  answer(error: BrokerError | null = null): void {
    for (const { resolve, reject } of this.#held.splice(0)) {
      if (error === null) resolve();
      else reject(error);
    }
  }

  setReachable(isReachable: boolean): void {
    this.problem = isReachable ? null : { message: 'unplugged', sinceEpochMs: 0 };
    this.#events?.onAvailable(isReachable);
  }

  #receive(destination: string, octets: Buffer): void {
    const isWanted = [...this.#claimsOf(destination).keys()].some((claim) =>
      isPattern(claim) ? antMatch(claim, destination, '/') : claim === destination,
    );
    if (!isWanted || this.problem !== null) return;
    if (!isTalk(destination)) this.counts.received++;
    this.#events?.onMessage(destination, octets);
  }

  #claimsOf(destination: string): Map<string, number> {
    return isTalk(destination) ? this.#talkClaims : this.claims;
  }

  #wait(): Promise<void> | undefined {
    if (!this.isHeld) return undefined;
    return new Promise((resolve, reject) => {
      this.#held.push({ resolve, reject });
    });
  }
}
