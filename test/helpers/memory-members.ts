/** Members of a cluster in one process: nodes come, leave and are given up when a test says so. */
import type { ClusterMembers, MembershipListener, RelayProblem } from '../../broker/ports.js';

export class MemoryMembership {
  readonly #members = new Set<MemoryMembers>();

  createMembers(nodeId: string): MemoryMembers {
    return new MemoryMembers(nodeId, this.#members);
  }
}

export class MemoryMembers implements ClusterMembers {
  readonly nodeId: string;
  problem: RelayProblem | null = null;
  /** Set: this node stood still beyond its lease, and asks. */
  asking: Promise<void> | undefined;
  #run = 1;
  readonly #all: Set<MemoryMembers>;
  readonly #listeners = new Set<MembershipListener>();

  constructor(nodeId: string, all: Set<MemoryMembers>) {
    this.nodeId = nodeId;
    this.#all = all;
  }

  get incarnation(): string {
    return `${this.nodeId}/${this.#run}`;
  }

  get isMember(): boolean {
    return this.#all.has(this);
  }

  get members(): readonly string[] {
    return [this.incarnation, ...[...this.#others].map(({ incarnation }) => incarnation)];
  }

  start(): Promise<void> {
    this.#all.add(this);
    this.#tell((listener) => listener.onJoined?.(this.incarnation));
    for (const other of this.#others) other.#tell((listener) => listener.onNodeJoined?.(this.incarnation));
    return Promise.resolve();
  }

  caughtUp(): Promise<void> | undefined {
    return this.asking;
  }

  refresh(): Promise<readonly string[]> {
    return Promise.resolve(this.members);
  }

  listen(listener: MembershipListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  stop(): Promise<void> {
    this.giveUp();
    return Promise.resolve();
  }

  /** The others have given this node up; it does not know yet. */
  giveUp(): void {
    if (!this.#all.delete(this)) return;
    for (const other of this.#others) other.#tell((listener) => listener.onNodeGone?.(this.incarnation));
  }

  /** It has noticed, and another node has its name. */
  replace(): void {
    this.#tell((listener) => listener.onGivenUp?.(this.incarnation));
    this.#tell((listener) => listener.onReplaced?.());
  }

  /** It has noticed, and is a member again under another name. */
  rejoin(): Promise<void> {
    const former = this.incarnation;
    this.#run++;
    this.#tell((listener) => listener.onGivenUp?.(former));
    return this.start();
  }

  get #others(): Iterable<MemoryMembers> {
    return [...this.#all].filter((each) => each !== this);
  }

  #tell(call: (listener: MembershipListener) => void): void {
    for (const listener of this.#listeners) call(listener);
  }
}
