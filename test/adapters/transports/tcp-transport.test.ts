/** TCP and TLS connections on real sockets: flush, drain, half-close, pause, ends. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { closeReason } from '../../../broker/close-reason.js';
import type { Connection, ConnectionListener, Logger } from '../../../broker/ports.js';
import { TcpTransport, type TcpTransportOptions } from '../../../adapters/transports/tcp-transport.js';
import { createCertificate } from '../../helpers/certificate.js';
import { Inbox, inTime } from '../../helpers/inbox.js';

const SILENT: Logger = { level: 'silent', debug() {}, info() {}, warn() {}, error() {} };

/** The broker's end of one connection, as a test sees it. */
class Peer implements ConnectionListener {
  readonly connection: Connection;
  readonly chunks = new Inbox<string>();
  readonly drains = new Inbox<number>();
  readonly closes: (Error | undefined)[] = [];
  readonly closed: Promise<Error | undefined>;
  received = 0;
  #onClosed: (cause: Error | undefined) => void = () => undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    this.closed = new Promise((resolve) => (this.#onClosed = resolve));
  }

  onBytes(chunk: Buffer): void {
    this.received += chunk.length;
    this.chunks.push(chunk.toString());
  }

  onEnd = (): Promise<void> | undefined => undefined;

  onDrain(): void {
    this.drains.push(this.connection.bufferedBytes);
  }

  onClose(cause?: Error): void {
    this.closes.push(cause);
    this.#onClosed(cause);
  }
}

async function listen(t: Test, tls?: TlsOptions, more: Partial<TcpTransportOptions> = {}) {
  const transport = new TcpTransport({ port: 0, logger: SILENT, ...(tls === undefined ? {} : { tls }), ...more });
  const peers = new Inbox<Peer>();
  const address = await transport.listen((connection) => {
    const peer = new Peer(connection);
    peers.push(peer);
    return peer;
  });
  t.teardown(() => transport.close());
  return { transport, peers, address };
}

interface Client {
  readonly socket: Socket;
  readonly text: () => string;
  /** Resolves when the server has ended its side. */
  readonly ended: Promise<void>;
}

function client(t: Test, port: number): Client {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  let text = '';
  socket.on('data', (part) => (text += part.toString()));
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => {
    socket.on('end', resolve);
    socket.on('close', () => {
      resolve();
    });
  });
  return { socket, text: () => text, ended };
}

t.test('octets pass both ways, with Nagle off and nothing added', async (t) => {
  const { peers, address } = await listen(t);
  t.match(address, { transport: 'tcp', host: '127.0.0.1', endpoints: [] });
  const { socket } = client(t, address.port);
  socket.write('hello');
  const peer = await peers.next();
  t.equal(await peer.chunks.next(), 'hello');
  t.equal(peer.connection.transport, 'tcp');
  t.equal(peer.connection.remoteAddress, '127.0.0.1');
  t.equal(peer.connection.takeHandshake(), null);
  peer.connection.write(Buffer.from('back'));
  t.equal(peer.connection.bufferedBytes, 0, 'the system took it at once');
  const [data] = (await once(socket, 'data')) as [Buffer];
  t.equal(data.toString(), 'back');
});

t.test('onDrain follows whenever something was buffered, however little', async (t) => {
  const { peers, address } = await listen(t);
  const { socket } = client(t, address.port);
  const peer = await peers.next();
  const { connection } = peer;
  socket.pause();
  // Fill what the two systems take between them, then add a little.
  const block = Buffer.alloc(256 * 1024);
  while (connection.bufferedBytes === 0) connection.write(block);
  connection.write(Buffer.from('x'));
  t.equal(peer.drains.length, 0);
  socket.resume();
  t.equal(await peer.drains.next('onDrain'), 0);

  // A little at a time: below the stream's high-water mark it emits no 'drain' of its own.
  socket.pause();
  const little = Buffer.alloc(1024);
  while (connection.bufferedBytes === 0) connection.write(little);
  t.ok(connection.bufferedBytes <= 1024, String(connection.bufferedBytes));
  socket.resume();
  t.equal(await peer.drains.next('onDrain for a little'), 0);

  socket.pause();
  while (connection.bufferedBytes === 0) {
    connection.cork();
    connection.write(little);
    connection.write(little);
    connection.uncork();
  }
  socket.resume();
  t.equal(await peer.drains.next('onDrain after uncork'), 0);
  t.equal(peer.drains.length, 0, 'once each');
});

t.test('corked writes leave as one', async (t) => {
  const { peers, address } = await listen(t);
  const { socket } = client(t, address.port);
  const { connection } = await peers.next();
  connection.cork();
  for (const part of ['a', 'b', 'c']) connection.write(Buffer.from(part));
  connection.uncork();
  const [data] = (await once(socket, 'data')) as [Buffer];
  t.equal(data.toString(), 'abc');
});

