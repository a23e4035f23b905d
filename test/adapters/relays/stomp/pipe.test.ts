import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { socketDial, type Dial, type Pipe } from '../../../../adapters/relays/index.js';
import { createStompServer } from '../../../../adapters/index.js';
import { createCertificate } from '../../../helpers/certificate.js';
import { Inbox } from '../../../helpers/inbox.js';

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What happens to a connection, in words. */
function open(dial: Dial): { readonly pipe: Pipe; readonly events: Inbox<string> } {
  const events = new Inbox<string>();
  const pipe = dial({
    onOpen: () => events.push('open'),
    onBytes: (chunk) => events.push(chunk.toString()),
    onClose: (cause) => events.push(`close ${(cause as NodeJS.ErrnoException | undefined)?.code ?? 'in order'}`),
  });
  return { pipe, events };
}

t.test('octets go both ways, written together, and the end comes behind them', async (t) => {
  const chunks: string[] = [];
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk.toString());
      socket.write('heard');
    });
    socket.on('end', () => socket.end());
  });
  const { pipe, events } = open(socketDial({ host: '127.0.0.1', port: await listen(t, server), tls: null }));
  t.equal(await events.next(), 'open');
  for (const part of ['a', 'b', 'c']) pipe.write(Buffer.from(part));
  t.equal(await events.next(), 'heard');
  t.strictSame(chunks, ['abc']);
  pipe.end();
  t.equal(await events.next(), 'close in order');
  pipe.write(Buffer.from('too late'));
});

t.test('TLS trusts the authorities that it is given, and no others', async (t) => {
  const { cert, key } = createCertificate();
  const port = await listen(
    t,
    createTlsServer({ cert, key }, (socket) => {
      socket.on('error', () => undefined);
      socket.write('hello');
    }),
  );
  const host = 'localhost';
  const trusting = open(socketDial({ host, port, tls: { ca: cert } }));
  t.equal(await trusting.events.next(), 'open');
  t.equal(await trusting.events.next(), 'hello');
  trusting.pipe.destroy();
  const wary = open(socketDial({ host, port, tls: {} }));
  t.match(await wary.events.next(), /^close (DEPTH_ZERO_)?SELF_SIGNED/);
});

t.test('nobody there is an end with its cause', async (t) => {
  const server = createServer();
  const port = await listen(t, server);
  server.close();
  await once(server, 'close');
  const { events } = open(socketDial({ host: '127.0.0.1', port, tls: null }));
  t.equal(await events.next(), 'close ECONNREFUSED');
});

t.test('a file of authorities that cannot be read is named', async (t) => {
  t.throws(() => createStompServer({ relay: { type: 'stomp', tls: { caFile: 'nowhere.pem' } } }), {
    code: 'invalid-option',
    message: /relay\.tls\.caFile: got "nowhere\.pem", wants a readable PEM file \(ENOENT\)/,
  });
});
