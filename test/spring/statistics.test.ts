import { connect } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import { WebSocket } from 'ws';
import { inTime } from '../helpers/inbox.js';
import { startTestServer } from '../helpers/server.js';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';

t.test('S13.1 sessions are counted by transport now, in all since start, and by how they ended', async (t) => {
  const { server, tcpPort, httpPort, stop } = await startTestServer();
  t.teardown(stop);
  const { broker } = server;
  const base = `127.0.0.1:${httpPort}/ws`;
  const native = new WebSocket(`ws://${base}`);
  const sockJs = new WebSocket(`ws://${base}/0/a/websocket`);
  const tcp = connect(tcpPort, '127.0.0.1');
  await inTime(Promise.all([once(native, 'open'), once(sockJs, 'message'), once(tcp, 'connect')]), 'connections');
  const streaming = await fetch(`http://${base}/0/b/xhr_streaming`, { method: 'POST' });
  await inTime(fetch(`http://${base}/0/c/xhr`, { method: 'POST' }), 'the poll');
  const until = async (wanted: object, what: string): Promise<void> => {
    const arrived = async (): Promise<void> => {
      while (
        JSON.stringify({ ...broker.stats().connections.byTransport, ...wanted }) !==
        JSON.stringify(broker.stats().connections.byTransport)
      ) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await inTime(arrived(), what);
  };
  await until(
    { tcp: 1, websocket: 1, 'sockjs-websocket': 1, 'sockjs-xhr-streaming': 1, 'sockjs-xhr-polling': 1 },
    'every transport to be counted',
  );
  t.match(broker.stats().connections, { current: 5, total: 5, refused: 0 });
  native.close();
  sockJs.close();
  tcp.resetAndDestroy();
  await streaming.body?.cancel();
  await until({ tcp: 0, websocket: 0, 'sockjs-websocket': 0, 'sockjs-xhr-streaming': 0 }, 'the ends to be counted');
  t.equal(broker.stats().connections.transportErrors, 1, 'the reset');
  t.equal(broker.stats().connections.total, 5);
});

t.test(
  'S13.1 sessions closed for reading too slowly, and without a first frame, have counters of their own',
  async (t) => {
    const fixture = new BrokerFixture({
      outbox: { highWaterBytes: 1_000, softLimitBytes: 2_000, hardLimitBytes: 4_000 },
    });
    const [slow, sender] = [fixture.connect(), fixture.connect()];
    slow.subscribe('s', '/topic/a');
    slow.connection.freeze();
    for (let k = 0; k < 10; k++) {
      sender.publish('/topic/a', 'x'.repeat(1_000));
      fixture.clock.turn();
    }
    fixture.open();
    fixture.clock.advance(20_000);
    t.match(fixture.broker.stats().closed, { 'slow-consumer': 1, 'connect-timeout': 1 });
  },
);

t.test('S13.2 CONNECT is counted when it arrives, CONNECTED when written, DISCONNECT of clients only', async (t) => {
  const fixture = new BrokerFixture();
  const counts = () => fixture.broker.stats().stomp;
  const client = fixture.connect();
  t.strictSame(counts(), { connect: 1, connected: 1, disconnect: 0 });
  fixture.broker.interceptInbound((frame) => (frame.headers.has('drop') ? null : frame));
  fixture.open().send(frameText('STOMP', { 'accept-version': '1.2', host: 'h', drop: '1' }));
  t.strictSame(counts(), { connect: 2, connected: 1, disconnect: 0 }, 'before interceptors');
  fixture.open().send(frameText('CONNECT', { 'accept-version': '9', host: 'h' }));
  t.strictSame(counts(), { connect: 3, connected: 1, disconnect: 0 }, 'refused');
  fixture.connect().connection.vanish();
  t.strictSame(counts(), { connect: 4, connected: 2, disconnect: 0 }, 'a lost connection is no DISCONNECT');
  client.send(frameText('DISCONNECT', {}));
  t.strictSame(counts(), { connect: 4, connected: 2, disconnect: 1 });
});
