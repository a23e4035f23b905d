import { connect } from 'node:net';
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { LogLine } from '../../../../adapters/testing/recorded-log.js';
import { RelayNode } from '../../../contracts/node-relay-contract.js';
import { createCertificate } from '../../../helpers/certificate.js';
import { requireProgram } from '../../../helpers/programs.js';
import { freePort, RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisRelay, type TestRelayOptions } from '../../../helpers/redis-relay.js';

function startNode(t: Test, url: string, more: TestRelayOptions = {}, log: LogLine[] = []) {
  return RelayNode.start(t, testRedisRelay(url, more, log));
}

/** A command to Redis as its protocol has it, past ioredis; resolves with the answer's first octets. */
function command(redis: RedisProcess, ...parts: readonly (string | Buffer)[]): Promise<string> {
  const socket = connect(redis.port, '127.0.0.1');
  socket.write(`*${parts.length}\r\n`);
  for (const part of parts) {
    socket.write(`$${Buffer.byteLength(part)}\r\n`);
    socket.write(part);
    socket.write('\r\n');
  }
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', (answer) => {
      socket.destroy();
      resolve(String(answer));
    });
  });
}

t.test('Redis stopped and started: told, counted, nothing kept, and everything in force again', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const log: LogLine[] = [];
  const [a, b] = [await startNode(t, redis.url), await startNode(t, redis.url, {}, log)];
  await b.relay.join('/topic/x');
  await b.relay.join('/topic/p/*');
  for (const node of [a, b]) t.equal(await node.available.next(), true);
  await redis.stop();
  for (const node of [a, b]) t.equal(await node.available.next('the loss of Redis'), false);
  t.match(a.relay.problem, { message: /^Redis: /, sinceEpochMs: Number });
  t.notOk(a.relay.isAccepting);
  a.publish('/topic/x', 'lost');
  await t.rejects(a.relay.accepted(), { code: 'relay-lost' });
  t.match(a.relay.counts, { dropped: 1, gaps: 0 });
  t.match(b.relay.counts, { gaps: 1 });
  // Wanted while nobody can be asked: in force with the next connection.
  t.equal(b.relay.join('/topic/new'), undefined);
  b.relay.leave('/topic/x');
  await redis.start();
  for (const node of [a, b]) t.equal(await node.available.next('Redis again'), true);
  t.equal(a.relay.problem, null);
  a.publish('/topic/x', 'left');
  a.publish('/topic/p/q', '1');
  a.publish('/topic/new', '2');
  await a.relay.accepted();
  t.strictSame(await b.next(2), ['/topic/p/q 1', '/topic/new 2']);
  t.strictSame(
    log.map(({ level }) => level),
    ['info', 'warn', 'info'],
    'one line for each change',
  );
});

t.test('a Redis that is not there at the start is found later', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const port = await freePort();
  const node = await startNode(t, `redis://127.0.0.1:${port}`);
  t.equal(await node.available.next(), false);
  t.match(node.relay.problem?.message, /^Redis: connect ECONNREFUSED/);
  t.equal(node.relay.join('/topic/x'), undefined, 'nobody waits');
});

t.test('a Redis that stands still is given up, and what was on its way is not sure', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const node = await startNode(t, redis.url, { pingIntervalMs: 100, connectTimeoutMs: 200 });
  t.equal(await node.available.next(), true);
  redis.freeze();
  node.publish('/topic/x', '1');
  const joined = node.relay.join('/topic/x');
  await t.rejects(node.relay.accepted(), { code: 'relay-lost' });
  await joined;
  t.equal(await node.available.next(), false);
  t.match(node.relay.problem?.message, /^Redis: (no sign of life within 100|not ready within 200) ms$/);
  redis.resume();
  t.equal(await node.available.next('Redis again'), true);
});

t.test('what is on its way is bounded: above that it is dropped and counted', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const node = await startNode(t, redis.url, { maxPendingBytes: 10_000 });
  for (let k = 0; k < 30; k++) node.relay.publish('/topic/x', Buffer.alloc(1_000));
  t.notOk(node.relay.isAccepting);
  await t.rejects(node.relay.accepted(), { code: 'relay-lost' });
  await node.relay.stop();
  t.strictSame({ ...node.relay.counts }, { published: 10, received: 0, dropped: 20, gaps: 0 });
});

