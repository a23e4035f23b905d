/**
 * The queues of this node, or of all nodes where they share a store: by which rules they are made and with what, how many
 * there may be, and where their dead letters go.
 */
import { SharedQueues } from '../cluster/shared-queues.js';
import type { SharedQueue } from '../cluster/shared-queue.js';
import { DeadLetters } from '../destinations/dead-letters.js';
import type { KeptQueue } from '../destinations/kept-queue.js';
import { Queue, QUEUE_STREAM, type QueueParts } from '../destinations/queue.js';
import type { Route } from '../destinations/route.js';
import type { RouteTable } from '../destinations/route-table.js';
import { BrokerError } from '../errors.js';
import type { BrokerOptions } from '../options.js';
import { type QueueOptions, QueueRules } from '../queue-options.js';

export interface QueuesParts extends Omit<QueueParts, 'deadLetters'> {
  readonly routes: RouteTable;
  /** The route of a dead-letter destination, made at first need, however many queues there are. */
  readonly keptRoute: (destination: string) => Route;
  /** The queue of a stream of the shared store; undefined: it is none of this node's options. */
  readonly findShared: (stream: string) => SharedQueue | undefined;
}

export class Queues {
  readonly rules: QueueRules;
  /** What each is made with. */
  readonly parts: QueueParts;
  /** Those of all nodes; null: they are this node's own. */
  readonly shared: SharedQueues | null;
  readonly #routes: RouteTable;
  readonly #maxQueues: number;

  constructor(options: BrokerOptions, parts: QueuesParts) {
    const { wheel, clock, stats, logger, turns, journal, nextMessageId, routes, keptRoute, findShared } = parts;
    const deadLetters = new DeadLetters({
      stats,
      nextMessageId,
      logger,
      hasRoom: (destination, messages, bytes) => {
        const route = routes.get(destination);
        return !(route instanceof Queue) || route.hasRoom(messages, bytes);
      },
      publish: (destination, message, unit) => {
        keptRoute(destination).publish(message, unit);
      },
    });
    this.rules = new QueueRules(options.queues, options.queueDefaults, options.destinations.separator);
    this.parts = { wheel, clock, stats, deadLetters, logger, turns, journal, nextMessageId };
    this.shared = journal?.isShared === true ? new SharedQueues({ ...this.parts, journal, find: findShared }) : null;
    this.#routes = routes;
    this.#maxQueues = options.limits.maxQueues;
  }

  /**
   * @param isKept what is for it would be lost otherwise: however many there are
   * @throws BrokerError `limit-exceeded`
   */
  make(destination: string, options: QueueOptions, isKept: boolean): KeptQueue {
    // Those of all nodes are kept elsewhere.
    if (this.shared === null && !isKept && !this.#routes.hasRoomForQueue(this.#maxQueues)) {
      throw new BrokerError('limit-exceeded', `${this.#maxQueues} queues on this server is the limit`);
    }
    return this.create(destination, options, QUEUE_STREAM + destination);
  }

  /** As `make`, without a limit. @param stream what it is called in the store */
  create(destination: string, options: QueueOptions, stream: string): KeptQueue {
    return this.shared === null
      ? new Queue(destination, options, this.parts, stream)
      : this.shared.create(destination, stream, options);
  }
}