t.test('close sends what was written, then ends, and discards what still comes', async (t) => {
  const { peers, address } = await listen(t);
  const { socket, text, ended } = client(t, address.port);
  const peer = await peers.next();
  socket.write('before');
  await peer.chunks.next();
  peer.connection.write(Buffer.from('last words'));
  peer.connection.close(closeReason('protocol-error'));
  peer.connection.write(Buffer.from('too late'));
  // The client goes on sending for a while: it must meet FIN, not a reset.
  for (let n = 0; n < 50; n++) socket.write(Buffer.alloc(64 * 1024));
  await inTime(ended, 'the server to end');
  t.equal(text(), 'last words');
  t.equal(peer.received, 6, 'nothing after close reaches the listener');
  t.same(peer.closes, [], 'not gone before the client has closed too');
  socket.end();
  t.equal(await inTime(peer.closed, 'onClose'), undefined);
  t.equal(peer.closes.length, 1);
});

t.test('close of a paused connection reads on', async (t) => {
  const { peers, address } = await listen(t);
  const { socket } = client(t, address.port);
  const peer = await peers.next();
  peer.connection.pause();
  socket.write('x');
  peer.connection.close(closeReason('protocol-error'));
  socket.end();
  await inTime(peer.closed, 'onClose');
  t.equal(peer.received, 0);
});

t.test('destroy cuts at once, and onClose comes once', async (t) => {
  const { peers, address } = await listen(t);
  const { ended } = client(t, address.port);
  const peer = await peers.next();
  peer.connection.close(closeReason('protocol-error'));
  peer.connection.destroy(closeReason('linger-expired'));
  peer.connection.destroy(closeReason('linger-expired'));
  await inTime(peer.closed, 'onClose');
  await inTime(ended, 'the socket to end');
  t.equal(peer.closes.length, 1);
});

t.test('a client that ends its side still gets what its frames cause', async (t) => {
  const { peers, address } = await listen(t);
  const { socket, text, ended } = client(t, address.port);
  socket.end('SEND');
  const peer = await peers.next();
  t.equal(await peer.chunks.next(), 'SEND');
  setImmediate(() => {
    peer.connection.write(Buffer.from('RECEIPT'));
  });
  await inTime(ended, 'the server to end');
  t.equal(text(), 'RECEIPT');
  await inTime(peer.closed, 'onClose');
});

t.test('a client that ends its side while a frame is worked on gets the answer after resume', async (t) => {
  const { peers, address } = await listen(t);
  const { socket, text, ended } = client(t, address.port);
  socket.write('one');
  const peer = await peers.next();
  await peer.chunks.next();
  peer.connection.pause();
  socket.end('two');
  await once(socket, 'finish');
  // Longer than the transport would wait for a client that is really gone.
  await new Promise((resolve) => setTimeout(resolve, 250));
  t.same(peer.closes, []);
  peer.connection.write(Buffer.from('answer'));
  peer.connection.resume();
  t.equal(await peer.chunks.next(), 'two');
  peer.connection.write(Buffer.from(' and more'));
  await inTime(ended, 'the server to end');
  t.equal(text(), 'answer and more');
});

t.test('a client that ends its side is waited with until nothing is owed to it', async (t) => {
  const { peers, address } = await listen(t);
  const { socket, text, ended } = client(t, address.port);
  socket.end('SEND');
  const peer = await peers.next();
  let answer = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    peer.onEnd = () => {
      resolve();
      return new Promise((answered) => (answer = answered));
    };
  });
  await inTime(asked, 'the listener to be asked');
  peer.connection.write(Buffer.from('RECEIPT'));
  answer();
  await inTime(ended, 'the server to end');
  t.equal(text(), 'RECEIPT');
  await inTime(peer.closed, 'onClose');
});

t.test('a reset is a fault of the network', async (t) => {
  const { peers, address } = await listen(t);
  const { socket } = client(t, address.port);
  const peer = await peers.next();
  socket.resetAndDestroy();
  const cause = await inTime(peer.closed, 'onClose');
  t.match(cause, { code: 'ECONNRESET' });
  t.equal(peer.closes.length, 1);
});

t.test('pause holds the client back, resume goes on', async (t) => {
  const { peers, address } = await listen(t);
  const { socket } = client(t, address.port);
  const peer = await peers.next();
  peer.connection.pause();
  let accepted = 0;
  const block = Buffer.alloc(64 * 1024);
  while (socket.write(block) && accepted < 2 ** 30) accepted += block.length;
  while (socket.writableLength < 4 * 1024 * 1024) socket.write(block);
  const sent = socket.bytesWritten;
  const before = peer.received;
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(peer.received - before <= 2 * block.length, 'at most what was read already');
  peer.connection.resume();
  const drained = async (): Promise<void> => {
    while (peer.received < sent) await peer.chunks.next();
  };
  await inTime(drained(), 'everything that was sent');
});

