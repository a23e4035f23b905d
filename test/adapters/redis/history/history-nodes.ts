/** Nodes that share histories over one Redis, each by a way of its own that a test can cut, and clients that check what they get. */
import type { Test } from 'tap';
import type { ServerOptions } from '../../../../adapters/index.js';
import { temporaryDirectory } from '../../../helpers/cli.js';
import { inTime } from '../../../helpers/inbox.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { header, type ServerFrame } from '../../../helpers/server-frames.js';
import { startTestServer, type TestServer } from '../../../helpers/server.js';
import { TcpProxy } from '../../../helpers/tcp-proxy.js';
import { openLink, type Link } from '../../../resume/link.js';

export const TOPIC = '/topic/h/a';
const RULES = [{ pattern: '/topic/h/**', maxMessages: 100_000, maxBytes: 64 * 1024 * 1024 }];
const DEADLINE_MS = 30_000;

export interface HistoryNode {
  readonly node: TestServer;
  readonly proxy: TcpProxy;
}

/** A Redis that has everything again after a restart. */
export function startKeepingRedis(t: Test): Promise<RedisProcess> {
  const dir = temporaryDirectory(t);
  return RedisProcess.start(t, ['--dir', dir, '--appendonly', 'yes', '--appendfsync', 'always']);
}

export async function startNode(
  t: Test,
  redis: RedisProcess,
  broker: ServerOptions['broker'] = {},
): Promise<HistoryNode> {
  const proxy = await TcpProxy.start(t, redis.port);
  const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };
  const node = await startTestServer({
    http: false,
    relay: {
      type: 'redis',
      url: `redis://127.0.0.1:${proxy.port}`,
      reconnect,
      pingIntervalMs: 1_000,
      connectTimeoutMs: 1_000,
    },
    broker: { history: RULES, ...broker },
  });
  t.teardown(node.stop);
  return { node, proxy };
}

export function startNodes(t: Test, redis: RedisProcess, count: number): Promise<HistoryNode[]> {
  return Promise.all(Array.from({ length: count }, () => startNode(t, redis)));
}

/** What happens until it is true is looked at again; rejects after a deadline. */
export class Progress {
  #waiting: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];

