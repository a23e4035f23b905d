/**
 * Names of other servers that do not resolve, resolve late, or mean another address later. The system's resolver is asked
 * through `dns.lookup`, which is where this test answers for names under `.fault.test`.
 */
import dns from 'node:dns';
import t from 'tap';
import { requireProgram } from '../helpers/programs.js';
import { openConnected, RawClient } from '../helpers/raw-client.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { KeyServer, Signer } from '../helpers/tokens.js';
import { until } from '../helpers/until.js';
import { recordFault } from './fault-record.js';

const OWN = '.fault.test';
/** Missing: there is no such name. */
const addresses = new Map<string, string>();
const realLookup = dns.lookup;

type Answer = (error: NodeJS.ErrnoException | null, address: unknown, family?: number) => void;

/** As the system's: asked with `all` it answers with a list. */
function lookup(name: string, options: dns.LookupOptions | Answer, callback?: Answer): void {
  const answer = (typeof options === 'function' ? options : callback) as Answer;
  if (!name.endsWith(OWN)) {
    (realLookup as (name: string, ...rest: unknown[]) => void)(
      name,
      options,
      ...(callback === undefined ? [] : [callback]),
    );
    return;
  }
  const address = addresses.get(name);
  process.nextTick(() => {
    if (address === undefined) {
      answer(
        Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
        '',
      );
    } else if (typeof options === 'object' && options.all === true) answer(null, [{ address, family: 4 }]);
    else answer(null, address, 4);
  });
}

t.before(() => {
  Object.assign(dns, { lookup });
  t.teardown(() => Object.assign(dns, { lookup: realLookup }));
});

function problems({ server }: TestServer): string {
  return server.broker
    .health()
    .problems.map(({ part, message }) => `${part}: ${message}`)
    .join('; ');
}

async function confirm(
  t: Parameters<typeof openConnected>[0],
  server: TestServer,
  destination: string,
): Promise<string> {
  const client = await openConnected(t, server.tcpPort);
  client.sendFrame('SEND', { destination, receipt: 'r' }, 'x');
  const frame = await client.frame();
  client.destroy();
  return frame.command === 'RECEIPT' ? 'confirmed' : (frame.get('code') ?? frame.get('message') ?? '');
}

t.test('Redis: a name that is lost, and means another address when it is back', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const name = `redis${OWN}`;
  const first = await RedisProcess.start(t);
  addresses.set(name, '127.0.0.1');
  const relay = {
    type: 'redis',
    url: `redis://${name}:${first.port}`,
    reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
  } as const;
  const node = await startTestServer({ http: false, relay });
  t.teardown(node.stop);
  t.equal(await confirm(t, node, '/queue/q'), 'confirmed');
  addresses.delete(name);
  await first.kill();
  await until('health to name it', () => /ENOTFOUND redis\.fault\.test/.test(problems(node)));
  const said = problems(node);
  t.not(await confirm(t, node, '/queue/q'), 'confirmed');
  await RedisProcess.start(t, ['--bind', '127.0.0.2', '--port', String(first.port)]);
  addresses.set(name, '127.0.0.2');
  await until('health to be well', () => problems(node) === '');
  await until('it takes messages', async () => (await confirm(t, node, '/queue/q')) === 'confirmed');
  recordFault({
    group: 'DNS',
    fault: 'Redis: the name is gone, then means another address',
    defence: 'adapters/redis/connection/redis-connection.ts',
    outcome: `health: ${said.slice(0, 100)}; each attempt asks for the name anew, so the new address is found without a restart`,
  });
});

t.test('an external STOMP broker whose name resolves late', async (t) => {
  const name = `stomp${OWN}`;
  const upstream = await startTestServer({ http: false });
  t.teardown(upstream.stop);
  const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };
  const relay = {
    type: 'stomp',
    host: name,
    port: upstream.tcpPort,
    destinationPrefixes: ['/queue'],
    reconnect,
  } as const;
  const front = await startTestServer({ http: false, relay });
  t.teardown(front.stop);
  await until('health to name it', () => /stomp\.fault\.test/.test(problems(front)));
  const said = problems(front);
  t.equal(await confirm(t, front, '/topic/own'), 'confirmed', 'what is its own works');
  t.not(await confirm(t, front, '/queue/q'), 'confirmed');
  addresses.set(name, '127.0.0.1');
  await until('it takes messages', async () => (await confirm(t, front, '/queue/q')) === 'confirmed');
  t.equal(problems(front), '');
  recordFault({
    group: 'DNS',
    fault: 'an external STOMP broker: the name resolves late',
    defence: 'adapters/relays/',
    outcome: `starts; health: ${said.slice(0, 100)}; its destinations answer ERROR until the name is there, the rest works`,
  });
});

t.test('keys of tokens (JWKS) whose name resolves late', async (t) => {
  const name = `keys${OWN}`;
  const signer = await Signer.make();
  const keys = await KeyServer.start(t, [signer.jwk]);
  const jwt = { jwksUrl: `http://${name}:${keys.port}/jwks`, jwksCooldownMs: 20 };
  const server = await startTestServer({ http: false, auth: { anonymous: false, jwt } });
  t.teardown(server.stop);
  const token = await signer.sign({ sub: 'ann' });
  const connect = async (): Promise<string> => {
    const client = await RawClient.openFor(t, server.tcpPort);
    client.sendFrame('CONNECT', { 'accept-version': '1.2', host: 'test', token });
    const { command } = await client.frame();
    client.destroy();
    return command;
  };
  t.equal(await connect(), 'ERROR');
  addresses.set(name, '127.0.0.1');
  await until('the token to be taken', async () => (await connect()) === 'CONNECTED');
  recordFault({
    group: 'DNS',
    fault: 'JWKS: the name resolves late',
    defence: 'adapters/auth/jwt-keys.ts',
    outcome: 'starts with a warning; CONNECT with a token is refused until the keys can be fetched, then taken',
  });
});
