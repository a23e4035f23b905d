/**
 * Producers and consumers of queues and durable subscriptions on several nodes while something breaks: with RECEIPTs,
 * transactions and messages that are not acknowledged, as in test/crash/, and the same checker of what they saw. They come
 * back after each ERROR and each end, and never send a message twice.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { Consumer } from '../../crash/consumer.js';
import { findViolations, type Violation } from '../../crash/find-violations.js';
import { History, type HistoryEvent } from '../../crash/history.js';
import { LoadClient } from '../../crash/load-client.js';
import { MessageNumbers, Producer, sendLast } from '../../crash/producer.js';
import {
  CHECKED,
  connectHeadersOf,
  DEEP,
  type LoadedQueue,
  SERVER_OPTIONS,
  SOURCES,
  subscribeHeadersOf,
  SUBSCRIPTIONS,
  TARGETS,
  DEAD_LETTERS,
} from '../../crash/workload.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { until } from '../../helpers/until.js';

/** What the nodes' option `broker` has to say. */
export const QUEUE_OPTIONS = SERVER_OPTIONS.broker;

/** A node. */
export interface LoadedPlace {
  readonly name: string;
  readonly port: number;
}

/** What clients are told while what nodes share cannot be reached. */
const TROUBLE = new Set(['store-failed', 'relay-unavailable', 'relay-lost']);
/** Of one producer, then it waits. */
const SHARE = 8;
const PAUSE_MS = 100;
const BACK_AFTER_MS = 40;
/** How long nothing may come while messages are still to come. */
const QUIET_MS = 12_000;

/** ERROR says that a message was not taken, or that nobody knows: so what it names may come. */
class DoubtfulHistory extends History {
  /** RECEIPTs of messages and transactions so far. */
  confirmed = 0;

  override add(event: HistoryEvent): void {
    if (event.kind === 'confirmed' || event.kind === 'committed') this.confirmed++;
    if (event.kind !== 'denied' && event.kind !== 'commit-denied') super.add(event);
  }
}

interface Worker {
  readonly place: LoadedPlace;
  /** Null: it produces. */
  readonly queue: LoadedQueue | null;
  readonly over: Promise<void>;
  readonly leave: () => Promise<void>;
}

export interface QueueFigures {
  readonly violations: readonly Violation[];
  /** One line. */
  readonly text: string;
}

export class QueueLoad {
  readonly #seed: string;
  readonly #history = new DoubtfulHistory();
  readonly #numbers = new MessageNumbers();
  readonly #gone = new Set<LoadedPlace>();
  readonly #doubted = new Set<string>();
  readonly #workers: Worker[] = [];
  #isProducing = true;
  #isConsuming = true;
  #refused = 0;

  private constructor(seed: string) {
    this.#seed = seed;
  }