  changed(): void {
    this.#waiting = this.#waiting.filter(({ isDone, resolve }) => {
      if (!isDone()) return true;
      resolve();
      return false;
    });
  }

  until(what: string, isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return inTime(new Promise((resolve) => this.#waiting.push({ isDone, resolve })), what, DEADLINE_MS);
  }
}

/** Sends numbered messages with receipts, a few at a time; comes back after an ERROR, and never sends one twice. */
export class SteadyPublisher {
  /** Bodies in the order of their RECEIPTs. */
  readonly receipted: string[] = [];
  /** Refused, or nobody knows. */
  readonly doubtful: string[] = [];
  readonly #name: string;
  readonly #port: number;
  readonly #progress: Progress;
  #link: Link | null = null;
  #isConnected = false;
  #isStopped = false;
  #number = 0;
  #open: string[] = [];
  #window = 5;

  constructor(name: string, port: number, progress: Progress) {
    this.#name = name;
    this.#port = port;
    this.#progress = progress;
    this.#connect();
  }

  /** What was sent is still waited for. */
  finish(): void {
    this.#window = 0;
  }

  get isIdle(): boolean {
    return this.#open.length === 0;
  }

  leave(): void {
    this.#isStopped = true;
    this.#link?.cut();
  }

  #connect(): void {
    this.#isConnected = false;
    this.#link = openLink(
      'tcp',
      { tcp: this.#port, websocket: 0 },
      {
        onFrame: (frame) => {
          this.#onFrame(frame);
          this.#goOn();
          this.#progress.changed();
        },
        onEnd: () => {
          this.doubtful.push(...this.#open.splice(0));
          if (this.#isStopped) return;
          setTimeout(() => {
            if (!this.#isStopped) this.#connect();
          }, 20);
          this.#progress.changed();
        },
      },
    );
  }

  #onFrame(frame: ServerFrame): void {
    if (frame.command === 'CONNECTED') this.#isConnected = true;
    else if (frame.command === 'RECEIPT') {
      const body = header(frame, 'receipt-id') ?? '';
      this.#open = this.#open.filter((each) => each !== body);
      this.receipted.push(body);
    }
  }

  #goOn(): void {
    while (this.#isConnected && this.#open.length < this.#window) {
      const body = `${this.#name}-${++this.#number}`;
      this.#open.push(body);
      this.#link?.send('SEND', { destination: TOPIC, receipt: body }, body);
    }
  }
}

/** Gets the messages of one topic, each with its place: one behind the other, or it is a fault. */
export class CheckingSubscriber {
  readonly name: string;
  readonly bodies: string[] = [];
  readonly offsets: number[] = [];
  readonly faults: string[] = [];
  epochs = new Set<string>();
  /** `recovered:false`, on a RECEIPT or later. */
  losses = 0;
  recovered = 0;
  isReady = false;
  readonly #destination: string;
  readonly #progress: Progress;
  #link: Link | null = null;
  #port: number;
  #position: { readonly epoch: string; readonly offset: number } | null = null;
  #asked = false;

  constructor(name: string, port: number, destination: string, progress: Progress) {
    this.name = name;
    this.#port = port;
    this.#destination = destination;
    this.#progress = progress;
    this.#connect();
  }

  get last(): number {
    return this.#position?.offset ?? 0;
  }

  /** Cut, and back at another node where it left off. */
  moveTo(port: number): void {
    if (this.#position === null) return;
    this.leave();
    this.#port = port;
    this.#connect();
  }

  leave(): void {
    this.#link?.cut();
    this.#link = null;
  }

  #connect(): void {
    this.isReady = false;
    const link = openLink(
      'tcp',
      { tcp: this.#port, websocket: 0 },
      {
        onFrame: (frame) => {
          if (frame.command === 'CONNECTED') this.#subscribe(link);
          else this.#onFrame(frame);
          this.#progress.changed();
        },
        // Its SUBSCRIBE asked for what could not be had just now.
        onEnd: () => {
          setTimeout(() => {
            if (this.#link === link) this.#connect();
          }, 20);
        },
      },
    );
    this.#link = link;
  }

  #subscribe(link: Link): void {
    const position = this.#position;
    const isPattern = this.#destination !== TOPIC;
    this.#asked = position !== null && !isPattern;
    const resume: Record<string, string> =
      position === null || isPattern
        ? {}
        : { 'resume-epoch': position.epoch, 'resume-offset': String(position.offset) };
    link.send('SUBSCRIBE', { id: 's', destination: this.#destination, receipt: 'r', ...resume });
  }

  #onFrame(frame: ServerFrame): void {
    if (frame.command === 'RECEIPT') this.#onReceipt(frame);
    else if (frame.command === 'MESSAGE') this.#onMessage(frame);
    else if (header(frame, 'code') !== 'relay-unavailable' && header(frame, 'code') !== 'relay-lost') {
      this.faults.push(`${frame.command} ${header(frame, 'message') ?? ''}`);
    }
  }

  #onReceipt(receipt: ServerFrame): void {
    this.isReady = true;
    const recovered = header(receipt, 'recovered');
    if ((recovered !== undefined) !== this.#asked) this.faults.push(`recovered:${recovered ?? 'none'} of RECEIPT`);
    if (recovered === 'true') this.recovered++;
    if (recovered === 'false') this.losses++;
    const offset = header(receipt, 'offset');
    if (offset === undefined || recovered === 'true') return;
    this.#position = { epoch: header(receipt, 'epoch') ?? '', offset: Number(offset) };
  }

  #onMessage(message: ServerFrame): void {
    const offset = Number(header(message, 'offset'));
    const epoch = header(message, 'epoch') ?? '';
    const hasLost = header(message, 'recovered') === 'false';
    if (hasLost && !this.#asked) this.losses++;
    this.#asked = false;
    const before = this.#position;
    if (before !== null && offset !== before.offset + 1 && !hasLost) {
      this.faults.push(`${this.name}: ${offset} of ${epoch} behind ${before.offset} of ${before.epoch}`);
    }
    this.#position = { epoch, offset };
    this.epochs.add(epoch);
    this.offsets.push(offset);
    this.bodies.push(message.body.toString());
  }
}
