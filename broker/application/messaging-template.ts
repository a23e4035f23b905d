/**
 * Sending from the application's own code (Spring S7.1–S7.6): to topics, queues and users; not to `/app`, whose handlers
 * are for clients. Usable before and after start.
 */
import { Headers, quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { isTrue } from '../flag-value.js';
import { WriteUnit } from '../storage/write-unit.js';
import { encodePayload } from './payload.js';
import type { Journal } from '../storage/journal.js';
import type { LeaseGuard } from '../cluster/lease-guard.js';
import { chain } from '../maybe-promise.js';
import { APPLICATION_SENDER, type Keyed, type MessageKeys } from '../message-keys.js';
import type { MessagePublisher } from '../message-publisher.js';

/** Header names and values of a message; values become text. */
export type MessageHeaders = Readonly<Record<string, string | number | boolean>>;

export class MessagingTemplate {
  readonly #publisher: MessagePublisher;
  readonly #journal: Journal | null;
  readonly #keys: MessageKeys;
  readonly #guard: LeaseGuard | null;

  /** @param journal null: nothing is stored @param guard null: there are no other nodes */
  constructor(
    publisher: MessagePublisher,
    journal: Journal | null,
    keys: MessageKeys,
    guard: LeaseGuard | null = null,
  ) {
    this.#publisher = publisher;
    this.#journal = journal;
    this.#keys = keys;
    this.#guard = guard;
  }

  /**
   * Sends `payload`: text as text, octets as octets, anything else as JSON; its content-type wins over one in `headers`.
   * Resolves when accepted: with every subscriber's outbox, in the queue, and stored if it is to be; on its way to the
   * external broker where the destination is one of its, and confirmed there with a header `persistent: true`. Order of calls is order of messages.
   * With a `message-key` that the application has sent there within the window it resolves and nothing is sent.
   * @throws BrokerError `payload-invalid`, `header-invalid`, `destination-…`, `queue-full`, `store-full`, `store-failed`
   */
  convertAndSend(destination: string, payload: unknown, headers: MessageHeaders = {}): Promise<void> {
    return this.#send(destination, payload, headers);
  }

  /**
   * Sends to every session of a user, at `/user/queue/…` as they see it.
   * @param user a name; a slash in it is fine, the three characters `%2F` are not: as a destination they are a slash
   * @param destination what stands behind the user, e.g. `/queue/orders`; a missing slash is added
   * @param options `session` sends to that one session of the user only; with its id as `user` too it reaches an
   * anonymous one (Spring S7.6)
   * @throws BrokerError as `convertAndSend`
   */
  convertAndSendToUser(
    user: string,
    destination: string,
    payload: unknown,
    headers: MessageHeaders = {},
    options: { readonly session?: string | undefined } = {},
  ): Promise<void> {
    return this.#try(() => {
      if (user === '' || user.includes('%2F')) {
        throw new BrokerError('destination-invalid', `${quoteInput(user, 120)} cannot be a user in a destination`);
      }
      const rest = destination.startsWith('/') ? destination : `/${destination}`;
      checkText(destination);
      const { body, list } = encode(payload, headers);
      const sessionId = options.session ?? null;
      return {
        key: this.#keys.read(list, APPLICATION_SENDER, JSON.stringify([user, rest, sessionId])),
        isAwaited: isPersistent(list),
        publish: (unit) => {
          this.#publisher.publishToUser(user, rest, list, body, sessionId, unit);
        },
      };
    });
  }

  #send(destination: string, payload: unknown, headers: MessageHeaders): Promise<void> {
    return this.#try(() => {
      checkText(destination);
      const { body, list } = encode(payload, headers);
      return {
        key: this.#keys.read(list, APPLICATION_SENDER, destination),
        isAwaited: isPersistent(list),
        publish: (unit) => {
          this.#publisher.publish(destination, list, body, null, unit);
        },
      };
    });
  }

  #try(prepare: () => Outgoing): Promise<void> {
    const late = this.#guard?.caughtUp();
    return late === undefined ? this.#tryNow(prepare) : late.then(() => this.#tryNow(prepare));
  }

  #tryNow(prepare: () => Outgoing): Promise<void> {
    try {
      const unit = new WriteUnit(this.#journal);
      return chain(this.#keys.claim([prepare()], unit), (fresh) => this.#publish(fresh, unit)) ?? Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #publish(fresh: readonly Outgoing[], unit: WriteUnit): Promise<void> | undefined {
    void unit.fill(() => {
      for (const { publish } of fresh) publish(unit);
      this.#keys.store(fresh, unit);
    });
    return unit.submit(fresh.some(({ isAwaited }) => isAwaited));
  }
}

/** A message of the application. */
interface Outgoing extends Keyed {
  /** An external broker is to confirm it. */
  readonly isAwaited: boolean;
  readonly publish: (unit: WriteUnit) => void;
}

function encode(payload: unknown, headers: MessageHeaders): { body: Buffer; list: Headers } {
  const { body, contentType } = encodePayload(payload);
  const list = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'content-type' || name === 'destination') continue;
    const text = String(value);
    // Nothing escapes a NUL: it would end the frame in the middle, and what follows would be read as the next one.
    if (name === '' || name.includes('\0') || text.includes('\0')) {
      throw new BrokerError('header-invalid', `Header ${quoteInput(name, 120)} has no name, or a NUL`);
    }
    list.append(name, text);
  }
  list.append('content-type', contentType);
  return { body, list };
}

function isPersistent(headers: Headers): boolean {
  return isTrue(headers.get('persistent'));
}

function checkText(destination: string): void {
  if (destination === '' || destination.includes('\0')) {
    throw new BrokerError('destination-invalid', `Destination ${quoteInput(destination, 120)} is empty, or has a NUL`);
  }
}