t.test('clusters with other prefixes do not hear each other, and a passcode opens the way', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t, ['--requirepass', 'secret*[word]']);
  const url = redis.url.replace('//', `//:${encodeURIComponent('secret*[word]')}@`);
  const [a, b, other] = await Promise.all([
    startNode(t, url),
    startNode(t, url),
    startNode(t, url, { keyPrefix: 'te*?[t]:' }),
  ]);
  await Promise.all([b, other].map((node) => node.join('/topic/**')));
  a.publish('/topic/x', '1');
  t.strictSame(await b.next(1), ['/topic/x 1']);
  other.publish('/topic/x', 'other');
  await other.relay.accepted();
  a.publish('/topic/x', '2');
  t.strictSame(await b.next(1), ['/topic/x 2']);
  t.equal(other.received.length, 0);
  const closed = await startNode(t, redis.url);
  t.equal(await closed.available.next(), false);
  t.match(closed.relay.problem?.message, /NOAUTH|WRONGPASS/);
});

t.test('a channel that Redis does not let be is refused to who asks for it', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  // No more than the README asks for.
  const commands = ['publish', 'subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ping', 'info', 'client'];
  const inScripts = ['eval', 'evalsha', 'time', 'hget', 'hset', 'hdel', 'hexists', 'hkeys', 'pexpire'];
  const channels = ['~{test:}*', 'resetchannels', '&test:topic:topic/open', '&{test:}*'];
  const rights = ['-@all', ...[...commands, ...inScripts].map((name) => `+${name}`), ...channels];
  t.equal(await command(redis, 'ACL', 'SETUSER', 'node', 'on', '>pass', ...rights), '+OK\r\n');
  const node = await startNode(t, redis.url.replace('//', '//node:pass@'));
  await node.relay.join('/topic/open');
  await t.rejects(Promise.resolve(node.relay.join('/topic/closed')), { code: 'relay-refused', message: /NOPERM/ });
  node.relay.leave('/topic/closed');
  node.publish('/topic/closed', '1');
  await t.rejects(node.relay.accepted(), { code: 'relay-lost', message: /NOPERM/ });
  t.match(node.relay.problem, { message: /^Redis refuses messages: .*NOPERM/ });
  t.equal(node.relay.isAccepting, true, 'other channels go on');
});

t.test('TLS, with an authority of its own', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const directory = t.testdir();
  const { key, cert } = createCertificate();
  const files = { key: path.join(directory, 'key.pem'), cert: path.join(directory, 'cert.pem') };
  writeFileSync(files.key, key);
  writeFileSync(files.cert, cert);
  const port = String(await freePort());
  const tls = ['--tls-port', port, '--tls-cert-file', files.cert, '--tls-key-file', files.key];
  await RedisProcess.start(t, [...tls, '--tls-ca-cert-file', files.cert, '--tls-auth-clients', 'no']);
  const url = `rediss://localhost:${port}`;
  const [a, b] = [await startNode(t, url, { tls: { ca: cert } }), await startNode(t, url, { tls: { ca: cert } })];
  await b.relay.join('/topic/x');
  a.publish('/topic/x', '1');
  t.strictSame(await b.next(1), ['/topic/x 1']);
  const suspicious = await startNode(t, url);
  t.equal(await suspicious.available.next(), false);
  t.match(suspicious.relay.problem?.message, /self-signed certificate/);
});

t.test('more patterns than Redis is to compare with are one glob for everything', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startNode(t, redis.url), await startNode(t, redis.url)];
  const patterns = Array.from({ length: 300 }, (_, k) => `/topic/${k}/*`);
  await Promise.all(patterns.map((pattern) => b.join(pattern)));
  t.equal(await command(redis, 'PUBSUB', 'NUMPAT'), ':257\r\n');
  a.publish('/topic/299/x', '1');
  a.publish('/topic/7/x', '2');
  t.strictSame(await b.next(2), ['/topic/299/x 1', '/topic/7/x 2']);
  for (const pattern of patterns) b.relay.leave(pattern);
  await b.relay.join('/topic/end');
  t.equal(await command(redis, 'PUBSUB', 'NUMPAT'), ':0\r\n');
});

t.test('what no node of this version has written is left out, and said once', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const log: LogLine[] = [];
  const [a, b] = [await startNode(t, redis.url), await startNode(t, redis.url, {}, log)];
  await b.relay.join('/topic/x');
  for (const octets of ['', 'x', Buffer.alloc(40, 2), Buffer.concat([Buffer.from([1]), Buffer.alloc(20, 255)])]) {
    t.equal(await command(redis, 'PUBLISH', 'test:topic:topic/x', octets), ':1\r\n');
  }
  a.publish('/topic/x', 'good');
  t.strictSame(await b.next(1), ['/topic/x good']);
  t.equal(log.filter(({ level }) => level === 'error').length, 1);
});