  /** Under load once it resolves. */
  static async start(t: Test, places: readonly LoadedPlace[], seed: string): Promise<QueueLoad> {
    const load = new QueueLoad(seed);
    t.teardown(() => load.#end());
    const [first] = places;
    if (first === undefined) throw new Error('wants a node');
    for (const subscription of SUBSCRIPTIONS) await load.#subscribeDurably(first, subscription);
    for (const [k, place] of places.entries()) {
      load.#workers.push(load.#produce(place));
      for (const [n, queue] of SOURCES.entries()) {
        const isHere = queue.maxConsumers > 1 || n % places.length === k;
        if (isHere && queue !== DEEP) load.#workers.push(load.#consume(place, queue));
      }
    }
    return load;
  }

  /** Until so many more messages and transactions have their RECEIPT. */
  async more(count: number): Promise<void> {
    const wanted = this.#history.confirmed + count;
    await until(`${wanted} RECEIPTs`, () => this.#history.confirmed >= wanted);
  }

  /** A node is no more: what only its clients consumed is consumed at another. */
  lose(place: LoadedPlace, heir: LoadedPlace): void {
    this.#gone.add(place);
    for (const { place: former, queue } of [...this.#workers]) {
      if (former === place && queue?.maxConsumers === 1) this.#workers.push(this.#consume(heir, queue));
    }
  }

  /** Others may be given what its clients have. */
  doubt({ name }: LoadedPlace): void {
    const sessions = new Set<string>();
    for (const event of this.#history.events) if (event.kind === 'delivered') sessions.add(event.session);
    this.#doubted.add(name);
    for (const session of sessions) {
      if (isAt(session, name)) this.#history.add({ kind: 'ended', session });
    }
  }

  /** Nothing more is sent; everything is consumed at one node, and behind it one last message of each queue. */
  async finish({ port }: LoadedPlace): Promise<QueueFigures> {
    await this.#end();
    const drains = SOURCES.map((queue) => this.#consumer(port, `drain-${queue.name}`, queue, true));
    const drained = Promise.all(drains.map((consumer) => consumer.run()));
    await this.#history.settled(QUIET_MS);
    const client = await this.#open(port, 'end');
    for (const { name } of [...TARGETS, DEAD_LETTERS])
      sendLast({ client, history: this.#history, numbers: this.#numbers }, name);
    await client.awaiting(0);
    await this.#history.settled(QUIET_MS);
    await client.leave();
    await Promise.all(drains.map((consumer) => consumer.leave()));
    await drained;
    return this.#figures();
  }

  async #end(): Promise<void> {
    const here = this.#workers.filter(({ place }) => !this.#gone.has(place));
    const end = async (some: readonly Worker[]): Promise<void> => {
      await Promise.all(some.map(async ({ leave }) => leave()));
      await Promise.all(some.map(async ({ over }) => over));
    };
    this.#isProducing = false;
    await end(here.filter(({ queue }) => queue === null));
    this.#isConsuming = false;
    await end(here.filter(({ queue }) => queue !== null));
  }

  async #subscribeDurably({ port }: LoadedPlace, subscription: LoadedQueue): Promise<void> {
    const client = await this.#open(port, subscription.name, connectHeadersOf(subscription));
    client.request('SUBSCRIBE', { id: '0', ...subscribeHeadersOf(subscription) }, () => undefined);
    await client.awaiting(0);
    await client.leave();
  }

  #produce(place: LoadedPlace): Worker {
    const name = `p${place.name}`;
    const random = new SeededRandom(`${this.#seed} ${name}`);
    const run = async (): Promise<void> => {
      let client: LoadClient | null = null;
      while (this.#isProducing && !this.#gone.has(place)) {
        if (client?.hasEnded !== false) client = await this.#open(place.port, name);
        const parts = { name, queues: TARGETS, client, history: this.#history, numbers: this.#numbers, random };
        await new Producer(parts).run(SHARE);
        await client.awaiting(0);
        await delay(PAUSE_MS);
      }
      if (client?.hasEnded === false) await client.leave();
    };
    return { place, queue: null, over: run(), leave: () => Promise.resolve() };
  }

  #consume(place: LoadedPlace, queue: LoadedQueue): Worker {
    let current: Consumer | null = null;
    let isOver = false;
    const run = async (): Promise<void> => {
      for (let visit = 0; this.#isConsuming && !this.#gone.has(place); visit++) {
        current = this.#consumer(place.port, `${queue.name}-consumer-${place.name}`, queue, false, visit);
        await current.run();
        await delay(BACK_AFTER_MS);
      }
      isOver = true;
    };
    const leave = async (): Promise<void> => {
      // It may be about to connect.
      while (!isOver) {
        await current?.leave();
        await delay(BACK_AFTER_MS);
      }
    };
    return { place, queue, over: run(), leave };
  }

  #consumer(port: number, name: string, queue: LoadedQueue, isDraining: boolean, visit = 0): Consumer {
    return new Consumer({
      ...{ name, queue, port, history: this.#history, numbers: this.#numbers, isDraining },
      random: new SeededRandom(`${this.#seed} ${name} ${visit}`),
      onFrame: () => undefined,
      onFault: (text, code) => {
        this.#onFault(text, code);
      },
    });
  }

  #open(port: number, name: string, headers: Readonly<Record<string, string>> = {}): Promise<LoadClient> {
    const onFault = (text: string, code?: string): void => {
      this.#onFault(`${name}: ${text}`, code);
    };
    return LoadClient.open(port, { onFault, onEnd: () => undefined }, headers);
  }

  #onFault(text: string, code: string | undefined): void {
    const isLate = code === 'message-gone' && this.#doubted.size > 0;
    if (isLate || (code !== undefined && TROUBLE.has(code))) this.#refused++;
    else this.#history.add({ kind: 'fault', text });
  }

  #figures(): QueueFigures {
    const { events } = this.#history;
    const count = (kind: HistoryEvent['kind']): number => events.filter((event) => event.kind === kind).length;
    const delivered = events.flatMap((event) => (event.kind === 'delivered' ? [event] : []));
    const again = delivered.filter(({ redelivered }) => redelivered).length;
    const violations = findViolations(events, CHECKED).filter((violation) => !this.#isExpected(violation, delivered));
    const lost = violations.filter(({ kind }) => kind === 'lost').length + this.#history.owed;
    const twice = violations.filter(({ kind }) => kind === 'unmarked' || kind === 'delivered twice').length;
    const sent = `${count('sent')} sent, ${count('confirmed')} receipted, ${count('committed')} transactions receipted`;
    const came = `${delivered.length} delivered, ${again} of them redelivered, ${lost} lost, ${twice} twice`;
    return { violations, text: `queues: ${sent}, ${this.#refused} ERRORs; ${came}` };
  }

  #isExpected(
    { kind, ids, text }: Violation,
    delivered: readonly Extract<HistoryEvent, { kind: 'delivered' }>[],
  ): boolean {
    // What a node had claimed and not delivered comes back behind what others have had since.
    if (kind === 'reordered') return true;
    const isDoubted = (session: string): boolean => [...this.#doubted].some((name) => isAt(session, name));
    const came = delivered.filter(({ id }) => ids.includes(id));
    // What a client had acknowledged at a node that others gave up may be with one of another node by then.
    if (kind === 'returned') return came.some(({ session }) => isDoubted(session));
    // Or it was done with there, before the COMMIT that came too late: then nothing was sent.
    const isOfWorker = (id: string): boolean => id.includes('-consumer-');
    return kind === 'half a transaction' && isDoubted(text) && !came.some(({ id }) => isOfWorker(id));
  }
}

/** Whether a session of a consumer was at the node of that name. */
function isAt(session: string, name: string): boolean {
  return session.includes(`-consumer-${name}#`);
}
