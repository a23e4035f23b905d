/**
 * Takes messages of one queue and acknowledges them its queue's way, with RECEIPTs; refuses some, rejects some for good,
 * goes away now and then and comes back. When it is to drain it acknowledges everything at once.
 */
import type { SeededRandom } from '../helpers/seeded-random.js';
import { header, type ServerFrame } from '../helpers/server-frames.js';
import type { History } from './history.js';
import { LoadClient } from './load-client.js';
import type { MessageNumbers } from './producer.js';
import {
  bodyOf,
  connectHeadersOf,
  copyFrom,
  DEAD_LETTERS,
  headersOf,
  idOfBody,
  RESULTS,
  subscribeHeadersOf,
  type LoadedQueue,
} from './workload.js';

/** More than what is ever held back, so that there is always a message that can come. */
const PREFETCH = 24;
const MOST_HELD = 8;
const MOST_IN_TRANSACTION = 3;

export interface ConsumerParts {
  readonly name: string;
  readonly queue: LoadedQueue;
  readonly port: number;
  readonly history: History;
  readonly numbers: MessageNumbers;
  readonly random: SeededRandom;
  readonly isDraining: boolean;
  readonly onFrame: () => void;
  readonly onFault: (text: string, code?: string) => void;
}

/** A delivery that is not settled. */
interface Held {
  readonly id: string;
  readonly ack: string;
}

export class Consumer {
  readonly #parts: ConsumerParts;
  #client: LoadClient | null = null;
  #session = '';
  #sessions = 0;
  /** Oldest first. */
  #held: Held[] = [];
  #transactions = 0;
  /** Deliveries until it goes away. */
  #patience = Infinity;
  #isLeaving = false;
  #comesBack = false;

  constructor(parts: ConsumerParts) {
    this.#parts = parts;
  }

  /** Resolves when its connection is gone for good. */
  async run(): Promise<void> {
    while (await this.#visit());
  }

  /** Goes away for good, in an orderly way. */
  async leave(): Promise<void> {
    this.#comesBack = false;
    this.#isLeaving = true;
    await this.#client?.leave();
  }

  /** Resolves at the end of one connection. @returns whether another follows */
  async #visit(): Promise<boolean> {
    this.#comesBack = false;
    await this.#connect();
    await this.#client?.closed;
    return this.#comesBack;
  }

