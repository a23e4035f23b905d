/** A Redis that comes back with much data: it answers, for as long as it reads them, that it is LOADING. */
import t from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { requireProgram } from '../helpers/programs.js';
import { openConnected } from '../helpers/raw-client.js';
import { ask } from '../helpers/redis-cluster.js';
import { startNodes } from '../helpers/redis-nodes.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { until } from '../helpers/until.js';
import { recordFault } from './fault-record.js';

const QUEUE = '/queue/kept';
const TOPIC = '/topic/news';
/** So many keys beside the nodes' own, each read in so many µs. */
const FILLER = `for k = 1, 1000 do redis.call('SET', 'filler' .. k, string.rep('x', 100)) end`;
const KEY_DELAY_US = 1_500;

t.test('nothing is confirmed that it did not take, health says what it does, and it heals', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  // Its event loop comes round after each KiB of what it reads.
  const slow = ['--key-load-delay', String(KEY_DELAY_US), '--loading-process-events-interval-bytes', '1024'];
  const redis = await RedisProcess.start(t, ['--dir', temporaryDirectory(t), '--appendonly', 'yes', ...slow]);
  await ask(redis, 'EVAL', FILLER, 0);
  await ask(redis, 'BGREWRITEAOF');
  await until('its data in one file', async () => {
    const info = String(await ask(redis, 'INFO', 'persistence'));
    return /aof_rewrites:[1-9]/.test(info) && info.includes('aof_rewrite_in_progress:0');
  });
  const nodes = await startNodes(t, redis, 2);
  const confirmed: string[] = [];
  let number = 0;
  const send = async (index: number, destination = QUEUE): Promise<string | null> => {
    const client = await openConnected(t, nodes[index]?.tcpPort ?? 0);
    const body = `m${++number}`;
    client.sendFrame('SEND', { destination, receipt: body }, body);
    const frame = await client.frame();
    client.destroy();
    if (frame.command !== 'RECEIPT') return frame.get('code') ?? '';
    if (destination === QUEUE) confirmed.push(body);
    return null;
  };
  const problems = (): string[] =>
    nodes.map(({ server }) =>
      server.broker
        .health()
        .problems.map(({ part, message }) => `${part}: ${message}`)
        .join('; '),
    );
  for (let k = 0; k < 10; k++) t.equal(await send(k % 2), null);

  await redis.kill();
  await until('the loss', () => problems().every((text) => text !== ''));
  await redis.startLoading();
  const startedMs = performance.now();
  await until('health to say what it does', () => problems().every((text) => /loads its data/.test(text)));
  const said = /relay: .*/.exec(problems()[0] ?? '')?.[0] ?? '';
  t.equal(await send(0), 'store-failed');
  t.equal(await send(1, TOPIC), 'relay-unavailable');
  await until('both nodes to take messages', async () => (await send(0)) === null && (await send(1)) === null);
  await until('health to say so', () => problems().every((text) => text === ''));
  const seconds = ((performance.now() - startedMs) / 1e3).toFixed(1);
  const heir = await openConnected(t, nodes[1]?.tcpPort ?? 0);
  await heir.subscribe(QUEUE);
  const bodies = (await heir.messages(confirmed.length)).map(({ text }) => text);
  t.strictSame(bodies, confirmed, 'all that was confirmed is there, once each, in order');
  await heir.fence();
  recordFault({
    group: 'Redis',
    fault: 'started again, reads its data (LOADING)',
    defence: 'adapters/redis/connection/redis-connection.ts',
    outcome: `SEND is answered store-failed, to a topic relay-unavailable; health: ${said}; heals by itself, ${seconds} s after Redis was started; ${confirmed.length} messages had their RECEIPT, 0 lost`,
  });
});