t.test('a refused connection is closed at once', async (t) => {
  const transport = new TcpTransport({ port: 0, logger: SILENT });
  const { port } = await transport.listen(() => null);
  t.teardown(() => transport.close());
  await inTime(client(t, port).ended, 'the socket to end');
});

t.test('stopAccepting refuses new clients and keeps the old', async (t) => {
  const { transport, peers, address } = await listen(t);
  const { socket } = client(t, address.port);
  const peer = await peers.next();
  await transport.stopAccepting();
  const late = connect({ port: address.port, host: '127.0.0.1' });
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  t.equal(error.code, 'ECONNREFUSED');
  socket.write('still here');
  t.equal(await peer.chunks.next(), 'still here');
  await transport.close();
  await inTime(peer.closed, 'onClose');
});

t.test('listen rejects when the port is taken', async (t) => {
  const { address } = await listen(t);
  const second = new TcpTransport({ port: address.port, logger: SILENT });
  await t.rejects(
    second.listen(() => null),
    { code: 'EADDRINUSE' },
  );
});

t.test('over TLS the same holds', async (t) => {
  const { peers, address } = await listen(t, createCertificate());
  t.equal(address.transport, 'tls');

  const plain = client(t, address.port);
  plain.socket.write('CONNECT\n\n\0');
  await inTime(plain.ended, 'a plain client to be cut');

  const socket = connectTls({ port: address.port, host: '127.0.0.1', rejectUnauthorized: false });
  t.teardown(() => socket.destroy());
  socket.write('hello');
  const peer = await peers.next();
  t.equal(await peer.chunks.next(), 'hello');
  t.equal(peer.connection.transport, 'tls');
  const large = Buffer.alloc(8 * 1024 * 1024, 'y');
  let got = 0;
  socket.on('data', (part: Buffer) => (got += part.length));
  peer.connection.write(large);
  t.ok(peer.connection.bufferedBytes > 0);
  t.equal(await peer.drains.next('onDrain'), 0);
  while (got < large.length) await inTime(once(socket, 'data'), 'the rest');
  t.equal(got, large.length);
  socket.end();
  await inTime(peer.closed, 'onClose');
});

t.test('X-36 behind a proxy the client is who the PROXY header says, and its octets follow whole', async (t) => {
  const { peers, address } = await listen(t, undefined, { proxyProtocol: true });
  const v1 = Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 12345 61613\r\n');
  const v2 = Buffer.from('0d0a0d0a000d0a515549540a2111000cc00002070a0000013039f0ad', 'hex');
  for (const header of [v1, v2]) {
    const whole = Buffer.concat([header, Buffer.from('hello')]);
    for (let cut = 1; cut <= header.length; cut++) {
      const { socket } = client(t, address.port);
      socket.setNoDelay(true);
      socket.write(whole.subarray(0, cut));
      // The rest goes when the first part is with the system, and now and then in one piece with it: both are right.
      setImmediate(() => socket.write(whole.subarray(cut)));
      const peer = await peers.next();
      t.equal(peer.connection.remoteAddress, '192.0.2.7');
      t.equal(await peer.chunks.next(), 'hello', `cut at ${cut}`);
      peer.connection.write(Buffer.from('back'));
      await once(socket, 'data');
      socket.destroy();
    }
  }
  const { socket } = client(t, address.port);
  socket.end('PROXY UNKNOWN\r\nhealth');
  const peer = await peers.next();
  t.equal(peer.connection.remoteAddress, '127.0.0.1', 'a proxy that does not know is taken for the client');
  t.equal(await peer.chunks.next(), 'health', 'also when its side ends at once');
});

t.test(
  'X-36 a header that is malformed, cut off or late closes the connection, and nobody is told of it',
  async (t) => {
    const reasons = new Inbox<string>();
    const logger: Logger = { ...SILENT, warn: (_fields, text) => reasons.push(text) };
    const { peers, address } = await listen(t, undefined, { proxyProtocol: true, proxyHeaderMs: 50, logger });
    for (const [text, ends, reason] of [
      ['CONNECT\naccept-version:1.2\n\n\0', false, /no PROXY header/],
      ['PROXY TCP4 nobody 10.0.0.1 1 2\r\n', false, /malformed/],
      ['PROXY TCP4 192.0.2.7', true, /ended within/],
      ['PROXY TCP4 192.0.2.7', false, /no whole PROXY header within 50 ms/],
      ['', false, /no whole PROXY header within 50 ms/],
    ] as const) {
      const { socket, ended } = client(t, address.port);
      socket.write(text);
      if (ends) socket.end();
      await inTime(ended, 'the end');
      t.match(await reasons.next(), reason);
      socket.destroy();
    }
    t.equal(peers.length, 0);
  },
);
