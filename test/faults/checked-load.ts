/**
 * The load of the crash test, whose checker knows what was promised: producers with receipts and transactions, one consumer
 * for each queue, over all lives of a broker; at its end every queue is emptied and the history looked into.
 */
import { Consumer } from '../crash/consumer.js';
import { findViolations } from '../crash/find-violations.js';
import { History } from '../crash/history.js';
import { LoadClient } from '../crash/load-client.js';
import { MessageNumbers, Producer } from '../crash/producer.js';
import {
  ALL_TARGETS,
  bodyOf,
  CHECKED,
  connectHeadersOf,
  copiesOf,
  headersOf,
  SOURCES,
  subscribeHeadersOf,
  SUBSCRIPTIONS,
  TARGETS,
} from '../crash/workload.js';
import { SeededRandom } from '../helpers/seeded-random.js';

const PRODUCERS = 4;
const QUIET_MS = 10_000;

export class CheckedLoad {
  readonly history = new History();
  readonly #seed: string;
  readonly #numbers = new MessageNumbers();
  #life = 0;
  /** Of the life that is on: resolve when its clients are gone. */
  #lives: Promise<void>[] = [];

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** Durable subscriptions get what is published from then on. */
  async subscribe(port: number): Promise<void> {
    for (const subscription of SUBSCRIPTIONS) {
      const client = await this.#open(port, subscription.name, connectHeadersOf(subscription));
      client.request('SUBSCRIBE', { id: '0', ...subscribeHeadersOf(subscription) }, () => undefined);
      await client.awaiting(0);
      await client.leave();
    }
  }

  /** @param messages of each producer, at most: the end of the broker may come before */
  start(port: number, messages: number): void {
    this.#life++;
    // One for each queue: what the broker takes back from one that goes, another could be seen to have before it is gone.
    for (const consumer of this.#consumers(port, false)) this.#lives.push(consumer.run());
    for (let k = 0; k < PRODUCERS; k++) this.#lives.push(this.#produce(port, `p${k}`, messages));
  }

  /** Resolves when the broker has let all of them go. */
  async ended(): Promise<void> {
    await Promise.all(this.#lives.splice(0));
    this.history.add({ kind: 'restarted' });
  }

  /** Takes everything out, and behind it a last message for each queue. */
  async empty(port: number): Promise<void> {
    this.#life++;
    const consumers = this.#consumers(port, true);
    const gone = Promise.all(consumers.map((consumer) => consumer.run()));
    await this.history.settled(QUIET_MS);
    const client = await this.#open(port, 'end');
    for (const { name } of ALL_TARGETS) this.#sendLast(client, name);
    await client.awaiting(0);
    await this.history.settled(QUIET_MS);
    await client.leave();
    await Promise.all(consumers.map((consumer) => consumer.leave()));
    await gone;
    this.history.add({ kind: 'restarted' });
  }

  /** Each in one line. */
  violations(): string[] {
    return findViolations(this.history.events, CHECKED).map(({ kind, text }) => `${kind}: ${text}`);
  }

  count(kind: string): number {
    return this.history.events.filter((event) => event.kind === kind).length;
  }

  #random(what: string): SeededRandom {
    return new SeededRandom(`${this.#seed} ${this.#life} ${what}`);
  }

  async #produce(port: number, name: string, messages: number): Promise<void> {
    const client = await this.#open(port, name);
    const parts = { name, queues: TARGETS, client, history: this.history, numbers: this.#numbers };
    await new Producer({ ...parts, random: this.#random(name) }).run(messages);
    await client.closed;
  }

  #consumers(port: number, isDraining: boolean): Consumer[] {
    return SOURCES.map((queue) => {
      const name = `${queue.name}-consumer`;
      const parts = { name, queue, port, history: this.history, numbers: this.#numbers, isDraining };
      const onFault = (text: string): void => this.history.add({ kind: 'fault', text });
      return new Consumer({ ...parts, random: this.#random(name), onFrame: () => undefined, onFault });
    });
  }

  #open(port: number, name: string, headers: Readonly<Record<string, string>> = {}): Promise<LoadClient> {
    const onFault = (text: string): void => this.history.add({ kind: 'fault', text: `${name}: ${text}` });
    return LoadClient.open(port, { onFault, onEnd: () => undefined }, headers);
  }

  #sendLast(client: LoadClient, queue: string): void {
    const id = this.#numbers.next('end', queue, 0);
    const copies = copiesOf(id);
    for (const copy of copies) this.history.add({ kind: 'sent', id: copy, transaction: null });
    const onReceipt = (): void => {
      for (const copy of copies) this.history.add({ kind: 'confirmed', id: copy });
    };
    client.request('SEND', headersOf(id), onReceipt, { body: bodyOf(id) });
  }
}
