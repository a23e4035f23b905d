/**
 * One crash test: a broker is loaded and killed again and again, then emptied, stopped and looked into once more.
 * Everything that is decided at random follows from the seed: what clients do in each life, and when it ends.
 */
import type { Test } from 'tap';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '../helpers/seeded-random.js';
import { BrokerProcess } from './broker-process.js';
import { Consumer } from './consumer.js';
import { findViolations, type Violation } from './find-violations.js';
import { History } from './history.js';
import { LoadClient } from './load-client.js';
import { MessageNumbers, Producer, type ProducerParts, sendLast } from './producer.js';
import {
  ALL_TARGETS,
  CHECKED,
  connectHeadersOf,
  DEEP,
  SERVER_OPTIONS,
  SOURCES,
  subscribeHeadersOf,
  SUBSCRIPTIONS,
  TARGETS,
} from './workload.js';

export interface CrashRunOptions {
  readonly seed: string;
  readonly kills: number;
  /** For the configuration and, unless in memory, the data. */
  readonly directory: string;
  /** Nothing is stored: then the checker has to find it out. */
  readonly isMemory?: boolean;
  /** Keeps what the broker would keep in its directory. */
  readonly redisUrl?: string | undefined;
  /** How long nothing may happen while messages are still to come. */
  readonly quietMs: number;
}

export interface CrashReport {
  readonly history: History;
  readonly violations: readonly Violation[];
  /** Killed before it listened, under load, with a store that fails or has failed, and when nothing came any more. */
  readonly killed: Readonly<Record<'starting' | 'loaded' | 'troubled' | 'idle', number>>;
  /** What the broker logged at level `warn` and above. */
  readonly log: string;
}

/** When a life of the broker ends. */
interface KillInstant {
  /** After so many frames from it, or when nothing comes any more; null: while it starts. */
  readonly afterFrames: number | null;
  readonly thenMs: number;
  /** Before the end the store fails: for so long, or to the end when that is longer; 0: it does not. */
  readonly failsForMs: number;
}

const PRODUCERS = 4;
/** Messages of one producer in one life: enough to be still under way when the kill comes. */
const SHARE = 150;
/** A life under load sees about three frames for each message. */
const MOST_FRAMES = 1_500;
/** The broker looks every second whether its store works again. */
const TROUBLE_MS = 1_500;
/** Of a node: what a dead one had comes back then. */
const LEASE_MS = 500;
/** About how long a start takes. */
const START_MS = 500;
/** A kill that waits for frames comes then at the latest. */
const IDLE_MS = 2_000;

export async function runCrashes(t: Test, options: CrashRunOptions): Promise<CrashReport> {
  return new CrashRun(t, options).run();
}

/** Kills a broker while it starts for the first time in a directory, then starts it once more. @throws when it cannot */
export async function killFirstStart(t: Test, seed: string, directory: string): Promise<void> {
  const data = path.join(directory, 'data');
  const broker = BrokerProcess.start(t, directory, data);
  const afterMs = new SeededRandom(seed).between(0, START_MS);
  await delay(afterMs);
  await broker.kill();
  const next = BrokerProcess.start(t, directory, data);
  await next.listening();
  await next.stop();
}

class CrashRun {
  readonly #t: Test;
  readonly #options: CrashRunOptions;
  readonly #history = new History();
  readonly #numbers = new MessageNumbers();
  readonly #killed = { starting: 0, loaded: 0, troubled: 0, idle: 0 };
  #log = '';
  #isTroubled = false;
  /** Called for each frame of the broker. */
  #onFrame: () => void = () => undefined;

  constructor(t: Test, options: CrashRunOptions) {
    this.#t = t;
    this.#options = options;
  }

  async run(): Promise<CrashReport> {
    await this.#subscribeDurably();
    for (let life = 0; life < this.#options.kills; life++) await this.#liveAndDie(life);
    await this.#empty('first');
    // What was acknowledged has to be gone behind an orderly stop too.
    await this.#empty('second');
    const violations = findViolations(this.#history.events, CHECKED);
    return { history: this.#history, violations, killed: this.#killed, log: this.#log };
  }

  #random(what: string): SeededRandom {
    return new SeededRandom(`${this.#options.seed} ${what}`);
  }

  #startBroker(): BrokerProcess {
    const { directory, isMemory, redisUrl, seed } = this.#options;
    const data = isMemory === true ? false : path.join(directory, 'data');
    const relay = { type: 'redis', url: redisUrl, keyPrefix: `${seed}:`, leaseMs: LEASE_MS };
    const options = redisUrl === undefined ? SERVER_OPTIONS : { ...SERVER_OPTIONS, relay };
    return BrokerProcess.start(this.#t, directory, data, options);
  }

  /** A durable subscription that was confirmed gets everything from then on; so the broker is killed at once. */
  async #subscribeDurably(): Promise<void> {
    const broker = this.#startBroker();
    const port = await broker.listening();
    for (const subscription of SUBSCRIPTIONS) {
      const client = await this.#openClient(port, subscription.name, connectHeadersOf(subscription));
      client.request('SUBSCRIBE', { id: '0', ...subscribeHeadersOf(subscription) }, () => undefined);
      await client.awaiting(0);
      client.destroy();
    }
    await broker.kill();
    this.#endLife(broker);
  }

  async #liveAndDie(life: number): Promise<void> {
    const { afterFrames, thenMs, failsForMs } = chooseInstant(this.#random(`kill ${life}`));
    const broker = this.#startBroker();
    if (afterFrames === null) {
      await delay(thenMs);
      if (await broker.kill()) this.#killed.starting++;
    } else {
      const port = await broker.listening();
      const isReached = this.#reached(afterFrames);
      const load = this.#load(life, port, failsForMs > 0);
      const how = (await isReached) ? (failsForMs > 0 ? 'troubled' : 'loaded') : 'idle';
      if (how === 'troubled') await this.#trouble(broker, failsForMs, thenMs);
      else await delay(thenMs);
      if (await broker.kill()) this.#killed[how]++;
      await load;
    }
    this.#endLife(broker);
  }

  async #trouble(broker: BrokerProcess, failsForMs: number, thenMs: number): Promise<void> {
    this.#isTroubled = true;
    broker.makeStoreFail(true);
    await delay(Math.min(failsForMs, thenMs));
    if (failsForMs > thenMs) return;
    broker.makeStoreFail(false);
    await delay(thenMs - failsForMs);
  }

