/** What `hoofbeat bench` does; loaded by that command alone. */
import { randomBytes } from 'node:crypto';
import type { Frame } from '../../../protocol/index.js';
import { type ClientFlags, connectClient } from '../client-flags.js';
import type { Environment } from '../environment.js';
import { CliError } from '../exit-code.js';
import type { StompClient } from '../stomp-client.js';
import { print } from '../terminal.js';
import { Load, type LoadResult, type Publisher } from './load.js';

export type Scenario = 'fan-out' | 'pairs' | 'queue';

export interface BenchFlags extends ClientFlags {
  readonly clients: number;
  readonly publishers: number;
  readonly rate: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly size: number;
  readonly destination?: string;
  readonly json?: true;
}

/** So many connections are made at once. */
const AT_ONCE = 50;

/** @throws CliError when a connection fails, and when messages were lost */
export async function runBench(scenario: Scenario, flags: BenchFlags, environment: Environment): Promise<void> {
  const copies = scenario === 'fan-out' ? flags.clients : 1;
  const { rate, duration, warmUp, size: bodyBytes } = flags;
  const load = new Load({ rate, warmUpMs: warmUp * 1_000, durationMs: duration * 1_000, bodyBytes, copies });
  const bed = new Bed(scenario, flags, environment, load);
  const stopProgress = showProgress(load, flags);
  try {
    await bed.open();
    const result = await bed.run();
    stopProgress();
    report(scenario, flags, result);
  } finally {
    stopProgress();
    bed.close();
  }
}

/** The clients of one run. */
class Bed {
  readonly #scenario: Scenario;
  readonly #flags: BenchFlags;
  readonly #environment: Environment;
  readonly #load: Load;
  readonly #name: string;
  readonly #clients: StompClient[] = [];
  readonly #publishers: Publisher[] = [];

  constructor(scenario: Scenario, flags: BenchFlags, environment: Environment, load: Load) {
    this.#scenario = scenario;
    this.#flags = flags;
    this.#environment = environment;
    this.#load = load;
    const kind = scenario === 'queue' ? 'queue' : 'topic';
    this.#name = `/${kind}/${flags.destination ?? `hoofbeat-bench.${randomBytes(4).toString('hex')}`}`;
  }

  async open(): Promise<void> {
    const { clients, publishers } = this.#flags;
    const isPairs = this.#scenario === 'pairs';
    await inLots(clients, (k) => this.#openReceiver(isPairs ? `${this.#name}.${k}` : this.#name));
    await inLots(isPairs ? clients : publishers, async (k) => {
      const client = await this.#connect();
      this.#publishers.push({ client, destination: isPairs ? `${this.#name}.${k}` : this.#name });
    });
  }

  run(): Promise<LoadResult> {
    const lost = Promise.race(
      this.#clients.map(({ closed }) =>
        closed.then(
          () => Promise.reject(new CliError('the broker closed a connection')),
          (error: unknown) => Promise.reject(new CliError((error as Error).message)),
        ),
      ),
    );
    return this.#load.run(this.#publishers, lost);
  }

  close(): void {
    for (const client of this.#clients) client.destroy();
  }

  async #openReceiver(destination: string): Promise<void> {
    const acks = this.#scenario === 'queue';
    const client: StompClient = await this.#connect((frame) => {
      this.#load.received(frame);
      if (acks) client.ack(frame);
    });
    await client
      .subscribe([
        ['id', 'bench'],
        ['destination', destination],
        ['ack', acks ? 'client-individual' : 'auto'],
      ])
      .catch((error: unknown) => Promise.reject(new CliError((error as Error).message)));
  }

  async #connect(onMessage?: (frame: Frame) => void): Promise<StompClient> {
    const client = await connectClient(this.#flags, this.#environment, { onMessage });
    this.#clients.push(client);
    return client;
  }
}

async function inLots(count: number, work: (k: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    const lot = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, k) => work(from + k));
    await Promise.all(lot);
  }
}

/** @throws CliError when messages were lost */
function report(scenario: Scenario, flags: BenchFlags, result: LoadResult): void {
  const { sent, delivered, lost, sentPerSecond, deliveredPerSecond, behindMs, latency } = result;
  const { clients, rate, duration, size, url } = flags;
  const publishers = scenario === 'pairs' ? clients : flags.publishers;
  const where = `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
  const summary = Object.fromEntries(
    Object.entries({ ...latency.summary() } as Record<string, number>).map(([name, ms]) => [name, rounded(ms)]),
  );
  if (flags.json === true) {
    const figures = { sent, delivered, lost, sentPerSecond, deliveredPerSecond, behindMs: rounded(behindMs) };
    const asked = { scenario, url: where, clients, publishers, rate, durationSeconds: duration, bodyBytes: size };
    print([JSON.stringify({ ...asked, ...figures, latencyFrom: rate === 0 ? 'sent' : 'due', latency: summary })]);
  } else {
    const { p50Ms, p90Ms, p99Ms, p999Ms, maxMs } = latency.summary();
    const [p50, p90, p99, p999, max] = [p50Ms, p90Ms, p99Ms, p999Ms, maxMs].map((ms) => rounded(ms));
    print([
      `${scenario} at ${where}: ${publishers} publishing, ${clients} receiving, ${size} octets, ${rate === 0 ? 'one after the other' : `${number(rate)} a second`} for ${duration} s`,
      `sent       ${number(sent)}, ${number(sentPerSecond)} a second${rate === 0 ? '' : `, at most ${rounded(behindMs)} ms late`}`,
      `delivered  ${number(delivered)}, ${number(deliveredPerSecond)} a second${lost === 0 ? '' : `; ${number(lost)} lost`}`,
      `latency    p50 ${p50} ms, p90 ${p90}, p99 ${p99}, p99.9 ${p999}, max ${max}; from when a message was ${rate === 0 ? 'sent' : 'due'}`,
    ]);
  }
  if (lost > 0) throw new CliError(`${number(lost)} messages did not arrive`);
}

/** On a terminal alone. @returns takes the line away */
function showProgress(load: Load, { duration, warmUp }: BenchFlags): () => void {
  if (!process.stderr.isTTY) return () => undefined;
  const beganMs = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - beganMs) / 1_000);
    process.stderr.write(`\r\x1b[K${seconds} s of ${duration + warmUp}, ${number(load.delivered)} delivered`);
  }, 500);
  return () => {
    if (timer.hasRef()) process.stderr.write('\r\x1b[K');
    clearInterval(timer);
    timer.unref();
  };
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
