/**
 * Load on all nodes of a cluster at once, by clients that go to another node when theirs goes: a shared queue, durable
 * subscriptions, a history that is resumed, inboxes. Knows what was confirmed, and says what became of it.
 */
import { header, type ServerFrame } from '../helpers/server-frames.js';
import type { ServerOptions } from '../../adapters/index.js';
import type { LoadClient } from '../crash/load-client.js';
import { until } from '../helpers/until.js';
import { Roamer, type RoamerParts } from './roamer.js';

const QUEUE = '/queue/rolling';
const HISTORY = '/topic/kept/rolling';
const LASTING = '/topic/lasting';
const MAIL = '/queue/mail';
const PUBLISHERS = 4;
const CONSUMERS = 4;
const USERS = 4;
const HEARERS = 8;
const DURABLES = 2;
const QUIET_MS = 30_000;

/** Of every node. */
export const ROLLING_BROKER: ServerOptions['broker'] = {
  history: [{ pattern: '/topic/kept/**', maxMessages: 100_000, maxBytes: 64 * 1024 * 1024 }],
  inbox: { rules: [{ pattern: '/queue/**', maxMessages: 10_000 }], recipients: 'any' },
};
export const ROLLING_AUTH = { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } } as const;

export interface RollingLoadOptions {
  readonly ports: readonly number[];
  readonly reconnectDelayMs: number;
  /** Each publisher sends one message of each kind in this time. */
  readonly everyMs: number;
}

/** One that is to get everything that was confirmed from some moment on. */
interface Receiver {
  readonly name: string;
  readonly confirmed: ReadonlySet<string>;
  readonly got: Set<string>;
}

export class RollingLoad {
  readonly #options: RollingLoadOptions;
  readonly #roamers: Roamer[] = [];
  readonly #publishers: Roamer[] = [];
  readonly #receivers: Receiver[] = [];
  readonly #confirmed = new Map<string, Set<string>>();
  /** Whose ACK had its RECEIPT: nobody may get it again. */
  readonly #settled = new Set<string>();
  readonly #faults: string[] = [];
  #number = 0;
  #awaited = 0;
  #timer: NodeJS.Timeout | null = null;
  /** SUBSCRIBEs to the history behind a loss, and what they were answered. */
  readonly resumed = { recovered: 0, unrecovered: 0 };

  constructor(options: RollingLoadOptions) {
    this.#options = options;
  }

  /** Everybody is there and subscribed, then publishers begin. */
  async start(): Promise<void> {
    const got = new Set<string>();
    this.#receivers.push({ name: 'the queue', confirmed: this.#confirmedOf(QUEUE), got });
    for (let k = 0; k < CONSUMERS; k++) await this.#consume(k, got);
    for (let k = 0; k < DURABLES; k++) await this.#subscribeDurably(k);
    for (let k = 0; k < HEARERS; k++) await this.#hear(k);
    for (let k = 0; k < USERS; k++) await this.#readMail(k);
    for (let k = 0; k < PUBLISHERS; k++) this.#publishers.push(await this.#roam(k, {}));
    this.#timer = setInterval(() => {
      for (const publisher of this.#publishers) this.#publish(publisher);
    }, this.#options.everyMs);
  }

