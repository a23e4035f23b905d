/**
 * Asking a client from the application's own code: a message with a `reply-to` of its own, and a promise of what comes there.
 * Each request has an address that nobody can guess, so whoever answers need not echo anything.
 */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { ReplyAddresses } from '../destinations/reply-addresses.js';
import type { Route } from '../destinations/route.js';
import type { Message } from '../message.js';
import type { Clock } from '../ports.js';
import type { Router } from '../router.js';
import type { BrokerStats } from '../stats.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { TimerWheel, WheelEntry } from '../timer-wheel.js';
import type { PayloadOf } from './handler-registry.js';
import type { MessageHeaders, MessagingTemplate } from './messaging-template.js';
import { readPayload } from './payload.js';
import type { StandardSchema } from './standard-schema.js';

export interface RequestOptions<Schema extends StandardSchema | undefined = undefined> {
  /** How long to wait for the reply, in ms. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Of the message; `reply-to` is set by the broker, `correlation-id` and `expiration` (`timeoutMs`) where they are missing. */
  readonly headers?: MessageHeaders | undefined;
  /** Any Standard Schema, for the reply (zod, valibot, arktype …). */
  readonly schema?: Schema;
}

/** What somebody has sent to a request's `reply-to`. */
export interface Reply<Payload = unknown> {
  /**
   * What the schema makes of the body. Without a schema by content-type: JSON as a value, `text/*` and no content-type as
   * a string, everything else as a Buffer.
   */
  readonly payload: Payload;
  /** The first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** The body as UTF-8. */
  readonly text: string;
}

export interface RequestParts {
  readonly template: MessagingTemplate;
  readonly router: Router;
  readonly addresses: ReplyAddresses;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly stats: BrokerStats;
  readonly createId: () => string;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** The most that `expiration` can say: 15 digits. */
const MAX_EXPIRATION_MS = 999_999_999_999_999;

export class Requests {
  readonly #parts: RequestParts;
  /** Waiting for their reply. */
  readonly #pending = new Set<PendingRequest>();
  #isStopped = false;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Requests that wait for their reply. */
  get size(): number {
    return this.#pending.size;
  }

  /** From now on requests may be made, as before the first stop. */
  start(): void {
    this.#isStopped = false;
  }

  /** No reply can come any more: what waits, and what is asked from now on, rejects with `server-shutdown`. */
  stop(): void {
    this.#isStopped = true;
    for (const request of this.#pending) request.fail(stopped());
  }

  /** @see Broker.request */
  async request<Schema extends StandardSchema | undefined>(
    destination: string,
    payload: unknown,
    options: RequestOptions<Schema>,
  ): Promise<Reply<PayloadOf<Schema>>> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, headers = {}, schema } = options;
    if (this.#isStopped) throw stopped();
    if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) {
      throw new BrokerError('invalid-option', `timeoutMs: got ${String(timeoutMs)}, wants a number above 0`);
    }
    if (this.#parts.router.kinds.check(destination) === 'app') {
      throw new BrokerError(
        'destination-invalid',
        `A request to ${quoteInput(destination, 120)} reaches no client: handlers are for clients`,
      );
    }
    const message = await this.#ask(destination, payload, headers, timeoutMs);
    return readReply(message, schema);
  }

  #ask(destination: string, payload: unknown, headers: MessageHeaders, timeoutMs: number): Promise<Message> {
    const { template, addresses, createId } = this.#parts;
    return new Promise((resolve, reject) => {
      const request = this.#open(destination, timeoutMs, { resolve, reject });
      addresses.set(request.destination, request);
      // In a queue or an inbox it is of no use to anybody once nobody waits for its reply.
      const expiration = Math.min(Math.ceil(timeoutMs), MAX_EXPIRATION_MS);
      const all = { 'correlation-id': createId(), expiration, ...headers, 'reply-to': request.destination };
      template.convertAndSend(destination, payload, all).catch((error: unknown) => {
        request.fail(error);
      });
    });
  }

  #open(asked: string, timeoutMs: number, outcome: Outcome): PendingRequest {
    const { addresses, wheel, clock, stats } = this.#parts;
    const request: PendingRequest = new PendingRequest(addresses.create('application'), outcome, {
      onSettled: () => {
        wheel.cancel(request);
        addresses.delete(request.destination);
        this.#pending.delete(request);
      },
      onDue: () => {
        request.fail(
          new BrokerError(
            'request-timeout',
            `No reply to a request to ${quoteInput(asked, 120)} within ${timeoutMs} ms`,
          ),
        );
      },
      onLate: () => {
        stats.messagesDropped++;
      },
    });
    this.#pending.add(request);
    wheel.schedule(request, clock.nowMs() + timeoutMs);
    return request;
  }
}

interface Outcome {
  readonly resolve: (message: Message) => void;
  readonly reject: (error: unknown) => void;
}

interface RequestEvents {
  readonly onSettled: () => void;
  readonly onDue: () => void;
  /** A reply after the first. */
  readonly onLate: () => void;
}

/** One request: the route of its address, and an entry of the wheel. */
class PendingRequest implements Route, WheelEntry {
  readonly destination: string;
  readonly kind = 'reply';
  readonly isDirect = true;
  readonly subscriberCount = 0;
  readonly isIdle = false;
  isLive = true;
  dueMs = 0;
  wheelSlot = -1;
  wheelIndex = -1;
  readonly #outcome: Outcome;
  readonly #events: RequestEvents;

  constructor(address: string, outcome: Outcome, events: RequestEvents) {
    this.destination = address;
    this.#outcome = outcome;
    this.#events = events;
  }

  publish(message: Message, unit: WriteUnit | null): void {
    message.own();
    const arrive = (): void => {
      // A transaction may take its time to be stored.
      if (!this.isLive) {
        this.#events.onLate();
        return;
      }
      this.#settle();
      this.#outcome.resolve(message);
    };
    if (unit === null) arrive();
    else unit.show(arrive);
  }

  fail(error: unknown): void {
    if (!this.isLive) return;
    this.#settle();
    this.#outcome.reject(error);
  }

  onDue(): number {
    this.#events.onDue();
    return 0;
  }

  add(): void {
    // Nobody subscribes to an address.
  }

  remove(): void {
    // See add.
  }

  #settle(): void {
    this.isLive = false;
    this.#events.onSettled();
  }
}

/** @throws BrokerError `payload-invalid` */
async function readReply<Schema extends StandardSchema | undefined>(
  message: Message,
  schema: Schema | undefined,
): Promise<Reply<PayloadOf<Schema>>> {
  const { headers, body } = message.decode();
  const payload = (await readPayload(body, headers.get('content-type'), schema)) as PayloadOf<Schema>;
  return {
    payload,
    headers: headers.toMap(),
    body,
    get text() {
      return body.toString();
    },
  };
}

function stopped(): BrokerError {
  return new BrokerError('server-shutdown', 'The broker was stopped: no reply can come');
}
