/** The clients of older guides: stompjs 2.3.3 (`Stomp.over(new SockJS(url))`) and webstomp-client. Neither escapes. */
import { createRequire } from 'node:module';
import SockJS from 'sockjs-client';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { Inbox, inTime } from '../helpers/inbox.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { SOCKJS_TRANSPORTS } from '../helpers/stompjs-client.js';

type Headers = Record<string, string>;

interface LegacyFrame {
  readonly command: string;
  readonly headers: Readonly<Headers>;
  readonly body: string;
  ack(headers?: Headers): void;
  nack(headers?: Headers): void;
}

/** What the two clients have in common. */
interface LegacyClient {
  debug: unknown;
  onreceipt?: (frame: LegacyFrame) => void;
  readonly ws: { onclose: unknown };
  connect(headers: Headers, onConnect: (frame: LegacyFrame) => void, onError?: (error: unknown) => void): void;
  disconnect(onDisconnect: () => void, headers?: Headers): void;
  subscribe(destination: string, onMessage: (frame: LegacyFrame) => void, headers?: Headers): { unsubscribe(): void };
  begin(transaction: string): void;
  commit(transaction: string): void;
  abort(transaction: string): void;
  ack(messageId: string, subscription: string): void;
  nack(messageId: string, subscription: string): void;
}

interface Stompjs2Client extends LegacyClient {
  send(destination: string, headers: Headers, body?: string): void;
}

interface WebstompClient extends LegacyClient {
  send(destination: string, body: string, headers?: Headers): void;
}

interface Stompjs2 {
  over(socket: unknown): Stompjs2Client;
  overTCP(host: string, port: number): Stompjs2Client;
}

interface Webstomp {
  over(socket: unknown, options: object): WebstompClient;
  client(url: string, options: object): WebstompClient;
}

// Both are CommonJS of their time, without types or with wrong ones.
const require = createRequire(import.meta.url);
const stompjs2 = require('stompjs') as Stompjs2;
const webstomp = require('webstomp-client') as Webstomp;
// webstomp-client's `client` takes the browser's.
Object.assign(globalThis, { WebSocket });

/** One client and the argument order of its `send`. */
interface Way {
  readonly name: string;
  /** stompjs 2 offers `1.1,1.0`; webstomp-client wants the version of the subprotocol, or 1.2 without one. */
  readonly version: string;
  /**
   * stompjs 2 shares one variable among the frames of one chunk: `message.ack()` of all of them acknowledges the last.
   * On TCP, where several frames share a chunk, applications must name the message themselves.
   */
  readonly namesMessages: boolean;
  readonly open: (server: TestServer) => Pick<Opened, 'client' | 'send'>;
}

function stompjs2Over(name: string, open: (server: TestServer) => Stompjs2Client): Way {
  return {
    name: `stompjs 2.3.3 ${name}`,
    version: '1.1',
    namesMessages: name === 'over TCP',
    open(server) {
      const client = open(server);
      return { client, send: (destination, body, headers = {}) => client.send(destination, { ...headers }, body) };
    },
  };
}

function webstompOver(name: string, version: string, open: (server: TestServer) => WebstompClient): Way {
  return {
    name: `webstomp-client ${name}`,
    version,
    namesMessages: false,
    open(server) {
      const client = open(server);
      return { client, send: (destination, body, headers) => client.send(destination, body, headers) };
    },
  };
}

const sockJs = (server: TestServer, transport: string): unknown =>
  new SockJS(`http://127.0.0.1:${server.httpPort}/ws`, null, { transports: [transport] });
const webSocketUrl = (server: TestServer): string => `ws://127.0.0.1:${server.httpPort}/ws`;
const QUIET = { debug: false, heartbeat: false };

const WAYS: readonly Way[] = [
  ...SOCKJS_TRANSPORTS.map((transport) =>
    stompjs2Over(`over SockJS ${transport}`, (server) => stompjs2.over(sockJs(server, transport))),
  ),
  stompjs2Over('over WebSocket', (server) => stompjs2.over(new WebSocket(webSocketUrl(server)))),
  stompjs2Over('over TCP', (server) => stompjs2.overTCP('127.0.0.1', server.tcpPort)),
  ...SOCKJS_TRANSPORTS.map((transport) =>
    webstompOver(`over SockJS ${transport}`, '1.2', (server) => webstomp.over(sockJs(server, transport), QUIET)),
  ),
  webstompOver('over WebSocket', '1.2', (server) => webstomp.client(webSocketUrl(server), QUIET)),
  ...['1.0', '1.1'].map((version) =>
    webstompOver(`over WebSocket on ${version}`, version, (server) =>
      webstomp.over(new WebSocket(webSocketUrl(server), `v${version.replace('.', '')}.stomp`), QUIET),
    ),
  ),
  webstompOver('over WebSocket in binary', '1.2', (server) =>
    webstomp.client(webSocketUrl(server), { ...QUIET, binary: true }),
  ),
];

const server = await startTestServer();
t.teardown(() => server.stop());