  get confirmed(): number {
    return [...this.#confirmed.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Nobody publishes any more; resolves when all that was confirmed has arrived, or nothing came for a while. */
  async settle(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await until('the last RECEIPTs', () => this.#awaited === 0, QUIET_MS).catch(() => undefined);
    await until('all that was confirmed', () => this.#missing().length === 0, QUIET_MS).catch(() => undefined);
    for (const roamer of this.#roamers) await roamer.stop();
  }

  /** Each in one line. */
  violations(): string[] {
    return [...this.#faults, ...this.#missing()];
  }

  #missing(): string[] {
    return this.#receivers.flatMap(({ name, confirmed, got }) =>
      [...confirmed].filter((body) => !got.has(body)).map((body) => `${name} never got ${body}`),
    );
  }

  #confirmedOf(destination: string): Set<string> {
    const known = this.#confirmed.get(destination) ?? new Set<string>();
    this.#confirmed.set(destination, known);
    return known;
  }

  async #roam(first: number, parts: Partial<RoamerParts>): Promise<Roamer> {
    const { ports, reconnectDelayMs } = this.#options;
    const onFault = (text: string): void => {
      this.#faults.push(text);
    };
    const roamer = new Roamer({ ports, first, reconnectDelayMs, onFault, ...parts });
    this.#roamers.push(roamer);
    await roamer.start();
    return roamer;
  }

  #publish({ client }: Roamer): void {
    if (client === null) return;
    const user = `/user/u${this.#number % USERS}${MAIL}`;
    for (const destination of [QUEUE, HISTORY, LASTING, user]) {
      const body = `${destination} ${++this.#number}`;
      const confirmed = this.#confirmedOf(destination);
      this.#awaited++;
      let isOver = false;
      const over = (): void => {
        if (!isOver) this.#awaited--;
        isOver = true;
      };
      const onReceipt = (): void => {
        confirmed.add(body);
        over();
      };
      client.request('SEND', { destination, persistent: 'true' }, onReceipt, { body: Buffer.from(body) });
      // Without a RECEIPT nothing is known of it.
      void client.closed.then(over);
    }
  }

  /** Competing with the others: each message once, unless it was not acknowledged. */
  async #consume(index: number, got: Set<string>): Promise<void> {
    await this.#roam(index, {
      onUp: (client) => {
        client.send('SUBSCRIBE', { id: '0', destination: QUEUE, ack: 'client-individual' });
      },
      onMessage: (message, client) => {
        const body = message.body.toString();
        got.add(body);
        if (this.#settled.has(body)) this.#faults.push(`${body} came again behind its ACK`);
        this.#acknowledge(message, client, () => this.#settled.add(body));
      },
    });
  }

  async #subscribeDurably(index: number): Promise<void> {
    const got = new Set<string>();
    const name = `d${index}`;
    const subscribe = (client: LoadClient, onReceipt: () => void): void => {
      const headers = { id: '0', destination: LASTING, ack: 'client-individual', 'activemq.subscriptionName': name };
      client.request('SUBSCRIBE', headers, onReceipt);
    };
    let onFirst: () => void = () => undefined;
    const isThere = new Promise<void>((resolve) => (onFirst = resolve));
    await this.#roam(index, {
      headers: { 'client-id': name },
      onUp: (client) => {
        subscribe(client, onFirst);
      },
      onMessage: (message, client) => {
        got.add(message.body.toString());
        this.#acknowledge(message, client, () => undefined);
      },
    });
    await isThere;
    this.#receivers.push({ name: `durable subscription ${name}`, confirmed: this.#confirmedOf(LASTING), got });
  }

  /** Resumes where it was: each message once, in its place. */
  async #hear(index: number): Promise<void> {
    const got = new Set<string>();
    const name = `hearer ${index}`;
    let place: { readonly epoch: string; readonly offset: number } | null = null;
    await this.#roam(index, {
      onUp: (client) => {
        const resume =
          place === null ? { replay: 'all' } : { 'resume-epoch': place.epoch, 'resume-offset': String(place.offset) };
        client.send('SUBSCRIBE', { id: '0', destination: HISTORY, ...resume });
      },
      onMessage: (message) => {
        const [epoch, offset] = [header(message, 'epoch') ?? '', Number(header(message, 'offset'))];
        const recovered = header(message, 'recovered');
        if (place !== null && recovered === 'true') this.resumed.recovered++;
        if (place !== null && recovered === 'false') this.resumed.unrecovered++;
        if (place !== null && (epoch !== place.epoch || offset !== place.offset + 1)) {
          this.#faults.push(`${name}: ${epoch} ${offset} behind ${place.epoch} ${place.offset}`);
        }
        place = { epoch, offset };
        got.add(message.body.toString());
      },
    });
    this.#receivers.push({ name, confirmed: this.#confirmedOf(HISTORY), got });
  }

  async #readMail(index: number): Promise<void> {
    const got = new Set<string>();
    await this.#roam(index, {
      headers: { 'X-User': `u${index}` },
      onUp: (client) => {
        client.send('SUBSCRIBE', { id: '0', destination: `/user${MAIL}` });
      },
      onMessage: (message) => {
        const body = message.body.toString();
        if (got.has(body)) this.#faults.push(`${body} came twice`);
        got.add(body);
      },
    });
    this.#receivers.push({ name: `u${index}`, confirmed: this.#confirmedOf(`/user/u${index}${MAIL}`), got });
  }

  #acknowledge(message: ServerFrame, client: LoadClient, onReceipt: () => void): void {
    client.request('ACK', { id: header(message, 'ack') ?? '' }, onReceipt);
  }
}
