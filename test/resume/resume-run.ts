/** One run: a broker in a process of its own, a stream of numbered messages, and subscribers that are cut all the time. */
import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { BrokerProcess } from '../crash/broker-process.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { inTime } from '../helpers/inbox.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import type { Ports } from './link.js';
import { Publisher } from './publisher.js';
import { Stream } from './stream.js';
import { Subscriber, type SubscriberPlan } from './subscriber.js';

export interface ResumeSpec {
  readonly seed: string;
  readonly subscribers: number;
  readonly messages: number;
  /** What the topic keeps. */
  readonly maxMessages: number;
  /** Messages of the stream that one subscriber is away for, at most. */
  readonly mostAbsence: number;
  /** SIGKILLs of the broker, whose history is then durable. */
  readonly kills: number;
  readonly deadlineMs: number;
}

export interface ResumeReport {
  /** The seed first. */
  readonly text: string;
  readonly received: number;
  /** What all subscribers together wanted. */
  readonly wanted: number;
  readonly cuts: number;
  readonly recovered: number;
  readonly unrecovered: number;
  readonly gaps: number;
  readonly faults: readonly string[];
}

/** Its URL: the broker keeps its history there, and is a node of a cluster of its own. */
const REDIS = process.env['HOOFBEAT_TEST_REDIS'];
/** How often one subscriber is there in the whole of the stream, were it never away. */
const LIVES = 16;

export async function runResume(t: Test, spec: ResumeSpec): Promise<ResumeReport> {
  const random = new SeededRandom(spec.seed);
  const broker = new BrokerLives(t, spec);
  const stream = new Stream(spec.messages, spec.maxMessages, await broker.start());
  const plans = Array.from({ length: spec.subscribers }, (_, k) => planOf(k, spec, random));
  const subscribers = plans.map((plan) => new Subscriber(stream, plan));
  const [watched] = subscribers;
  if (watched === undefined) throw new Error('a run needs a subscriber');
  await inTime(Promise.all(subscribers.map(({ ready }) => ready)), 'all subscriptions', spec.deadlineMs);
  const publisher = new Publisher(stream, watched);
  // It watches one that shares the turns of the others.
  const pulse = setInterval(() => {
    publisher.goOn();
  }, 1);
  const killed = killNowAndThen(broker, stream, spec, random);
  const all = Promise.all([publisher.done, killed, ...subscribers.map(({ done }) => done)]);
  try {
    await inTime(all, 'everybody to get everything', spec.deadlineMs);
  } catch (error) {
    stream.fault(String(error));
    for (const { last, state } of subscribers) if (last < spec.messages - 2) stream.fault(state);
  }
  clearInterval(pulse);
  publisher.leave();
  for (const subscriber of subscribers) subscriber.leave();
  return report(spec, stream, subscribers, plans);
}

/** The first is never cut and wants everything: the publisher keeps its pace. */
function planOf(k: number, { messages, mostAbsence, seed }: ResumeSpec, random: SeededRandom): SubscriberPlan {
  const isFirst = k === 0;
  return {
    name: `subscriber ${k}`,
    kind: random.pick(['tcp', 'websocket']),
    ack: isFirst ? 'auto' : random.pick(['auto', 'auto', 'auto', 'client', 'client-individual']),
    every: isFirst ? 1 : random.pick([1, 1, 1, 2, 3]),
    mostBetweenCuts: isFirst ? 0 : Math.ceil((2 * messages) / LIVES),
    mostAbsence,
    random: new SeededRandom(`${seed} ${k}`),
  };
}

/** The broker, life after life, on one directory. */
class BrokerLives {
  readonly #t: Test;
  readonly #directory: string;
  readonly #options: object;
  readonly #isDurable: boolean;
  #process: BrokerProcess | null = null;

  constructor(t: Test, { maxMessages, kills }: ResumeSpec) {
    this.#t = t;
    this.#directory = temporaryDirectory(t);
    this.#isDurable = kills > 0;
    const rule = { pattern: '/topic/**', maxMessages, maxBytes: 1024 ** 3, durable: this.#isDurable };
    const relay =
      REDIS === undefined ? false : { type: 'redis', url: REDIS, keyPrefix: `${randomUUID()}:`, leaseMs: 1_000 };
    this.#options = { http: { port: 0 }, tcp: { port: 0 }, broker: { history: [rule] }, relay };
  }

  async start(): Promise<Ports> {
    const data = this.#isDurable ? this.#directory : false;
    this.#process = BrokerProcess.start(this.#t, this.#directory, data, this.#options);
    const addresses = await this.#process.addresses();
    const portOf = (transport: string): number => addresses.find((each) => each.transport === transport)?.port ?? 0;
    return { tcp: portOf('tcp'), websocket: portOf('http') };
  }

  /** SIGKILL, and the next life. */
  async restart(): Promise<Ports> {
    await this.#process?.kill();
    return this.start();
  }
}

async function killNowAndThen(
  broker: BrokerLives,
  stream: Stream,
  { kills, messages }: ResumeSpec,
  random: SeededRandom,
): Promise<void> {
  for (let kill = 1; kill <= kills; kill++) {
    await stream.reached(Math.floor((messages * kill) / (kills + 1)) + random.between(0, 50));
    const ports = broker.restart();
    stream.restarting(ports);
    await ports;
  }
}

function report(
  { seed, subscribers: count, messages, maxMessages, kills }: ResumeSpec,
  { faults }: Stream,
  subscribers: readonly Subscriber[],
  plans: readonly SubscriberPlan[],
): ResumeReport {
  const sum = (valueOf: (subscriber: Subscriber) => number): number =>
    subscribers.reduce((total, subscriber) => total + valueOf(subscriber), 0);
  const sums = {
    received: sum(({ received }) => received),
    wanted: plans.reduce((total, { every }) => total + Math.floor(messages / every), 0),
    cuts: sum(({ cuts }) => cuts),
    recovered: sum(({ recovered }) => recovered),
    unrecovered: sum(({ unrecovered }) => unrecovered),
    gaps: sum(({ gaps }) => gaps),
  };
  const told = Object.entries(sums).map(([name, value]) => `${value} ${name}`);
  const run = `${count} subscribers, ${messages} messages, ${maxMessages} kept, ${kills} kills`;
  return { ...sums, faults, text: `seed ${seed}: ${run}: ${told.join(', ')}` };
}
