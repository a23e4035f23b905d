/** An operator who looks and acts through the admin API all the time, and two more who do what is refused. */
import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { ADMIN_TOKEN, DEAD_QUEUE, MOST_PER_SECOND, PASSCODE } from './soaked-options.js';
import { countLine, leave, openCounted, type World } from './world.js';

const LOOKS = [
  '/api/v1/stats',
  '/metrics',
  '/api/v1/sessions?limit=5',
  '/api/v1/users?limit=5',
  '/api/v1/queues?limit=5',
  `/api/v1/queues/${encodeURIComponent(DEAD_QUEUE)}/messages?limit=5`,
  '/api/v1/subscriptions?limit=5',
  '/console/',
] as const;
const TAP_MS = 400;

export class Operator {
  /** Requests that were answered, by status. */
  readonly answers: Record<number, number> = {};
  /** Sessions that it ended. */
  ended = 0;
  readonly #port: number;
  /** Its connections are kept for the next request, and end with the round. */
  readonly #agent = new Agent({ keepAlive: true });

  constructor(adminPort: number) {
    this.#port = adminPort;
  }

  async act(world: World): Promise<void> {
    const { random } = world;
    while (world.isBusy()) {
      const drawn = random.next();
      if (drawn < 0.1) await this.#ask('GET', '/api/v1/tap', { isCutAfterMs: TAP_MS });
      else if (drawn < 0.2) await this.#endOne(world);
      else if (drawn < 0.3) await this.#publish(world);
      else await this.#ask('GET', random.pick(LOOKS));
      await wait(random.between(300, 1_200));
    }
    this.#agent.destroy();
  }

  async #endOne({ random }: World): Promise<void> {
    const { text } = await this.#ask('GET', '/api/v1/sessions?limit=100');
    const { items = [] } = JSON.parse(text) as { items?: readonly { id: string; user: unknown }[] };
    const anonymous = items.filter(({ user }) => user === null);
    const one = anonymous[random.between(0, anonymous.length)];
    if (one === undefined) return;
    await this.#ask('DELETE', `/api/v1/sessions/${one.id}`);
    this.ended++;
  }

  async #publish({ ledger }: World): Promise<void> {
    const { body, number } = ledger.write('topic', 'operator');
    const message = JSON.stringify({ destination: '/topic/rooms/0', body });
    const { status } = await this.#ask('POST', '/api/v1/messages', { body: message });
    if (status < 300) ledger.receipted(number);
  }

  /** @param isCutAfterMs of an answer without an end */
  #ask(
    method: string,
    path: string,
    { body, isCutAfterMs }: { readonly body?: string; readonly isCutAfterMs?: number } = {},
  ): Promise<{ readonly status: number; readonly text: string }> {
    const headers = {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    return new Promise((resolve, reject) => {
      const asked = request({ port: this.#port, host: '127.0.0.1', agent: this.#agent, method, path, headers });
      asked.on('response', (response) => {
        const { statusCode: status = 0 } = response;
        this.answers[status] = (this.answers[status] ?? 0) + 1;
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('error', () => undefined);
        response.on('close', () => {
          resolve({ status, text });
        });
        if (isCutAfterMs !== undefined) setTimeout(() => asked.destroy(), isCutAfterMs);
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }
}

/** More in one go than a session may: refused, and cut. @returns whether the server said so */
export async function flood(world: World, ports: World['ports']): Promise<boolean> {
  const line = await openCounted(world, 'tcp-1.2', { ...ports, beatMs: 0 });
  const { ledger } = world;
  const stream = `flood${Date.now()}`;
  for (let count = 0; count < 5 * MOST_PER_SECOND; count++) {
    line.send('/topic/flood', { 'content-type': 'text/plain' }, ledger.write('topic', stream).body);
  }
  await Promise.race([line.ended, wait(10_000)]);
  line.drop();
  countLine(world, line);
  return line.error === 'rate-limited';
}

/** Knocks with a passcode that is wrong. @returns whether it was refused */
export async function knock(world: World, ports: World['ports']): Promise<boolean> {
  const line = await openCounted(world, 'tcp-1.2', { ...ports, login: 'u0', passcode: `not ${PASSCODE}` });
  await Promise.race([line.ended, wait(2_000)]);
  await leave(line);
  countLine(world, line);
  return line.error !== null;
}
