/**
 * A node's way from start to stop: in which order its parts begin, and end. Everything is there before connections are
 * accepted; at the end sessions go first, then what they need.
 */
import type { Requests } from './application/requests.js';
import { closeReason } from './close-reason.js';
import type { ClusterAttachment } from './cluster/cluster-attachment.js';
import type { Drain } from './operations/drain.js';
import type { ExternalBroker } from './relay/external-broker.js';
import type { SessionEnvironment } from './session-environment.js';
import { paceOf } from './shutdown-options.js';
import type { Journal } from './storage/journal.js';
import type { MessageNumbers } from './storage/message-numbers.js';

export interface LifecycleParts {
  readonly environment: SessionEnvironment;
  readonly numbers: MessageNumbers;
  readonly requests: Requests;
  readonly cluster: ClusterAttachment;
  /** Null: there is none. */
  readonly external: ExternalBroker | null;
  readonly drain: Drain;
}

/** How often a stopping broker looks whether its sessions are gone. */
const STOP_CHECK_MS = 10;

export class Lifecycle {
  readonly #parts: LifecycleParts;
  readonly #environment: SessionEnvironment;
  #isAccepting = false;
  /** Null unless a start is under way. */
  #starting: Promise<void> | null = null;
  /** Null unless a stop is under way. */
  #stopping: Promise<void> | null = null;
  /** By the clock: when a stop cuts who has not gone. */
  #cutAtMs = 0;
  /** What the store held was taken up. */
  #hasRestored = false;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
    this.#environment = parts.environment;
  }

  /** Started, and not stopping. */
  get isAccepting(): boolean {
    return this.#isAccepting;
  }

  /** As `Broker.start`. */
  start(): Promise<void> {
    const { journal } = this.#environment;
    if (this.#isAccepting || this.#starting !== null) {
      return Promise.reject(new Error('Broker.start: the broker is started already'));
    }
    if (journal === null && !this.#parts.cluster.isAttached) {
      this.#accept();
      return Promise.resolve();
    }
    if (this.#hasRestored) {
      const message = 'Broker.start: a broker with a store is started once, as it has taken up what the store holds';
      return Promise.reject(new Error(`${message}; make another one`));
    }
    this.#starting = this.#prepare(journal).then(
      () => {
        this.#starting = null;
        this.#accept();
      },
      (error: unknown) => {
        this.#starting = null;
        throw error;
      },
    );
    return this.#starting;
  }

  /** This node becomes one of the cluster, what the store holds is taken up, then the other nodes are met, as far as they can be. */
  async #prepare(journal: Journal | null): Promise<void> {
    const { cluster } = this.#parts;
    const joined = cluster.join();
    if (joined !== undefined) await joined;
    if (journal !== null) await this.#restore(journal);
    await cluster.connect();
  }

  #restore(journal: Journal): Promise<void> {
    const { router, keys } = this.#environment;
    router.sharedQueues?.start();
    router.inbox.shared?.start();
    return journal.open(async (contents) => {
      this.#hasRestored = true;
      if (!journal.isShared) {
        this.#parts.numbers.restore(contents.records, journal);
        keys.restore(contents.records);
      }
      await router.restore(contents);
      await router.inbox.restore(contents);
    });
  }

  #accept(): void {
    const { requests, external, cluster } = this.#parts;
    this.#isAccepting = true;
    this.#environment.memory?.start();
    requests.start();
    if (external !== null) external.start();
    // A relay between nodes has told already.
    else if (!cluster.hasRelay) this.#environment.events.emit('availability', { available: true });
  }

  /** As `Broker.stop`. */
  stop(deadlineMs: number): Promise<void> {
    const untilMs = this.#environment.clock.nowMs() + deadlineMs;
    if (this.#stopping !== null) {
      this.#cutAtMs = Math.min(this.#cutAtMs, untilMs);
      this.#parts.drain.hurry();
      return this.#stopping;
    }
    this.#cutAtMs = untilMs;
    this.#stopping = this.#stop(deadlineMs).finally(() => {
      this.#stopping = null;
    });
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<void> {
    if (this.#starting !== null) await this.#starting.catch(() => undefined);
    const { registry, router, journal, budget, memory, events } = this.#environment;
    const { requests, cluster, external } = this.#parts;
    const isAvailable = (external === null ? cluster.relayProblem : external.problem) === null;
    if (this.#isAccepting && isAvailable) events.emit('availability', { available: false });
    this.#isAccepting = false;
    // Publishers that wait for memory have something to settle, and are to hear of their end.
    memory?.stop();
    // What was decided is to reach those who are there, and other nodes.
    if (budget.isRunning) await this.#until(() => !budget.isRunning);
    await this.#sendAway(deadlineMs);
    requests.stop();
    cluster.stopAsking();
    for (const session of registry.values()) session.connection.destroy(closeReason('server-shutdown'));
    await external?.stop();
    await cluster.disconnect();
    events.close();
    router.sharedQueues?.stop();
    router.inbox.shared?.stop();
    await journal?.close();
    // Last: the others take back what a node holds when it has left.
    await cluster.leave();
  }

  /** Resolves when all are gone, or when they are to be cut. */
  async #sendAway(deadlineMs: number): Promise<void> {
    const { registry, budget, options } = this.#environment;
    const { drain } = this.#parts;
    if (registry.size > 0) {
      let haveAllBeenTold = false;
      drain.leave(paceOf(options.shutdown, registry.size, deadlineMs), () => (haveAllBeenTold = true));
      if (deadlineMs === 0) drain.hurry();
      await this.#until(() => haveAllBeenTold && registry.size === 0 && !budget.isRunning);
    }
    drain.cancel();
  }

  /** Resolves when it is so, or when a stop cuts who has not gone. */
  #until(isSo: () => boolean): Promise<void> {
    const { clock } = this.#environment;
    return new Promise((resolve) => {
      const stop = clock.every(STOP_CHECK_MS, () => {
        if (!isSo() && clock.nowMs() < this.#cutAtMs) return;
        stop();
        resolve();
      });
    });
  }
}
