/**
 * SockJS sessions over HTTP as bad clients and bad networks make them: polls, streams that break off, two receivers at once,
 * frames in pieces over many requests, bodies that are none. RECEIPTs come once and in order, all of them where no answer was
 * lost, and nothing is left of any session.
 */
import { request as httpRequest } from 'node:http';
import t from 'tap';
import { startTestServer } from '../helpers/server.js';
import { readServerFrames, header } from '../helpers/server-frames.js';
import { http } from '../helpers/sockjs-http.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { until } from '../helpers/until.js';
import { fuzz } from './fuzz-run.js';

const RECEIVERS = ['xhr_streaming', 'eventsource', 'xhr', 'jsonp?c=f'] as const;
const BAD_BODIES = ['', '[', '{}', '[1,null]', 'd=[', '[[["x"]]]'] as const;
/** A poll that has nothing to take would wait for a heart-beat. */
const POLL_LIMIT_MS = 60;

/** One session of a client, and what it has heard so far. */
class BadClient {
  readonly #base: string;
  readonly #random: SeededRandom;
  /** Octets of frames that are not sent yet. */
  #unsent = '';
  #octets = '';
  #receipts = 0;
  isLossy = false;
  isOver = false;

  constructor(base: string, random: SeededRandom) {
    this.#base = base;
    this.#random = random;
  }

  get asked(): number {
    return this.#receipts;
  }

  get heard(): (string | undefined)[] {
    const { frames } = readServerFrames(Buffer.from(this.#octets));
    return frames.filter(({ command }) => command === 'RECEIPT').map((frame) => header(frame, 'receipt-id'));
  }

  async step(): Promise<void> {
    switch (this.#random.between(0, 9)) {
      case 0:
        this.isLossy = true;
        await this.receive(this.#random.pick(RECEIVERS), true);
        return;
      case 1:
        await Promise.all([this.receive('xhr', false), this.receive('xhr', false)]);
        this.isLossy = true;
        return;
      case 2:
        await this.#post(this.#random.pick(BAD_BODIES), [400, 404, 413, 500]);
        return;
      case 3:
      case 4:
        await this.receive('xhr', false);
        return;
      default:
        this.#frame();
        await this.send(this.#random.between(1, this.#unsent.length));
    }
  }

  #frame(): void {
    const receipt = `r${this.#receipts++}`;
    this.#unsent += this.#random.pick([
      `SEND\ndestination:/queue/x\nreceipt:${receipt}\n\nbody\0`,
      `SUBSCRIBE\ndestination:/topic/${receipt}\nid:${receipt}\nreceipt:${receipt}\n\n\0`,
      `BEGIN\ntransaction:${receipt}\nreceipt:${receipt}\n\n\0`,
    ]);
  }

  async connect(): Promise<void> {
    await this.receive('xhr', false);
    this.#unsent = 'CONNECT\naccept-version:1.2\nhost:h\n\n\0';
    await this.send(this.#unsent.length);
  }

  /** The next `length` octets, in one message or in many of one body. */
  async send(length: number): Promise<void> {
    const text = this.#unsent.slice(0, length);
    this.#unsent = this.#unsent.slice(length);
    const pieces = this.#random.chance(0.3) ? Array.from(text) : [text];
    await this.#post(JSON.stringify(pieces), [204, 404]);
  }

  sendRest(): Promise<void> {
    return this.send(this.#unsent.length);
  }

  async #post(body: string, expected: readonly number[]): Promise<void> {
    const { status } = await http('POST', `${this.#base}/xhr_send`, {
      body,
      headers: { 'content-type': 'text/plain' },
    });
    if (!expected.includes(status)) throw new Error(`${status} for ${JSON.stringify(body)}`);
    if (status === 404) this.isOver = true;
    if (status !== 204) this.isLossy = true;
  }

  /** @param breaksOff the client goes before it has read; else what came within a moment is read */
  async receive(way: (typeof RECEIVERS)[number], breaksOff: boolean): Promise<void> {
    const method = way.startsWith('xhr') ? 'POST' : 'GET';
    const text = await new Promise<string>((resolve) => {
      let read = '';
      const request = httpRequest(`${this.#base}/${way}`, { method, agent: false }, (response) => {
        if (breaksOff) request.destroy();
        response.setEncoding('utf8').on('data', (part: string) => (read += part));
        response.on('end', () => {
          resolve(read);
        });
      });
      // A poll that is broken off when nothing came loses nothing but, by chance, what comes just then.
      const limit = setTimeout(() => {
        this.isLossy = true;
        request.destroy();
      }, POLL_LIMIT_MS);
      request.on('error', () => undefined);
      request.on('close', () => {
        clearTimeout(limit);
        resolve(read);
      });
      request.end();
    });
    for (const line of text.split('\n')) this.#take(line);
  }

  #take(line: string): void {
    if (line.startsWith('a[')) this.#octets += (JSON.parse(line.slice(1)) as string[]).join('');
    else if (line.startsWith('c[')) this.isOver = true;
    else if (line !== '' && line !== 'o' && line !== 'h' && !/^\s*$/.test(line)) this.isLossy = true;
  }
}

t.test('whatever a SockJS client does, its RECEIPTs are in order and nothing is left of it', async (t) => {
  const { server, httpPort, stop } = await startTestServer({
    workers: 1,
    http: { port: 0, endpoints: [{ path: '/ws', sockjs: { disconnectDelayMs: 200 } }] },
  });
  t.teardown(stop);
  let sessions = 0;
  await fuzz(t, 'SockJS sequences', 10, async (random) => {
    const client = new BadClient(`http://127.0.0.1:${httpPort}/ws/000/s${++sessions}`, random);
    await client.connect();
    for (let k = random.between(2, 7); k > 0 && !client.isOver; k--) await client.step();
    if (!client.isOver) await client.sendRest();
    // What is left comes with the next polls, one at a time.
    for (let k = 0; k < 3 && !client.isOver && client.heard.length < client.asked; k++)
      await client.receive('xhr', false);
    const { heard } = client;
    const numbers = heard.map((receipt) => Number(receipt?.slice(1)));
    const isOrdered = numbers.every((number, k) => k === 0 || number > (numbers[k - 1] ?? -1));
    if (!isOrdered || new Set(heard).size !== heard.length) throw new Error(`receipts ${heard.join(' ')}`);
    if (!client.isLossy && !client.isOver && heard.length !== client.asked)
      throw new Error(`${heard.length} receipts of ${client.asked}: ${heard.join(' ')}`);
  });
  const left = (): number => server.broker.stats().connections.current + server.broker.stats().subscriptions;
  await until('the sessions to end', () => left() === 0);
  t.equal(left(), 0);
});
