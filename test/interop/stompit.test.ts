/** stompit over TCP: streams in both directions, acknowledgements, transactions. */
import { createRequire } from 'node:module';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { Inbox, inTime } from '../helpers/inbox.js';
import { startTestServer } from '../helpers/server.js';

type Headers = Record<string, string>;

interface StompitMessage extends Readable {
  readonly headers: Readonly<Headers>;
}

interface FrameOptions {
  onReceipt?: () => void;
}

interface StompitTransaction {
  readonly id: string | number;
  send(headers: Headers, options?: FrameOptions): Writable;
  commit(options?: FrameOptions): void;
  abort(options?: FrameOptions): void;
}

interface StompitClient {
  readonly headers: Readonly<Headers>;
  send(headers: Headers, options?: FrameOptions): Writable;
  subscribe(
    headers: Headers,
    onMessage: (error: Error | null, message: StompitMessage) => void,
  ): { unsubscribe(): void };
  ack(message: StompitMessage, headers?: Headers, options?: FrameOptions): void;
  nack(message: StompitMessage, headers?: Headers, options?: FrameOptions): void;
  begin(): StompitTransaction;
  disconnect(callback: (error: Error | null) => void): void;
  destroy(error?: Error): void;
  on(event: 'error', listener: (error: Error) => void): void;
  setCommandHandler(command: string, handler: (frame: StompitMessage) => void): void;
}

interface Stompit {
  connect(
    options: { host: string; port: number; connectHeaders: Headers; heartbeatDelayMargin: number },
    callback: (error: Error | null, client: StompitClient) => void,
  ): void;
}

// CommonJS without types.
const stompit = createRequire(import.meta.url)('stompit') as Stompit;

const server = await startTestServer({ broker: { heartBeat: { sendMs: 100, receiveMs: 100, tolerance: 6 } } });
const { tcpPort } = server;
t.teardown(() => server.stop());

interface Message {
  readonly body: string;
  readonly headers: Readonly<Headers>;
  readonly frame: StompitMessage;
}

async function connect(t: Test, connectHeaders: Headers = {}): Promise<StompitClient> {
  const client = await inTime(
    new Promise<StompitClient>((resolve, reject) => {
      // Wide, for client and server share a process that may be kept waiting.
      const options = { host: '127.0.0.1', port: tcpPort, connectHeaders, heartbeatDelayMargin: 500 };
      stompit.connect(options, (error, connected) => {
        if (error === null) resolve(connected);
        else reject(error);
      });
    }),
    'stompit to connect',
  );
  t.teardown(() => client.destroy());
  return client;
}

/** stompit handles one frame after the other: the next only once the body of this one is read. */
async function subscribe(client: StompitClient, headers: Headers): Promise<Inbox<Message>> {
  const inbox = new Inbox<Message>();
  client.subscribe(headers, (error, frame) => {
    if (error !== null) inbox.end(error.message);
    else void text(frame).then((body) => inbox.push({ body, headers: frame.headers, frame }));
  });
  await fence(client);
  return inbox;
}

function receipt(what: string, send: (onReceipt: () => void) => void): Promise<void> {
  return inTime(new Promise<void>(send), `the RECEIPT of ${what}`);
}

function fence(client: StompitClient): Promise<void> {
  return receipt('a fence', (onReceipt) => client.send({ destination: '/topic/nobody' }, { onReceipt }).end());
}

