/**
 * What joins this node to the others: whom it asks, what it watches and tells, and in which order it comes and goes. A
 * single node has one too, which asks itself alone and does nothing else.
 */
import type { SessionEvents } from '../application/session-events.js';
import { createId } from '../create-id.js';
import type { OperatedSession } from '../operations/operated-session.js';
import type { ClusterMembers, Clock, Logger, NodeRelay, NodeRelayCounts, RelayProblem } from '../ports.js';
import type { Quotas } from '../quotas/quotas.js';
import { SharedQuotas } from '../quotas/shared-quotas.js';
import type { Router } from '../router.js';
import type { SessionRegistry } from '../session-registry.js';
import type { Journal } from '../storage/journal.js';
import type { TimerWheel } from '../timer-wheel.js';
import { SharedClientIds } from './client-ids.js';
import { DurableConfirmations } from './durable-confirmations.js';
import { LeaseGuard } from './lease-guard.js';
import { meetNodes } from './meet-nodes.js';
import { NodeQuestions } from './node-questions.js';
import type { NodeWatches } from './node-watches.js';

export interface ClusterAttachmentParts {
  readonly nodeId: string;
  /** Null: there are no other nodes, or nobody says which. */
  readonly members: ClusterMembers | null;
  /** Null: there are no other nodes. */
  readonly nodeRelay: NodeRelay | null;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly router: Router;
  readonly registry: SessionRegistry<OperatedSession>;
  readonly quotas: Quotas;
  readonly events: SessionEvents;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly logger: Logger;
}

export class ClusterAttachment {
  readonly questions: NodeQuestions;
  /** Null: nobody says whether this node is a member. */
  readonly guard: LeaseGuard | null;
  /** Null: client-ids are this node's own. */
  readonly clientIds: SharedClientIds | null;
  readonly #parts: ClusterAttachmentParts;
  /** Null: there are no other nodes. */
  readonly #watches: NodeWatches | null;
  readonly #quotas: SharedQuotas | null;
  #isReplaced = false;

  constructor(parts: ClusterAttachmentParts) {
    const { nodeId, members, nodeRelay, journal, router, registry, clock, wheel, logger } = parts;
    const { serverTopics, durables, cluster, sharedQueues: queues, inbox } = router;
    this.#parts = parts;
    this.guard = members === null ? null : new LeaseGuard(members, () => durables.learned());
    this.questions = new NodeQuestions({ cluster, members, nodeId, clock, logger, createId: () => createId(16) });
    const { questions } = this;
    this.clientIds =
      journal?.isShared === true
        ? new SharedClientIds({ journal, questions, registry, epochMs: () => clock.epochMs() })
        : null;
    this.#watches =
      nodeRelay === null
        ? null
        : serverTopics.joinNodes({ relay: nodeRelay, members, name: createId(12), clock, logger });
    this.#quotas = this.#watches === null ? null : this.#shareQuotas(this.#watches, wheel);
    if (members !== null) this.#listen(members);
    if (journal?.isShared !== true) return;
    if (queues !== null) meetNodes(journal, { queues, durables, inbox, clientIds: this.clientIds }, members);
    // Without a list of nodes nobody knows whom to wait for.
    if (members !== null) this.#confirmDurables();
  }

  #shareQuotas(nodes: NodeWatches, wheel: TimerWheel): SharedQuotas {
    const { quotas, router, clock } = this.#parts;
    return new SharedQuotas({ quotas, nodes, topic: router.kinds.reserved.quotaTalk, clock, wheel });
  }

  #listen(members: ClusterMembers): void {
    const { registry, router } = this.#parts;
    const { feed } = router.serverTopics;
    members.listen({
      onJoined: () => {
        this.#isReplaced = false;
      },
      onReplaced: () => {
        this.#isReplaced = true;
        for (const session of registry.values()) session.close('server-shutdown');
      },
      onNodeJoined: (peer) => {
        feed.emit({ type: 'node-joined', peer });
      },
      onNodeGone: (peer) => {
        feed.emit({ type: 'node-left', peer });
      },
    });
  }

  /** RECEIPT for a durable subscription says that all nodes know of it. */
  #confirmDurables(): void {
    const { router, clock } = this.#parts;
    const { durables } = router;
    const { questions } = this;
    const confirmations = new DurableConfirmations({ questions, clock, learn: (binding) => durables.learn(binding) });
    durables.joinNodes((binding) => confirmations.confirm(binding));
  }

  /** Whether what is published here can reach other nodes. */
  get hasRelay(): boolean {
    return this.#parts.nodeRelay !== null;
  }

  /** Whether there may be other nodes. */
  get isAttached(): boolean {
    return this.hasRelay || this.#parts.members !== null;
  }

  /** Another node has its name: nobody counts on this one. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** What went to other nodes and came from them; null: there are none. */
  get counts(): NodeRelayCounts | null {
    return this.#parts.nodeRelay?.counts ?? null;
  }

  /** Why other nodes cannot be reached; null: they can, or there are none. */
  get relayProblem(): RelayProblem | null {
    return this.#parts.nodeRelay?.problem ?? null;
  }

  /** Why the others do not count on this node; null: they do, or there are none. */
  get membersProblem(): RelayProblem | null {
    return this.#parts.members?.problem ?? null;
  }

  /** This node becomes one of the cluster: before it takes up what the store holds. @returns undefined: there is none */
  join(): Promise<void> | undefined {
    return this.#parts.members?.start();
  }

  /** The other nodes are met, as far as they can be. */
  async connect(): Promise<void> {
    const { nodeRelay, router, quotas } = this.#parts;
    if (nodeRelay !== null) await this.#startRelay(nodeRelay);
    await router.sharedHistories?.start();
    this.#watches?.start();
    if (quotas.isShared) this.#quotas?.start();
  }

  async #startRelay(relay: NodeRelay): Promise<void> {
    const { router, events } = this.#parts;
    await relay.start({
      onMessage: (destination, octets) => {
        router.arrivals.receive(destination, octets);
      },
      onAvailable: (available) => {
        const { gaps, dropped } = relay.counts;
        const type = available ? 'nodes-reachable' : 'nodes-unreachable';
        router.serverTopics.feed.emit({ type, gaps, dropped });
        if (available) this.#watches?.met();
        events.emit('availability', { available });
      },
    });
  }

  /** Questions that are open are answered with what there is. */
  stopAsking(): void {
    this.questions.stop();
  }

  /** Nothing goes to other nodes any more, and nothing comes; behind what the end of the sessions tells them. */
  async disconnect(): Promise<void> {
    const { nodeRelay, router } = this.#parts;
    await router.sharedHistories?.stop();
    this.#quotas?.stop();
    this.#watches?.stop();
    await nodeRelay?.stop();
  }

  /** Last of all: the others take back what a node holds when it has left. */
  async leave(): Promise<void> {
    await this.#parts.members?.stop();
  }
}
