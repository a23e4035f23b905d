// What clients of the gateways may write: JSON messages, and the packets of Engine.IO and Socket.IO.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { createBroker, InvalidMessage, JsonGateway, SocketIoGateway } from '../../adapters/index.js';
import type { SessionAction } from '../../adapters/gateways/gateway-session.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { recordingLogger } from '../../adapters/testing/recorded-log.js';
import type { LogLine } from '../helpers/broker-fixture.js';
import { inTime } from '../helpers/inbox.js';
import { until } from '../helpers/until.js';
import { damage, fuzz } from './fuzz-run.js';

const TYPES = ['subscribe', 'unsubscribe', 'send', 'reply', 'close', '__proto__', 'nonsense'] as const;
const DESTINATIONS = [
  '/topic/a',
  '/topic/*',
  '/queue/a',
  '/user/queue/a',
  '',
  '/topic/a\0SEND\n\n',
  '/topic/\ud800',
  '__proto__',
] as const;
const PAYLOADS = [
  '1',
  'null',
  '{"a":[1,{"b":2}]}',
  '"\\ud800"',
  '{"__proto__":{"x":1}}',
  '1e999',
  '"'.concat('x'.repeat(3_000), '"'),
] as const;

function action(random: SeededRandom): string {
  const fields = [
    `"type":${JSON.stringify(random.pick(TYPES))}`,
    `"destination":${random.chance(0.9) ? JSON.stringify(random.pick(DESTINATIONS)) : '7'}`,
    `"payload":${random.pick(PAYLOADS)}`,
    `"message":${random.pick(PAYLOADS)}`,
  ];
  return `{${fields.filter(() => random.chance(0.9)).join(',')}}`;
}

/** Reads the action out of what a client wrote, as a mapping of an application would. */
function toAction(value: unknown): SessionAction {
  const { type, destination, payload } = value as Readonly<Record<string, unknown>>;
  if (typeof destination !== 'string') throw new InvalidMessage('no destination');
  if (type === 'subscribe' || type === 'unsubscribe') return { type, destination };
  if (type === 'send') return { type, destination, payload };
  throw new InvalidMessage(`no type ${String(type)}`);
}

interface Gateways {
  readonly port: number;
  readonly log: LogLine[];
  readonly connections: () => number;
}

async function start(t: Test): Promise<Gateways> {
  const log: LogLine[] = [];
  const io = new Server({ transports: ['websocket'] });
  const gateways = [
    new JsonGateway({
      paths: { '/json': true },
      mapping: {
        receive: (message) => toAction(message),
        render: ({ payload }) => ({ payload }),
        refused: ({ code }) => ({ code }),
      },
    }),
    new SocketIoGateway({
      io,
      mapping: { events: { do: (_client, value) => toAction(value) }, render: () => ({ event: 'told', args: [] }) },
    }),
  ];
  const { broker, attach, stop } = createBroker(
    { auth: { anonymous: true }, endpoints: [{ path: '/ws' }] },
    { gateways, logger: recordingLogger(log, 'error') },
  );
  const server = createServer();
  await attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    await stop();
    await io.close();
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, log, connections: () => broker.stats().connections.current };
}

/** Says all of it on a WebSocket and leaves. */
async function say(url: string, messages: readonly (string | Buffer)[]): Promise<void> {
  const ws = new WebSocket(url);
  ws.on('error', () => undefined);
  const closed = new Promise<void>((resolve) =>
    ws.on('close', () => {
      resolve();
    }),
  );
  ws.on('open', () => {
    for (const message of messages) ws.send(message);
    ws.close();
  });
  await inTime(closed, 'a WebSocket to close');
}

function messages(random: SeededRandom, wrap: (text: string) => string): (string | Buffer)[] {
  return Array.from({ length: random.between(1, 8) }, () => {
    const made = wrap(action(random));
    if (random.chance(0.7)) return made;
    const damaged = damage(random, Buffer.from(made));
    return random.chance(0.3) ? damaged : damaged.toString();
  });
}

t.test('any message of a gateway’s client is an action or refused', async (t) => {
  const { port, log, connections } = await start(t);
  const assertQuiet = (): void => {
    const errors = log.filter(({ level }) => level === 'error');
    if (errors.length > 0) throw new Error(JSON.stringify(errors));
    log.length = 0;
  };
  await fuzz(t, 'JSON gateway over WebSocket', 50, async (random) => {
    await say(
      `ws://127.0.0.1:${port}/json`,
      messages(random, (text) => text),
    );
    assertQuiet();
  });
  await fuzz(t, 'Socket.IO gateway', 100, async (random) => {
    const packet = (text: string): string =>
      random.pick([
        `42["do",${text}]`,
        `42${random.between(0, 9)}["do",${text}]`,
        '40',
        '41',
        '2',
        '3',
        '451-["do",{"_placeholder":true,"num":0}]',
        `43${text}`,
        text,
      ]);
    await say(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, ['40', ...messages(random, packet)]);
    assertQuiet();
  });
  await until('those who left to be gone', () => connections() === 0);
  t.equal(connections(), 0, 'those who left are gone');
});