for (const version of ['1.0', '1.1', '1.2']) {
  t.test(`stompit on ${version} subscribes, sends a body as a stream, and disconnects`, async (t) => {
    const client = await connect(t, { 'accept-version': version });
    t.match(client.headers, { version });
    const destination = `/topic/stompit.${version}`;
    const messages = await subscribe(client, { destination });
    const body = client.send({
      destination,
      'content-type': 'text/plain',
      tricky: version === '1.0' ? 'plain' : 'a:b\\c',
    });
    for (const part of ['one ', 'two ', 'drei – ', '四']) body.write(part);
    body.end();
    const message = await messages.next('the message');
    t.equal(message.body, 'one two drei – 四');
    t.equal(message.headers['tricky'], version === '1.0' ? 'plain' : 'a:b\\c');
    await inTime(new Promise((resolve) => client.disconnect(resolve)), 'disconnect');
  });

  t.test(`stompit on ${version} acknowledges in client-individual`, async (t) => {
    const client = await connect(t, { 'accept-version': version });
    const destination = `/queue/stompit.${version}`;
    const messages = await subscribe(client, { destination, ack: 'client-individual' });
    for (const body of ['one', 'two', 'three']) client.send({ destination }).end(body);
    const one = await messages.next('message one');
    const two = await messages.next('message two');
    const three = await messages.next('message three');
    t.same([one.body, two.body, three.body], ['one', 'two', 'three']);
    await receipt('ACK', (onReceipt) => client.ack(two.frame, {}, { onReceipt }));
    if (version === '1.0') client.ack(one.frame);
    else {
      client.nack(one.frame);
      const again = await messages.next('message one after NACK');
      t.equal(again.body, 'one');
      t.equal(again.headers['redelivered'], 'true');
      await receipt('ACK', (onReceipt) => client.ack(again.frame, {}, { onReceipt }));
    }
    await inTime(new Promise((resolve) => client.disconnect(resolve)), 'disconnect');

    const heir = await connect(t);
    const rest = await subscribe(heir, { destination });
    t.equal((await rest.next('the message that was not acknowledged')).body, 'three');
    await fence(heir);
    t.equal(rest.length, 0);
  });
}

t.test('stompit commits and aborts transactions, ACKs among them', async (t) => {
  const client = await connect(t);
  const destination = '/queue/stompit.transactions';
  const messages = await subscribe(client, { destination, ack: 'client' });
  const aborted = client.begin();
  aborted.send({ destination }).end('never');
  await receipt('ABORT', (onReceipt) => aborted.abort({ onReceipt }));
  const committed = client.begin();
  committed.send({ destination }).end('one');
  committed.send({ destination }).end('two');
  await fence(client);
  t.equal(messages.length, 0, 'nothing before COMMIT');
  await receipt('COMMIT', (onReceipt) => committed.commit({ onReceipt }));
  await messages.next('message one');
  const two = await messages.next('message two');
  const settling = client.begin();
  client.ack(two.frame, { transaction: String(settling.id) });
  await receipt('COMMIT', (onReceipt) => settling.commit({ onReceipt }));
  await inTime(new Promise((resolve) => client.disconnect(resolve)), 'disconnect');
  const heir = await connect(t);
  const rest = await subscribe(heir, { destination });
  t.equal(rest.length, 0, 'both are settled');
});

t.test('stompit streams 1 MiB each way', async (t) => {
  const client = await connect(t);
  const destination = '/topic/stompit.large';
  const messages = await subscribe(client, { destination });
  const stream = client.send({ destination });
  const part = 'horse '.repeat(1024);
  for (let k = 0; k < 170; k++) stream.write(part);
  stream.end();
  t.ok((await messages.next('1 MiB')).body === part.repeat(170), 'unchanged');
});

t.test('stompit and server keep each other alive with heart-beats', async (t) => {
  const client = await connect(t, { 'heart-beat': '100,100' });
  let failure: Error | undefined;
  client.on('error', (error) => (failure = error));
  const observer = await connect(t, { 'heart-beat': '0,0' });
  const ticks = await subscribe(observer, { destination: '/topic/stompit.ticks' });
  // Another connection's frames measure out several times the tolerance of either side.
  const timer = setInterval(() => observer.send({ destination: '/topic/stompit.ticks' }).end('tick'), 100);
  t.teardown(() => clearInterval(timer));
  for (let k = 1; k <= 14; k++) await ticks.next(`tick ${k}`);
  await fence(client);
  t.equal(failure, undefined);
});

t.test('stompit gets an ERROR with its message and code', async (t) => {
  const client = await connect(t);
  client.on('error', () => undefined);
  // Its own handler destroys the frame instead of the client, which on today's Node is an uncaught exception.
  const failed = new Promise<StompitMessage>((resolve) => {
    client.setCommandHandler('ERROR', resolve);
  });
  client
    .send({ destination: '/topic/x', transaction: 'none' })
    .on('error', () => undefined)
    .end('x');
  const frame = await inTime(failed, 'the ERROR frame');
  t.match(frame.headers, { code: 'transaction-unknown', message: 'No transaction "none" is open' });
});
