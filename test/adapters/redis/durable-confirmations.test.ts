/** What RECEIPT for a durable subscription promises about the other nodes: those that are slow to hear, and dead ones. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { ask } from '../../helpers/redis-cluster.js';
import { connectTo, sendTo, SHORT_LEASE_MS, startNodeProcess, startNodes } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { temporaryDirectory } from '../../helpers/cli.js';

const DURABLE = { durable: 'true' };

/** Ids of the connections over which nodes hear announcements. */
async function listeners(redis: RedisProcess): Promise<string[]> {
  const list = String(await ask(redis, 'CLIENT', 'LIST'));
  return [...list.matchAll(/^id=(\d+) .* name=hoofbeat-signals /gm)].map(([, id]) => id ?? '');
}

if (requireProgram(t, 'redis-server')) {
  t.test('behind RECEIPT a node that has heard no announcement publishes to it too', async (t) => {
    const redis = await RedisProcess.start(t);
    const [near] = await startNodes(t, redis, 1);
    const before = await listeners(redis);
    const never = { initialDelayMs: 600_000, maxDelayMs: 600_000, jitter: 0 };
    const [deaf] = await startNodes(t, redis, 1, { reconnect: never });
    if (near === undefined || deaf === undefined) return;
    const [own, ...more] = (await listeners(redis)).filter((id) => !before.includes(id));
    t.strictSame([before.length, more.length], [1, 0]);
    const [reader, sender] = [await connectTo(t, near), await connectTo(t, deaf)];
    t.equal(await ask(redis, 'CLIENT', 'KILL', 'ID', own ?? ''), 1);
    await reader.subscribe('/topic/*', 'd', DURABLE);
    await sendTo(sender, '/topic/a', 'first');
    await sendTo(sender, '/topic/b', 'second');
    t.strictSame(
      (await reader.messages(2)).map(({ text }) => text),
      ['first', 'second'],
    );
    await reader.subscribe('/topic/a', 'd2', { ...DURABLE, selector: "kind = 'x'" });
    await sendTo(sender, '/topic/a', 'not for it', { kind: 'y' });
    await sendTo(sender, '/topic/a', 'for both', { kind: 'x' });
    const subscriptions = (await reader.messages(3)).map((frame) => `${frame.get('subscription')}: ${frame.text}`);
    t.strictSame(subscriptions.sort(), ['d2: for both', 'd: for both', 'd: not for it']);
  });

  t.test('RECEIPT waits for a node that is dead until it is given up', async (t) => {
    const redis = await RedisProcess.start(t);
    const config = path.join(temporaryDirectory(t), 'hoofbeat.json');
    writeFileSync(config, JSON.stringify({ relay: { type: 'redis', leaseMs: SHORT_LEASE_MS } }));
    const killed = await startNodeProcess(t, redis, config);
    const [staying] = await startNodes(t, redis, 1, { leaseMs: SHORT_LEASE_MS });
    if (staying === undefined) return;
    const reader = await connectTo(t, staying);
    const { cluster } = staying.server.broker;
    t.equal((await cluster.nodes()).nodes.length, 2);
    killed.command.child.kill('SIGKILL');
    await reader.subscribe('/topic/a', 'd', DURABLE);
    const { nodes, missing } = await cluster.nodes();
    t.strictSame([nodes.length, missing], [1, []], 'nobody is left who could publish without it');
  });
}
