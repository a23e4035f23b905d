/** Handshakes and control frames as proxies and slow networks bring them. */
import type { Socket } from 'node:net';
import t from 'tap';
import { startEchoServer } from '../../helpers/transport-echo-server.js';
import { RawWebSocket } from '../../helpers/raw-websocket.js';

const echo = await startEchoServer();
t.teardown(() => echo.close());

t.test('pings that a network held back for minutes are all answered', async (t) => {
  const client = await RawWebSocket.open(echo.port, '/ws-echo');
  t.teardown(() => {
    client.close();
  });
  const payloads = Array.from({ length: 1_000 }, (_, at) => String(at));
  client.send(...payloads.map((payload) => ({ opcode: 9, payload })));
  for (const payload of payloads) {
    const { opcode, payload: answered } = await client.next('a pong');
    if (opcode !== 10 || answered.toString() !== payload) t.fail(`got opcode ${String(opcode)} for ping ${payload}`);
  }
  client.send({ opcode: 1, payload: 'still here' });
  t.equal((await client.next()).payload.toString(), 'still here');
});

t.test('a flood of pings cuts the connection', async (t) => {
  const client = await RawWebSocket.open(echo.port, '/ws-echo');
  const pings = Array.from({ length: 5_000 }, () => ({ opcode: 9 }));
  client.send(...pings);
  await client.untilEnd();
  t.pass('the server ended it');
});

t.test('a handshake for the whole URL, as forward proxies make it, is taken', async (t) => {
  for (const path of ['/ws-echo', '/echo/websocket', '/echo/0/0/websocket']) {
    for (const scheme of ['http', 'ws']) {
      const client = await RawWebSocket.open(echo.port, `${scheme}://broker.example${path}?token=1`);
      client.close();
    }
  }
  const lost = new RawWebSocket(echo.port);
  t.match(await lost.handshake('http://broker.example/nowhere/ws-echo'), /^HTTP\/1\.1 404 /);
});

t.test('the system watches over WebSockets, whose clients may vanish without a word', async (t) => {
  for (const path of ['/ws-echo', '/echo/0/0/websocket']) {
    const calls: (readonly unknown[])[] = [];
    echo.server.once('connection', (socket: Socket) => {
      t.intercept(socket, 'setKeepAlive', {
        value: (...given: Parameters<Socket['setKeepAlive']>) => {
          calls.push(given);
          return socket;
        },
      });
    });
    const client = await RawWebSocket.open(echo.port, path);
    client.close();
    t.same(calls, [[true, 60_000]], path);
  }
});
