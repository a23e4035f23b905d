/** JSON endpoints of a configuration, on a server of its own. */
import t, { type Test } from 'tap';
import { parseConfig } from '../../../adapters/config/index.js';
import { JsonGateway, type ServerOptions } from '../../../adapters/index.js';
import { encodeSegment } from '../../../adapters/gateways/segment.js';
import { fillDestination, fillHeaders, fillTemplate } from '../../../adapters/gateways/json/template.js';
import { startTestServer } from '../../helpers/server.js';
import { overSockJs, StompjsClient } from '../../helpers/stompjs-client.js';
import { WebSocketClient } from '../../helpers/websocket-client.js';

t.test('templates: whole fields as they are, parts as text, what is filled in is not looked at again', async (t) => {
  const fields = { a: { b: [1] }, room: '{secret} ${secret}', secret: 'x', n: 5, yes: true };
  t.strictSame(fillTemplate({ all: '{a}', of: ['in {room}', '{n} {none}{a}', '{none}'], yes: '{yes}' }, fields), {
    all: { b: [1] },
    of: ['in {secret} ${secret}', '5 ', undefined],
    yes: true,
  });
  t.strictSame(fillTemplate([null, 1], fields), [null, 1]);
  t.strictSame(fillTemplate(['{message-id}', 'of {delivery-count}'], { 'message-id': 'm-1', 'delivery-count': 2 }), [
    'm-1',
    'of 2',
  ]);
  t.equal(fillTemplate('{constructor}', {}), undefined);
  t.strictSame(fillHeaders({ one: '{n}', two: '{none}', 'message-key': '{message-key}', three: 'always' }, fields), {
    one: '5',
    three: 'always',
  });
});

t.test('a field within a destination is one segment, and no pattern', async (t) => {
  t.equal(fillDestination('/topic/rooms/{room}/x', { room: '../a/*{b}' }), '/topic/rooms/..%2Fa%2F%2A%7Bb%7D/x');
  t.equal(decodeURIComponent(encodeSegment('../a/*{b}')), '../a/*{b}');
  t.equal(fillDestination('{destination}', { destination: '/topic/*' }), '/topic/*');
  for (const room of [undefined, '', null, {}]) {
    t.throws(() => fillDestination('/topic/rooms/{room}', { room }), {
      name: 'InvalidMessage',
      message: /^room is missing/,
    });
  }
});

async function start(t: Test, yaml: string, ports?: Parameters<typeof startTestServer>[1]) {
  const http = (parseConfig(yaml, 'test.yaml') as { http: ServerOptions['http'] }).http;
  const server = await startTestServer({ http }, ports);
  t.teardown(server.stop);
  const open = async (path: string) => {
    const client = await WebSocketClient.open(`http://127.0.0.1:${server.httpPort}${path}`);
    const next = async (): Promise<unknown> => JSON.parse((await client.next()).text) as unknown;
    const say = (message: unknown): void => {
      client.send(typeof message === 'string' ? message : JSON.stringify(message));
    };
    return { next, say, client };
  };
  return { ...server, open };
}

t.test('without a word about messages: subscribe, send, acknowledge, and what is wrong', async (t) => {
  const { open, server } = await start(t, 'http: { jsonEndpoints: [{ path: /json }] }');
  const { next, say } = await open('/json');
  t.match(await next(), { type: 'connected', user: null, session: String });
  say({ type: 'subscribe', destination: '/queue/a', ack: 'client-individual', selector: 'missing IS NULL', id: 1 });
  t.strictSame(await next(), { type: 'subscribed', destination: '/queue/a', id: 1 });
  say({ type: 'send', destination: '/queue/a', payload: { n: 1 }, id: 'two' });
  const first = (await next()) as { type: string };
  const second = (await next()) as { type: string };
  const [sent, message] = first.type === 'sent' ? [first, second] : [second, first];
  t.strictSame(sent, { type: 'sent', id: 'two' });
  t.match(message, { type: 'message', destination: '/queue/a', subscription: '/queue/a', payload: { n: 1 } });
  say({ type: 'ack', ack: (message as unknown as { ack: string }).ack, id: 3 });
  t.strictSame(await next(), { type: 'acknowledged', id: 3 });
  say({ type: 'unsubscribe', destination: '/queue/a' });
  t.strictSame(await next(), { type: 'unsubscribed', destination: '/queue/a' });
  say({ type: 'ping' });
  t.strictSame(await next(), { type: 'pong' });
  for (const [wrong, code, id] of [
    ['[]', 'invalid-json'],
    [{ type: 'dance', id: 4 }, 'invalid-message', 4],
    [{ type: 'toString' }, 'invalid-message'],
    [{ type: 'subscribe', id: 5 }, 'invalid-message', 5],
    [{ type: 'subscribe', destination: '/topic/\0', id: 6 }, 'header-invalid', 6],
  ] as const) {
    say(wrong);
    t.match(await next(), { type: 'error', code, message: String, ...(id === undefined ? {} : { id }) });
  }
  t.equal(server.broker.stats().subscriptions, 0);
});

const ROOMS = `
http:
  jsonEndpoints:
    - path: /rooms
      sockjs: false
      typeField: do
      messages:
        join: { action: subscribe, destination: '/topic/rooms/{room}', then: { did: join, room: '{room}', by: '{user}' } }
        say: { action: send, destination: '/topic/rooms/{room}', payload: { text: '{text}', by: '{user}' } }
        post: { action: send, destination: /topic/rooms/hall }
      subscriptions: [/topic/news]
      opened: false
      delivered: '{payload}'
      refused: { oops: '{code}' }
`;

t.test('messages of an application of its own, and STOMP clients beside them', async (t) => {
  const { open, httpPort } = await start(t, ROOMS);
  const { next, say } = await open('/rooms');
  say({ do: 'join', room: 'the/*hall', user: 'root' });
  t.strictSame(await next(), { did: 'join', room: 'the/*hall', by: null }, 'who it is the client does not say');
  const stomp = await StompjsClient.connect(t, overSockJs(httpPort));
  const heard = await stomp.subscribe('/topic/rooms/the%2F%2Ahall');
  say({ do: 'say', room: 'the/*hall', text: 'Hello' });
  t.strictSame(JSON.parse((await heard.next()).body), { text: 'Hello', by: null });
  t.strictSame(await next(), { text: 'Hello', by: null });
  say({ do: 'join', room: 'hall' });
  await next();
  say({ do: 'post', n: 1 });
  t.strictSame(await next(), { do: 'post', n: 1 });
  stomp.client.publish({ destination: '/topic/news', body: 'Tea' });
  t.strictSame(await next(), 'Tea');
  say({ do: 'join', room: '\ud800' });
  t.strictSame(await next(), { oops: 'invalid-message' });
});

t.test('gateways of the application on a server of its own', async (t) => {
  const gateway = new JsonGateway({
    paths: { '/own': false },
    mapping: { receive: () => [], render: () => undefined, opened: () => 'hello', refused: () => undefined },
  });
  const { open } = await start(t, 'http: {}', { gateways: [gateway] });
  const { next } = await open('/own');
  t.equal(await next(), 'hello');
});