interface Opened {
  readonly client: LegacyClient;
  readonly connected: LegacyFrame;
  readonly receipts: Inbox<string>;
  readonly errors: Inbox<LegacyFrame>;
  readonly send: (destination: string, body: string, headers?: Headers) => void;
  /** Resolves once the subscription is live. */
  readonly subscribe: (destination: string, headers?: Headers) => Promise<Inbox<LegacyFrame>>;
  readonly fence: () => Promise<void>;
}

async function open(t: Test, way: Way): Promise<Opened> {
  const { client, send } = way.open(server);
  client.debug = () => undefined;
  const receipts = new Inbox<string>();
  const errors = new Inbox<LegacyFrame>();
  client.onreceipt = (frame) => receipts.push(frame.headers['receipt-id'] ?? '');
  const connected = await inTime(
    new Promise<LegacyFrame>((resolve) => {
      client.connect({}, resolve, (error) => errors.push(error as LegacyFrame));
    }),
    `the connect callback of ${way.name}`,
  );
  t.teardown(() => client.disconnect(() => undefined));
  let last = 0;
  const expectReceipt = async (id: string): Promise<void> => {
    const got = await receipts.next(`the RECEIPT of ${id}`);
    if (got !== id) throw new Error(`expected the RECEIPT of ${id}, got ${got}`);
  };
  return {
    client,
    connected,
    receipts,
    errors,
    send,
    async subscribe(destination, headers = {}) {
      const inbox = new Inbox<LegacyFrame>();
      const receipt = `subscribed-${++last}`;
      client.subscribe(destination, (frame) => inbox.push(frame), { ...headers, receipt });
      await expectReceipt(receipt);
      return inbox;
    },
    async fence() {
      const receipt = `fence-${++last}`;
      send('/topic/nobody.listens.here', '', { receipt });
      await expectReceipt(receipt);
    },
  };
}

for (const [index, way] of WAYS.entries()) {
  t.test(`${way.name} connects with {}, subscribes, sends and disconnects`, async (t) => {
    const { client, connected, send, subscribe, fence, receipts } = await open(t, way);
    t.match(connected, { command: 'CONNECTED', headers: { version: way.version } });
    const destination = `/topic/legacy.${index}`;
    const messages = await subscribe(destination);
    send(destination, 'hello', { kind: 'greeting' });
    const hello = await messages.next('the message');
    t.match(hello, { command: 'MESSAGE', body: 'hello', headers: { destination, kind: 'greeting' } });
    send(destination, JSON.stringify({ text: 'grüße', at: '12:30' }), { 'content-type': 'application/json' });
    t.same(JSON.parse((await messages.next('the JSON message')).body), { text: 'grüße', at: '12:30' });
    for (let k = 0; k < 100; k++) send(destination, String(k));
    for (let k = 0; k < 100; k++) t.equal((await messages.next(`message ${k}`)).body, String(k));
    await fence();
    await inTime(new Promise<void>((resolve) => client.disconnect(resolve)), 'disconnect');
    t.equal(receipts.length, 0);
  });

  t.test(`${way.name} acknowledges and uses transactions`, async (t) => {
    const { client, send, subscribe, fence, errors } = await open(t, way);
    const queue = `/queue/legacy.${index}`;
    const work = await subscribe(queue, { id: 'work', ack: 'client-individual' });
    client.begin('t1');
    send(queue, 'never', { transaction: 't1' });
    client.abort('t1');
    client.begin('t2');
    send(queue, 'one', { transaction: 't2' });
    send(queue, 'two', { transaction: 't2' });
    await fence();
    t.equal(work.length, 0, 'nothing before COMMIT');
    client.commit('t2');
    const one = await work.next('message one');
    const two = await work.next('message two');
    t.same([one.body, two.body], ['one', 'two']);
    const settle = (frame: LegacyFrame, verb: 'ack' | 'nack'): void => {
      if (way.namesMessages) client[verb](frame.headers['message-id'] ?? '', 'work');
      else frame[verb]();
    };
    settle(two, 'ack');
    if (way.version === '1.0') settle(one, 'ack');
    else {
      settle(one, 'nack');
      const again = await work.next('message one after nack()');
      t.match(again, { body: 'one', headers: { redelivered: 'true' } });
      settle(again, 'ack');
    }
    await fence();
    t.equal(errors.length, 0);
  });
}

t.test('stompjs 2.3.3 sends 1 MiB in pieces of 16 KiB', async (t) => {
  const { send, subscribe } = await open(t, WAYS.find(({ name }) => name === 'stompjs 2.3.3 over WebSocket') as Way);
  const messages = await subscribe('/topic/legacy.large');
  // Its parser counts content-length in characters, so only ASCII can be read back.
  const body = 'a horse! '.repeat(120_000).slice(0, 1024 * 1024);
  send('/topic/legacy.large', body);
  t.ok((await messages.next('1 MiB')).body === body, 'unchanged');
});

t.test('stompjs 2.3.3 hears ERROR in its error callback', async (t) => {
  const { send, errors } = await open(t, WAYS[0] as Way);
  send('/topic/x', '', { transaction: 'none' });
  t.match(await errors.next('ERROR'), { command: 'ERROR', headers: { code: 'transaction-unknown' } });
});
