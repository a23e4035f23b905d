/**
 * What does the admin API cost a broker with 100,000 sessions? Time of an answer, and the longest that the event loop stood
 * still meanwhile, for pages in several orders and for a scrape of metrics. Client and server share the process.
 */
import { get } from 'node:http';
import { pino } from 'pino';
import { composeAdmin } from '../adapters/admin-composition.js';
import { resolveServerOptions } from '../adapters/config/index.js';
import { SystemClock } from '../adapters/system-clock.js';
import { Broker } from '../broker/broker.js';
import { NowhereConnection, turn } from './in-process/crowd.js';
import { describeMachine, printTable } from './measure.js';
import { median } from './report/statistics.js';

const SESSIONS = Number(process.argv.find((each) => each.startsWith('--sessions='))?.slice(11) ?? 100_000);
const ROUNDS = 9;
const TOKEN = 'a-token-for-the-bench';

const QUESTIONS: readonly (readonly [name: string, path: string])[] = [
  ['sessions, first page', '/api/v1/sessions'],
  ['sessions, newest first', '/api/v1/sessions?sort=-connectedAt'],
  ['sessions by user, last 1,000', '/api/v1/sessions?sort=-user&limit=1000'],
  ['sessions of nobody', '/api/v1/sessions?user=nobody'],
  ['subscriptions by destination', '/api/v1/subscriptions?sort=-destination'],
  ['users by name', '/api/v1/users'],
  ['destinations by subscribers', '/api/v1/destinations?sort=-subscribers'],
  ['counters', '/api/v1/stats'],
  ['metrics', '/metrics'],
];

async function open(): Promise<{ readonly broker: Broker; readonly clock: SystemClock }> {
  const clock = new SystemClock();
  const logger = pino({ level: 'silent' });
  const authenticator = {
    authenticate: ({ login }: { login: string | undefined }) => ({ name: login ?? null, roles: [] }),
  };
  const broker = new Broker({ limits: { maxConnections: SESSIONS } }, { clock, logger, authenticator });
  await broker.start();
  for (let k = 0; k < SESSIONS; k++) {
    const connection = new NowhereConnection();
    connection.listener = broker.accept(connection);
    connection.feed(`CONNECT\naccept-version:1.2\nhost:bench\nheart-beat:0,0\nlogin:user-${String(k)}\n\n\0`);
    connection.feed(`SUBSCRIBE\nid:0\ndestination:/topic/t${String(k % 10_000)}\n\n\0`);
    if (k % 256 === 0) await turn();
  }
  return { broker, clock };
}

/** @returns octets of the answer */
function ask(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers: { authorization: `Bearer ${TOKEN}` } }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => (bytes += chunk.length));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(bytes);
        else reject(new Error(`${path}: ${String(response.statusCode)}`));
      });
    }).on('error', reject);
  });
}

/** The longest time between two turns of the event loop while `work` runs. */
async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let isOver = false;
  let longest = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await work();
  isOver = true;
  return longest;
}

const { broker, clock } = await open();
const { admin: options } = resolveServerOptions({
  admin: { port: 0, tokens: [{ name: 'bench', role: 'admin', token: TOKEN }], rateLimit: false },
});
if (options === false) throw new Error('no admin API');
const server = {
  version: 'bench',
  startedEpochMs: clock.epochMs(),
  workers: 1,
  workerStates: () => [],
  addresses: [],
  endpoints: [],
  configuration: () => ({}),
  reload: null,
};
const nobody = {
  authenticate: (): never => {
    throw new Error('nobody connects here');
  },
};
const around = { authenticator: nobody, isHttpProxyTrusted: false, logger: pino({ level: 'silent' }) };
const admin = composeAdmin(options, { broker, clock, server, ...around });
const { port } = (await admin.open()) ?? { port: 0 };

console.log(describeMachine());
console.log(`${String(SESSIONS)} sessions; medians of ${String(ROUNDS)}`);
const rows: string[][] = [];
for (const [name, path] of QUESTIONS) {
  await ask(port, path);
  const [times, stalls]: [number[], number[]] = [[], []];
  let bytes = 0;
  for (let k = 0; k < ROUNDS; k++) {
    const from = performance.now();
    stalls.push(
      await longestStall(async () => {
        bytes = await ask(port, path);
      }),
    );
    times.push(performance.now() - from);
  }
  rows.push([name, median(times).toFixed(1), median(stalls).toFixed(1), Math.max(...stalls).toFixed(1), String(bytes)]);
}
printTable(['Question', 'ms', 'longest stall, ms', 'worst, ms', 'octets'], rows);
await admin.close();
process.exit(0);
