/**
 * `/temp-queue/x`: queues of one session each, under names that mean nothing to any other (conformance ). Others
 * send to the queue's address, which they are told in `reply-to`. It ends with its session, and so does what it holds.
 */
import { Headers, quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { Message } from '../message.js';
import type { QueueOptions } from '../queue-options.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import { isPattern } from './pattern.js';
import { Queue, type QueueParts } from './queue.js';
import type { ReplyAddresses } from './reply-addresses.js';
import { TEMPORARY_QUEUE_PREFIX } from './reserved-prefixes.js';
import type { Route } from './route.js';

export function isTemporaryQueue(destination: string): boolean {
  return destination.startsWith(TEMPORARY_QUEUE_PREFIX);
}

export class TemporaryQueue implements Route {
  /** The address. */
  readonly destination: string;
  readonly kind = 'reply';
  readonly isDirect = true;
  isLive = true;
  /** The subscription that a SEND brought about, as the session had none; gives way to a SUBSCRIBE. */
  implied: Subscription | null = null;
  /** As its session calls it. */
  readonly #name: string;
  readonly #queue: Queue;

  constructor(address: string, name: string, queue: Queue) {
    this.destination = address;
    this.#name = name;
    this.#queue = queue;
  }

  get subscriberCount(): number {
    return this.#queue.subscriberCount;
  }

  /** Whoever was told the address may use it whenever: it is its session that ends it. */
  get isIdle(): boolean {
    return false;
  }

  /** The receiver sees the name that it knows, as from ActiveMQ. @throws BrokerError `queue-full`, `header-invalid` */
  publish(message: Message, unit: WriteUnit | null): void {
    const { headers, body } = message.decode();
    const named = new Headers([['destination', this.#name]]);
    for (const [name, value] of headers) if (name !== 'destination') named.append(name, value);
    this.#queue.publish(Message.fromHeaders(message.id, named, body), unit);
  }

  /** @throws BrokerError `queue-full` when so much more could not be kept */
  checkRoom(messages: number, bytes: number): void {
    this.#queue.checkRoom(messages, bytes);
  }

  add(subscription: Subscription): void {
    this.#queue.add(subscription);
  }

  remove(subscription: Subscription): void {
    if (this.implied === subscription) this.implied = null;
    this.#queue.remove(subscription);
  }

  /** The session has ended. Returns how many messages are gone with it. */
  end(): number {
    this.isLive = false;
    const { depth } = this.#queue;
    this.#queue.close();
    return depth;
  }
}

export interface TemporaryQueueParts {
  readonly addresses: ReplyAddresses;
  readonly queueParts: QueueParts;
  /** Of other queues. */
  readonly queueDefaults: QueueOptions;
  readonly maxPerSession: number;
}

export class TemporaryQueues {
  readonly #parts: TemporaryQueueParts;
  readonly #options: QueueOptions;
  readonly #queueParts: QueueParts;
  /** By session, then by name. */
  readonly #sessions = new Map<string, Map<string, TemporaryQueue>>();
  #size = 0;

  constructor(parts: TemporaryQueueParts) {
    this.#parts = parts;
    // What its session did not want is nobody else's: a dead letter would let others read it.
    this.#options = { ...parts.queueDefaults, mode: 'point-to-point', deadLetter: false, durable: false };
    // And nothing of it outlives the process: it has not outlived its session.
    this.#queueParts = { ...parts.queueParts, journal: null };
  }

  /** Queues of all sessions. */
  get size(): number {
    return this.#size;
  }

  find(sessionId: string, name: string): TemporaryQueue | undefined {
    return this.#sessions.get(sessionId)?.get(name);
  }

  /**
   * The session's queue of that name, made at first need.
   * @throws BrokerError `destination-invalid`, `limit-exceeded`
   */
  claim(sessionId: string, name: string): TemporaryQueue {
    const known = this.find(sessionId, name);
    if (known !== undefined) return known;
    if (name === TEMPORARY_QUEUE_PREFIX || isPattern(name)) {
      throw new BrokerError('destination-invalid', `${quoteInput(name, 120)} names no one temporary queue`);
    }
    const { addresses, maxPerSession } = this.#parts;
    let queues = this.#sessions.get(sessionId);
    if (queues === undefined) this.#sessions.set(sessionId, (queues = new Map<string, TemporaryQueue>()));
    if (queues.size >= maxPerSession) {
      throw new BrokerError('limit-exceeded', `${maxPerSession} temporary queues on one session is the limit`);
    }
    const address = addresses.create('session');
    const queue = new TemporaryQueue(address, name, new Queue(name, this.#options, this.#queueParts));
    queues.set(name, queue);
    this.#size++;
    addresses.set(address, queue);
    return queue;
  }

  /** The session is over, and its subscriptions have ended. Returns how many messages its queues held. */
  end(sessionId: string): number {
    let dropped = 0;
    for (const queue of this.#sessions.get(sessionId)?.values() ?? []) {
      this.#parts.addresses.delete(queue.destination);
      this.#size--;
      dropped += queue.end();
    }
    this.#sessions.delete(sessionId);
    return dropped;
  }
}