  #endLife(broker: BrokerProcess): void {
    this.#isTroubled = false;
    this.#log += broker.log;
    this.#history.add({ kind: 'restarted' });
  }

  /** Resolves after so many frames, to true; or when nothing comes any more. */
  #reached(afterFrames: number): Promise<boolean> {
    return new Promise((resolve) => {
      const idle = setTimeout(() => resolve(false), IDLE_MS);
      let frames = 0;
      this.#onFrame = () => {
        if (++frames !== afterFrames) return;
        clearTimeout(idle);
        resolve(true);
      };
    });
  }

  /** Resolves when every client is gone. */
  async #load(life: number, port: number, isTroubled: boolean): Promise<void> {
    const lives: Promise<void>[] = [];
    for (const consumer of this.#consumers(port, `life ${life}`, { isTroubled })) lives.push(consumer.run());
    for (let k = 0; k < PRODUCERS; k++) lives.push(this.#produce(port, `p${k}`, TARGETS, life));
    lives.push(this.#produce(port, 'filler', [DEEP], life));
    await Promise.all(lives);
  }

  async #produce(port: number, name: string, queues: ProducerParts['queues'], life: number): Promise<void> {
    const client = await this.#openClient(port, name);
    const parts = { name, queues, client, history: this.#history, numbers: this.#numbers };
    await new Producer({ ...parts, random: this.#random(`life ${life} ${name}`) }).run(SHARE);
    await client.closed;
  }

  /** A store that cannot write is told to those who need it. */
  #onFault(text: string, code: string | undefined): void {
    if (!this.#isTroubled || code !== 'store-failed') this.#history.add({ kind: 'fault', text });
  }

  #openClient(port: number, name: string, headers: Readonly<Record<string, string>> = {}): Promise<LoadClient> {
    const events = {
      onFrame: (): void => this.#onFrame(),
      onFault: (text: string, code?: string): void => this.#onFault(`${name}: ${text}`, code),
      onEnd: (): void => undefined,
    };
    return LoadClient.open(port, events, headers);
  }

  /**
   * Those of one life. When draining, one for each queue. With trouble in the store at most one: the broker takes back at
   * once what a session held that it ends with ERROR, and another could be seen to have it before that ERROR is read.
   */
  #consumers(
    port: number,
    when: string,
    { isDraining = false, isTroubled = false }: { readonly isDraining?: boolean; readonly isTroubled?: boolean },
  ): Consumer[] {
    const consumers: Consumer[] = [];
    for (const queue of SOURCES) {
      for (let k = 0; k < (isDraining || isTroubled ? 1 : queue.maxConsumers); k++) {
        const name = `${queue.name}-consumer${k}`;
        const random = this.#random(`${when} ${name}`);
        // Now and then nobody is there: messages pile up.
        if (!isDraining && !random.chance(queue.attendance)) continue;
        const parts = { name, queue, port, history: this.#history, numbers: this.#numbers, random, isDraining };
        const onFrame = (): void => this.#onFrame();
        const onFault = (text: string, code?: string): void => this.#onFault(text, code);
        consumers.push(new Consumer({ ...parts, onFrame, onFault }));
      }
    }
    return consumers;
  }

  /** One more life: takes everything out, and behind it one last message for each queue. Ends in an orderly way. */
  async #empty(pass: string): Promise<void> {
    const broker = this.#startBroker();
    const port = await broker.listening();
    this.#onFrame = () => undefined;
    const consumers = this.#consumers(port, pass, { isDraining: true });
    const gone = Promise.all(consumers.map((consumer) => consumer.run()));
    await this.#history.settled(this.#options.quietMs);
    const client = await this.#openClient(port, 'end');
    for (const { name: queue } of ALL_TARGETS)
      sendLast({ client, history: this.#history, numbers: this.#numbers }, queue);
    await client.awaiting(0);
    await this.#history.settled(this.#options.quietMs);
    await client.leave();
    await Promise.all(consumers.map((consumer) => consumer.leave()));
    await gone;
    await broker.stop();
    this.#endLife(broker);
  }
}

function chooseInstant(random: SeededRandom): KillInstant {
  const choice = random.next();
  if (choice < 0.15) return { afterFrames: null, thenMs: random.between(0, START_MS), failsForMs: 0 };
  const afterFrames = random.between(1, MOST_FRAMES);
  if (choice > 0.3) return { afterFrames, thenMs: random.between(0, 10), failsForMs: 0 };
  return { afterFrames, thenMs: random.between(0, TROUBLE_MS), failsForMs: random.between(1, TROUBLE_MS) };
}
