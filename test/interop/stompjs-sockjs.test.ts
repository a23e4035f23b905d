/** @stomp/stompjs 7 over sockjs-client, each transport forced in turn. */
import t, { type Test } from 'tap';
import type { StompServerPorts } from '../../adapters/index.js';
import type { ConnectRequest, Principal } from '../../broker/ports.js';
import { inTime, Inbox } from '../helpers/inbox.js';
import { startTestServer } from '../helpers/server.js';
import {
  overSockJs,
  SOCKJS_TRANSPORTS,
  StompjsClient,
  versions,
  type StompjsConfig,
} from '../helpers/stompjs-client.js';

const server = await startTestServer({ broker: { heartBeat: { sendMs: 150, receiveMs: 150, tolerance: 6 } } });
const { httpPort } = server;
t.teardown(() => server.stop());

/** Lets everybody in and tells which way each came. */
function spyOn(transports: Inbox<string>): StompServerPorts {
  const authenticate = ({ transport }: ConnectRequest): Principal => {
    transports.push(transport);
    return { name: null, roles: [] };
  };
  return { authenticator: { authenticate } };
}

for (const transport of SOCKJS_TRANSPORTS) {
  const way = overSockJs(httpPort, transport);
  const connect = (t: Test, config: StompjsConfig = {}): Promise<StompjsClient> =>
    StompjsClient.connect(t, { ...way, ...config });

  t.test(`stompjs over SockJS ${transport} talks 1.0, 1.1 and 1.2`, async (t) => {
    for (const version of ['1.0', '1.1', '1.2']) {
      const client = await connect(t, { stompVersions: versions(version) });
      t.equal(client.client.connectedVersion, version);
      const destination = `/topic/sockjs.${transport}`;
      const messages = await client.subscribe(destination);
      await client.receipt('SEND', (receipt) => {
        client.client.publish({ destination, body: 'grüße\u2028 世界 🐎', headers: { receipt, kind: 'greeting' } });
      });
      const message = await messages.next('the greeting');
      t.equal(message.body, 'grüße\u2028 世界 🐎');
      t.equal(message.headers['kind'], 'greeting');
      t.match(await client.deactivate(), { code: 1000 }, 'a clean end');
    }
  });

  t.test(`stompjs over SockJS ${transport} is served by that transport`, async (t) => {
    const transports = new Inbox<string>();
    const spy = await startTestServer({}, spyOn(transports));
    t.teardown(() => spy.stop());
    await StompjsClient.connect(t, overSockJs(spy.httpPort, transport));
    t.equal(await transports.next('CONNECT'), `sockjs-${transport}`);
  });

  t.test(`stompjs over SockJS ${transport} acknowledges, hands back and uses transactions`, async (t) => {
    const client = await connect(t);
    const queue = `/queue/sockjs.${transport}`;
    const work = await client.subscribe(queue, { id: 'work', ack: 'client-individual' });
    const transaction = client.client.begin();
    for (const body of ['one', 'two']) {
      client.client.publish({ destination: queue, body, headers: { transaction: transaction.id } });
    }
    await client.fence();
    t.equal(work.length, 0, 'nothing before COMMIT');
    transaction.commit();
    const one = await work.next('message one');
    const two = await work.next('message two');
    two.ack();
    one.nack();
    const again = await work.next('message one after nack()');
    t.equal(again.body, 'one');
    t.equal(again.headers['redelivered'], 'true');
    await client.receipt('ACK', (receipt) => again.ack({ receipt }));
  });

  t.test(`stompjs over SockJS ${transport} sends and receives 1 MiB`, async (t) => {
    const body = 'Ein Pferd! – '.repeat(90_000).slice(0, 1024 * 1024);
    const client = await connect(t, { splitLargeFrames: true });
    const messages = await client.subscribe(`/topic/large.${transport}`);
    const deadlineMs = 20_000;
    await client.receipt(
      '1 MiB',
      (receipt) => client.client.publish({ destination: `/topic/large.${transport}`, body, headers: { receipt } }),
      deadlineMs,
    );
    t.ok((await messages.next('1 MiB')).body === body, 'unchanged');
  });

  t.test(`stompjs over SockJS ${transport} gets 500 messages of another client in order`, async (t) => {
    const [publisher, subscriber] = [await connect(t), await connect(t)];
    const destination = `/topic/order.${transport}`;
    const messages = await subscriber.subscribe(destination);
    for (let k = 0; k < 500; k++) publisher.client.publish({ destination, body: String(k) });
    const bodies: string[] = [];
    while (bodies.length < 500) bodies.push((await messages.next(`message ${bodies.length}`)).body);
    t.same(
      bodies,
      Array.from({ length: 500 }, (_, k) => String(k)),
    );
  });

  t.test(`stompjs over SockJS ${transport} is kept alive by heart-beats`, async (t) => {
    const beats = new Inbox<true>();
    const client = await connect(t, {
      heartbeatIncoming: 150,
      heartbeatOutgoing: 150,
      // Wide on both sides, for client and server share a process that may be kept waiting; the beats go on for longer.
      heartbeatToleranceMultiplier: 6,
      onHeartbeatReceived: () => beats.push(true),
      onHeartbeatLost: () => t.fail('a heart-beat of the server came too late'),
    });
    for (let k = 1; k <= 18; k++) await beats.next(`heart-beat ${k}`);
    await client.fence();
    t.match(await client.deactivate(), { code: 1000 });
  });

  t.test(`stompjs over SockJS ${transport} sees ERROR and then the close`, async (t) => {
    const client = await connect(t);
    client.client.publish({ destination: '/topic/x', headers: { transaction: 'none' } });
    t.match(await client.errors.next('ERROR'), { headers: { code: 'transaction-unknown' } });
    t.match(await inTime(client.closed, 'the close'), { code: 1002 });
  });
}

t.test('stompjs over SockJS takes the WebSocket when nothing is forced', async (t) => {
  const transports = new Inbox<string>();
  const spy = await startTestServer({}, spyOn(transports));
  t.teardown(() => spy.stop());
  const client = await StompjsClient.connect(t, overSockJs(spy.httpPort));
  t.equal(await transports.next('CONNECT'), 'sockjs-websocket');
  t.match(await client.deactivate(), { code: 1000 });
});

t.test('stompjs over SockJS falls back where WebSocket is switched off', async (t) => {
  const transports = new Inbox<string>();
  const endpoints = [{ path: '/ws', sockjs: { websocket: false } }];
  const spy = await startTestServer({ http: { endpoints } }, spyOn(transports));
  t.teardown(() => spy.stop());
  await StompjsClient.connect(t, overSockJs(spy.httpPort));
  t.equal(await transports.next('CONNECT'), 'sockjs-xhr-streaming');
});
