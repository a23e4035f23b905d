/**
 * Redis over TLS with users of few rights: by Sentinels and as a Redis Cluster. The rights are those that CLUSTER.md names,
 * read from there, and Redis itself says whether they were enough.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { RedisRelayFileOptions } from '../../../adapters/config/relay-options.js';
import { createCertificate } from '../../helpers/certificate.js';
import { temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import type { RawClient } from '../../helpers/raw-client.js';
import { ask, RedisCluster } from '../../helpers/redis-cluster.js';
import { connectTo, sendTo } from '../../helpers/redis-nodes.js';
import type { RedisProcess, RedisTls } from '../../helpers/redis-process.js';
import { RedisSentinels, SENTINEL_NAME } from '../../helpers/redis-sentinels.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';
import { until } from '../../helpers/until.js';

const CLUSTER_MD = readFileSync(path.resolve(import.meta.dirname, '../../../../CLUSTER.md'), 'utf8');
const PASSWORD = 'of-the-nodes';
/** Of those who run Redis: replicas and Sentinels use it too. */
const OWNER = ['--requirepass', 'of-the-owner', '--masterauth', 'of-the-owner'];

/** A line `user <name> …` of CLUSTER.md. */
function userLine(name: string): string {
  const [, line] = new RegExp(`^(user ${name} .*)$`, 'm').exec(CLUSTER_MD) ?? [];
  if (line === undefined) throw new Error(`CLUSTER.md names no rights of ${name}`);
  return line.replace('>secret', `>${PASSWORD}`);
}

/** For a command line. */
function userOf(name: string): string[] {
  const [, ...words] = userLine(name).split(' ');
  return ['--user', ...words];
}

function createTls(t: Test): { readonly tls: RedisTls; readonly caFile: string } {
  const directory = temporaryDirectory(t);
  const { key, cert } = createCertificate();
  const tls = { keyFile: path.join(directory, 'key.pem'), certFile: path.join(directory, 'cert.pem'), ca: cert };
  writeFileSync(tls.keyFile, key);
  writeFileSync(tls.certFile, cert);
  return { tls, caFile: tls.certFile };
}

async function startNodes(t: Test, place: Omit<RedisRelayFileOptions, 'type'>): Promise<[TestServer, TestServer]> {
  const start = async (): Promise<TestServer> => {
    const node = await startTestServer({
      http: false,
      auth: { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } },
      relay: { type: 'redis', reconnect: { initialDelayMs: 20, maxDelayMs: 100 }, leaseMs: 1_500, ...place },
      broker: {
        history: [{ pattern: '/topic/kept/**', maxMessages: 3, maxAgeMs: 60_000 }],
        inbox: { rules: [{ pattern: '/queue/**' }], recipients: 'any' },
        queues: [{ pattern: '/queue/small', maxMessages: 1, onFull: 'dead-letter' }],
        presence: { leaveDelayMs: 0 },
      },
    });
    t.teardown(node.stop);
    return node;
  };
  return [await start(), await start()];
}

async function text(client: RawClient): Promise<string> {
  return (await client.frame('MESSAGE')).text;
}

/** Whatever nodes do with Redis. */
async function useEverything(t: Test, [a, b]: readonly [TestServer, TestServer], round: string): Promise<void> {
  const ann = { 'X-User': 'ann' };
  const [sender, reader] = [await connectTo(t, a), await connectTo(t, b, { ...ann, 'client-id': `c${round}` })];
  const send = async (destination: string, body: string, headers = {}): Promise<void> => {
    await sendTo(sender, destination, body, headers);
    t.equal(await text(reader), body, destination);
  };
  await reader.subscribe('/topic/exact', 'exact');
  await reader.subscribe('/topic/*/wild', 'wild');
  await reader.subscribe('/user/queue/own', 'user');
  await reader.subscribe('/topic/news', 'durable', { 'activemq.subscriptionName': 'n' });
  await reader.subscribe('/queue/plain', 'plain');
  await reader.subscribe('/topic/kept/a', 'kept');
  await reader.subscribe('/topic/kept/**', 'kepts');
  await send('/topic/exact', `exact ${round}`);
  await send('/topic/some/wild', `wild ${round}`);
  await send('/user/ann/queue/own', `user ${round}`);
  await send('/topic/news', `news ${round}`);
  await send('/queue/plain', `queue ${round}`, { 'message-key': `key ${round}`, priority: '9', expiration: '60000' });
  for (let k = 0; k < 5; k++) {
    await send('/topic/kept/a', `kept ${k} ${round}`);
    t.equal(await text(reader), `kept ${k} ${round}`, 'and by its pattern');
  }
  await useQueues(t, sender, reader, round);
  await sendTo(sender, '/user/eve/queue/later', `inbox ${round}`);
  const eve = await connectTo(t, b, { 'X-User': 'eve' });
  await eve.subscribe('/user/queue/later');
  t.equal(await text(eve), `inbox ${round}`);
  await eve.subscribe('/topic/$presence/exact', 'presence');
  t.match(JSON.parse(await text(eve)), { users: [{ name: 'ann' }] });
  await until('everybody to be counted', async () => {
    const { merged, missing } = await a.server.broker.cluster.countUsers();
    return merged === 2 && missing.length === 0;
  });
  // Who watches presence is told of the others.
  for (const client of [eve, sender, reader]) {
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    await client.receipt('bye');
  }
}