  async #connect(): Promise<void> {
    const { name, queue, port, history, random, isDraining, onFrame, onFault } = this.#parts;
    const session = `${name}#${++this.#sessions}@${history.events.length}`;
    this.#session = session;
    this.#held = [];
    this.#isLeaving = false;
    this.#patience = isDraining || random.chance(0.5) ? Infinity : random.between(10, 120);
    const events = {
      onMessage: (message: ServerFrame): void => this.#onMessage(message),
      onFrame,
      onFault: (text: string, code?: string): void => onFault(`${session}: ${text}`, code),
      onEnd: (): void => history.add({ kind: 'ended', session }),
    };
    const client = await LoadClient.open(port, events, connectHeadersOf(queue));
    this.#client = client;
    client.send('SUBSCRIBE', { id: '0', 'prefetch-count': String(PREFETCH), ...subscribeHeadersOf(queue) });
  }

  #onMessage(message: ServerFrame): void {
    const { history, queue, isDraining } = this.#parts;
    const sent = idOfBody(message.body);
    if (sent === null) {
      history.add({ kind: 'fault', text: `${this.#session}: a body that was not sent, from ${queue.name}` });
      return;
    }
    this.#checkHeaders(sent, message);
    const id = copyFrom(queue, sent);
    const redelivered = header(message, 'redelivered') === 'true';
    history.add({ kind: 'delivered', id, queue: queue.name, session: this.#session, redelivered });
    this.#held.push({ id, ack: header(message, 'ack') ?? '' });
    if (isDraining) this.#acknowledgeAll();
    else if (!this.#goesAway()) this.#settleSome();
  }

  #checkHeaders(id: string, message: ServerFrame): void {
    const { persistent, priority, note } = headersOf(id);
    const sent = { persistent, priority, note: note?.replace('\\c', ':').replace('\\n', '\n') };
    for (const [name, value] of Object.entries(sent)) {
      const got = header(message, name) ?? '';
      if (value === undefined || got === value) continue;
      this.#parts.history.add({ kind: 'fault', text: `${id}: ${name} was ${value} and is ${JSON.stringify(got)}` });
    }
  }

  #settleSome(): void {
    const { queue, random } = this.#parts;
    if (queue.consumers === 'cumulative') {
      if (this.#held.length > MOST_HELD || random.chance(0.3)) this.#acknowledge(this.#held, this.#held.at(-1));
    } else if (queue.consumers === 'in transactions') {
      if (this.#held.length >= MOST_IN_TRANSACTION || random.chance(0.3)) this.#transact();
    } else this.#settleOne();
  }

  /** One by one: mostly the newest at once, some later. */
  #settleOne(): void {
    const { queue, random } = this.#parts;
    const choice = random.next();
    if (this.#held.length > MOST_HELD) this.#acknowledgeAll();
    else if (choice < 0.75) this.#acknowledge(this.#held.slice(-1), this.#held.at(-1));
    else if (choice < 0.82) this.#refuse();
    else if (choice < 0.86 && queue !== DEAD_LETTERS) this.#reject();
  }

  #acknowledgeAll(): void {
    for (const one of this.#held.slice()) this.#acknowledge([one], one);
  }

  /** @param last whose ACK is ACK of all of them */
  #acknowledge(some: readonly Held[], last: Held | undefined): void {
    const { history } = this.#parts;
    if (last === undefined) return;
    const ids = some.map(({ id }) => id);
    this.#held = this.#held.filter((one) => !some.includes(one));
    history.add({ kind: 'acked', ids });
    this.#client?.request('ACK', { id: last.ack }, () => history.add({ kind: 'ack-confirmed', ids }));
  }

  #refuse(): void {
    const { history, random } = this.#parts;
    const one = this.#held.pop();
    if (one === undefined) return;
    history.add({ kind: 'refused', id: one.id });
    const delay = random.chance(0.3) ? { delay: '20' } : {};
    this.#client?.request('NACK', { id: one.ack, ...delay }, () => undefined);
  }

  #reject(): void {
    const { history } = this.#parts;
    const one = this.#held.pop();
    if (one === undefined) return;
    const { id, ack } = one;
    history.add({ kind: 'rejected', id });
    const onReceipt = (): void => history.add({ kind: 'reject-confirmed', id });
    this.#client?.request('NACK', { id: ack, requeue: 'false' }, onReceipt);
  }

  /** Everything held is settled and its results are sent, at once or not at all. */
  #transact(): void {
    const { name: consumer, history, numbers, random } = this.#parts;
    const name = `${this.#session}-${++this.#transactions}`;
    this.#client?.send('BEGIN', { transaction: name });
    const sends = random.chance(0.1) ? [] : RESULTS.map((queue) => numbers.next(consumer, queue, 4));
    for (const id of sends) {
      history.add({ kind: 'sent', id, transaction: name });
      this.#client?.send('SEND', { ...headersOf(id), transaction: name }, bodyOf(id));
    }
    const rejects = this.#held.filter(() => random.chance(0.1));
    const acks = this.#held.filter((one) => !rejects.includes(one));
    for (const { ack } of acks) this.#client?.send('ACK', { id: ack, transaction: name });
    for (const { ack } of rejects) this.#client?.send('NACK', { id: ack, requeue: 'false', transaction: name });
    if (random.chance(0.15)) {
      // What was taken is pending again and goes into the next one.
      this.#client?.request('ABORT', { transaction: name }, () => undefined);
      return;
    }
    this.#held = [];
    const idsOf = (some: readonly Held[]): string[] => some.map(({ id }) => id);
    history.add({ kind: 'committing', transaction: { name, sends, acks: idsOf(acks), rejects: idsOf(rejects) } });
    const onReceipt = (): void => history.add({ kind: 'committed', name });
    const onError = (): void => history.add({ kind: 'commit-denied', name });
    this.#client?.request('COMMIT', { transaction: name }, onReceipt, { onError });
  }

  /** @returns whether it is going */
  #goesAway(): boolean {
    if (this.#isLeaving) return true;
    if (--this.#patience > 0) return false;
    this.#comesBack = true;
    this.#isLeaving = true;
    // Where nobody else consumes, order holds over sessions only when one has ended before the next begins.
    if (this.#parts.queue.isExclusive) void this.#client?.leave();
    else this.#client?.destroy();
    return true;
  }
}