async function useQueues(t: Test, sender: RawClient, reader: RawClient, round: string): Promise<void> {
  await reader.subscribe('/queue/acked', 'acked', { ack: 'client-individual' });
  await sendTo(sender, '/queue/acked', `refused ${round}`, { AMQ_SCHEDULED_DELAY: '10' });
  const refused = await reader.frame('MESSAGE');
  reader.sendFrame('NACK', { id: refused.get('ack') ?? '', delay: '10' });
  const again = await reader.frame('MESSAGE');
  t.equal(again.get('redelivered'), 'true');
  reader.sendFrame('BEGIN', { transaction: 'tx' });
  reader.sendFrame('ACK', { id: again.get('ack') ?? '', transaction: 'tx' });
  reader.sendFrame('SEND', { destination: '/queue/picked', kind: 'b', transaction: 'tx' }, `sent ${round}`);
  reader.sendFrame('COMMIT', { transaction: 'tx', receipt: 'tx' });
  await reader.receipt('tx');
  for (const body of ['first', 'second']) await sendTo(sender, '/queue/small', body);
  await reader.subscribe('/queue/picked', 'look', { browser: 'true' });
  t.equal(await text(reader), `sent ${round}`);
  await reader.frame('MESSAGE');
  await reader.subscribe('/queue/picked', 'picked', { selector: "kind = 'b'" });
  t.equal(await text(reader), `sent ${round}`);
  await reader.subscribe('/queue/DLQ', 'dead');
  t.equal(await text(reader), 'first');
  await reader.subscribe('/queue/small', 'small', { exclusive: 'true' });
  t.equal(await text(reader), 'second');
}

/** What Redis has refused, of all its servers. */
async function refusals(servers: readonly RedisProcess[]): Promise<string[]> {
  const logs = await Promise.all(servers.map((server) => ask(server, 'ACL', 'LOG')));
  return (logs as unknown[][]).flat().map((entry) => (entry as unknown[]).map(String).join(' '));
}

t.test('Sentinels over TLS, with users of few rights: everything works, also behind a failover', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { tls, caFile } = createTls(t);
  const servers = [...OWNER, ...userOf('hoofbeat')];
  const redis = await RedisSentinels.start(t, servers, 1, 3, { tls, lines: [userLine('hoofbeat-sentinel')] });
  const nodes = await startNodes(t, {
    ...{ sentinels: redis.addresses, sentinelName: SENTINEL_NAME, tls: { caFile } },
    ...{ username: 'hoofbeat', password: PASSWORD },
    ...{ sentinelUsername: 'hoofbeat-sentinel', sentinelPassword: PASSWORD },
  });
  await useEverything(t, nodes, '1');
  const master = await redis.master();
  await master.kill();
  const isWell = (): boolean => nodes.every(({ server }) => server.broker.health().isOk);
  await until('the loss', () => !isWell());
  await until('the next master', isWell);
  await useEverything(t, nodes, '2');
  const left = redis.servers.filter((server) => server !== master);
  t.strictSame(await refusals([...left, ...redis.sentinels]), []);
});

t.test('a Redis Cluster over TLS, with a user of few rights: everything works', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { tls, caFile } = createTls(t);
  const redis = await RedisCluster.start(t, { args: [...OWNER, ...userOf('hoofbeat-cluster')], tls });
  const access = { username: 'hoofbeat-cluster', password: PASSWORD, tls: { caFile } };
  const nodes = await startNodes(t, { clusterNodes: redis.addresses, ...access });
  await useEverything(t, nodes, '1');
  t.strictSame(await refusals(redis.nodes), []);
});

t.test('those rights reach nothing of others', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisCluster.start(t, { masters: 1, args: userOf('hoofbeat-cluster') });
  const as = { port: redis.masters[0]?.port ?? 0, username: 'hoofbeat-cluster', password: PASSWORD };
  for (const command of [
    ['GET', 'other'],
    ['EVAL', "return redis.call('SET', 'other', 1)", '0'],
    ['SPUBLISH', 'other', 'x'],
    ['FLUSHALL'],
    ['KEYS', '*'],
    ['CONFIG', 'GET', '*'],
  ]) {
    await t.rejects(ask(as, ...command), { message: /NOPERM|can't (access|run)/ }, command.join(' '));
  }
});
