/** S9: interceptors on the three channels, and what errors look like. */
import t from 'tap';
import { BrokerError } from '../../broker/index.js';
import { Headers, type Frame } from '../../protocol/index.js';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
import { settle } from '../helpers/settle.js';

function withHeader(frame: Frame, name: string, value: string): Frame {
  return { ...frame, headers: new Headers([...frame.headers, [name, value]]) };
}

t.test('S9.1 the inbound channel sees every frame of clients, in order of registration', async (t) => {
  const fixture = new BrokerFixture();
  const seen: string[] = [];
  fixture.broker.interceptInbound((frame, session) => {
    seen.push(`${frame.command} ${session.user?.name ?? '-'}`);
    return withHeader(frame, 'first', '1');
  });
  fixture.broker.interceptInbound((frame) => {
    seen.push(`second after ${String(frame.headers.get('first'))}`);
    return frame.command === 'SEND' ? { ...frame, body: Buffer.from(frame.body.toString().toUpperCase()) } : frame;
  });
  const client = fixture.connect({ login: 'alice' });
  client.subscribe('s', '/topic/a');
  client.publish('/topic/a', 'changed');
  const [message] = client.frames();
  t.strictSame([message?.body.toString(), header(message, 'first')], ['CHANGED', '1']);
  client.send(frameText('UNSUBSCRIBE', { id: 's' }));
  client.send('DISCONNECT\n\n\0');
  t.strictSame(
    seen.filter((line) => !line.startsWith('second')),
    ['CONNECT -', 'SUBSCRIBE alice', 'SEND alice', 'UNSUBSCRIBE alice', 'DISCONNECT alice'],
  );
  t.strictSame(new Set(seen.filter((line) => line.startsWith('second'))), new Set(['second after 1']));
});

t.test('S9.1 the outbound channel sees CONNECTED, MESSAGE and RECEIPT, and may change or drop them', async (t) => {
  const fixture = new BrokerFixture();
  const seen: string[] = [];
  fixture.broker.interceptOutbound((frame, session) => {
    seen.push(`${frame.command} ${String(frame.headers.get('subscription'))} ${session.transport}`);
    if (frame.body.toString() === 'drop') return null;
    return withHeader(frame, 'seen', 'yes');
  });
  const client = fixture.connect();
  t.equal(header(client.welcome, 'seen'), 'yes');
  const other = fixture.connect();
  for (const each of [client, other]) each.subscribe('s', '/topic/a', { receipt: 'r' });
  client.publish('/topic/a', 'drop');
  client.publish('/topic/a', 'keep');
  for (const each of [client, other]) {
    t.strictSame(
      each.frames().map((frame) => `${frame.command} ${String(header(frame, 'seen'))} ${frame.body.toString()}`),
      ['RECEIPT yes ', 'MESSAGE yes keep'],
    );
  }
  t.ok(seen.includes('MESSAGE s memory'));
});

t.test(
  'S9.1 the broker channel sees what clients, handlers and the application send, and may redirect it',
  async (t) => {
    const fixture = new BrokerFixture();
    const seen: string[] = [];
    fixture.broker.interceptBroker((message) => {
      seen.push(message.destination);
      const { destination, body } = message;
      if (body.toString() === 'drop') return null;
      if (body.toString() === 'refuse') throw new BrokerError('access-denied', 'Refused on the way in');
      if (body.toString() === 'redirect') return { ...message, destination: '/topic/b' };
      return {
        ...message,
        headers: [...message.headers, ['via', destination]],
        body: Buffer.from(`<${body.toString()}>`),
      };
    });
    fixture.broker.message('/h', ({ payload }) => payload);
    const client = fixture.connect({ login: 'alice' });
    client.subscribe('a', '/topic/**');
    client.subscribe('u', '/user/queue/x');
    const received = (): string[] =>
      client
        .frames()
        .map((frame) =>
          [frame.command, header(frame, 'destination'), header(frame, 'via') ?? '', frame.body.toString()].join(' '),
        );
    client.publish('/topic/a', 'm');
    client.publish('/app/h', 'h');
    await fixture.broker.convertAndSend('/topic/t', 't');
    await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'u');
    t.strictSame(received(), [
      'MESSAGE /topic/a /topic/a <m>',
      'MESSAGE /topic/h /topic/h <h>',
      'MESSAGE /topic/t /topic/t <t>',
      'MESSAGE /user/queue/x /user/alice/queue/x <u>',
    ]);
    client.publish('/topic/a', 'redirect');
    client.publish('/user/alice/queue/x', 'redirect');
    await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'redirect');
    t.strictSame(
      received(),
      Array.from({ length: 3 }, () => 'MESSAGE /topic/b  redirect'),
    );
    client.publish('/topic/a', 'drop', { receipt: 'r' });
    await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'drop');
    client.publish('/app/h', 'refuse');
    t.strictSame(
      client.frames().map(({ command }) => command),
      ['RECEIPT'],
      "a refused reply is the handler's error",
    );
    await t.rejects(fixture.broker.convertAndSend('/topic/t', 'refuse'), { code: 'access-denied' });
    client.publish('/topic/a', 'refuse');
    t.equal(client.error(), 'access-denied');
    t.equal(seen.length, 12);
  },
);

t.test('S9.2 an interceptor that returns null drops the frame: no ERROR, no RECEIPT, no event', async (t) => {
  const fixture = new BrokerFixture();
  const events: unknown[] = [];
  fixture.broker.events.on('subscribe', (event) => events.push(event));
  fixture.broker.interceptInbound((frame) => (frame.headers.has('drop') ? null : frame));
  fixture.broker.interceptInbound((frame) => (t.notOk(frame.headers.has('drop')), frame));
  const client = fixture.connect();
  client.subscribe('a', '/topic/a', { drop: '1', receipt: 'r' });
  client.publish('/topic/a', 'm', { drop: '1', receipt: 'r' });
  t.strictSame(client.frames(), []);
  t.strictSame(events, []);
  client.subscribe('a', '/topic/a', { receipt: 'r' });
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
});

t.test(
  'S9.2 an inbound interceptor may take its time: frames of the session wait in order, and may be dropped',
  async (t) => {
    const fixture = new BrokerFixture();
    fixture.broker.interceptInbound(async (frame) => (frame.headers.has('drop') ? null : frame));
    fixture.broker.interceptInbound((frame) => withHeader(frame, 'after', 'it'));
    const client = fixture.open();
    client.send(
      frameText('CONNECT', { 'accept-version': '1.2', host: 'h' }) +
        frameText('SUBSCRIBE', { id: 's', destination: '/topic/a' }),
    );
    for (const n of [1, 2, 3]) client.publish('/topic/a', String(n), n === 2 ? { drop: 'me' } : {});
    for (let k = 0; k < 8; k++) await settle();
    const [connected, ...messages] = client.frames();
    t.equal(connected?.command, 'CONNECTED');
    t.strictSame(
      messages.map((frame) => `${frame.body.toString()} ${String(header(frame, 'after'))}`),
      ['1 it', '3 it'],
    );
  },
);

t.test('S9.3 an interceptor that throws refuses the frame: ERROR, then the connection ends', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.interceptInbound((frame) => {
    if (frame.headers.has('own')) throw new BrokerError('access-denied', 'Not today');
    if (frame.headers.has('bug')) throw new Error('a secret of the server');
    if (frame.headers.has('later')) return Promise.reject(new BrokerError('access-denied', 'Not later either'));
    return frame;
  });
  const refused = async (name: string): Promise<(string | undefined)[]> => {
    const client = fixture.connect();
    client.publish('/topic/a', '', { [name]: '1', receipt: 'r7' });
    await settle();
    const [error] = client.frames();
    t.equal(client.isGone, true);
    t.equal(error?.command, 'ERROR');
    t.notMatch(JSON.stringify(error), /secret/);
    return [header(error, 'code'), header(error, 'message'), header(error, 'receipt-id')];
  };
  t.strictSame(await refused('own'), ['access-denied', 'Not today', 'r7']);
  t.strictSame(await refused('later'), ['access-denied', 'Not later either', 'r7']);
  const [code, message] = await refused('bug');
  t.equal(code, 'internal');
  t.match(message, /in the server's log as /);
});

t.test('S9.4 ERROR carries message, and receipt-id when the failing frame asked for a receipt', async (t) => {
  for (const receipt of [undefined, 'r1']) {
    const client = new BrokerFixture().connect();
    client.send(frameText('UNSUBSCRIBE', { id: 'unknown', ...(receipt === undefined ? {} : { receipt }) }));
    const [error] = client.frames();
    t.equal(error?.command, 'ERROR');
    t.ok(header(error, 'message'));
    t.equal(header(error, 'receipt-id'), receipt);
    t.equal(header(error, 'content-length'), String(error?.body.length));
  }
});

t.test('S9.7a an outbound interceptor that throws loses that one frame for that one client', async (t) => {
  const fixture = new BrokerFixture();
  const [first, second] = [fixture.connect(), fixture.connect()];
  const session = header(first.welcome, 'session');
  fixture.broker.interceptOutbound((frame, { id }) => {
    if (id === session && frame.body.toString() === 'bad') throw new Error('cannot');
    return frame;
  });
  for (const client of [first, second]) client.subscribe('s', '/topic/a');
  first.publish('/topic/a', 'bad');
  first.publish('/topic/a', 'good');
  t.strictSame([first.bodies(), second.bodies()], [['good'], ['bad', 'good']]);
  t.match(fixture.log.at(-1), { level: 'error', fields: { command: 'MESSAGE' } });
});

t.test('S9.3 an interceptor that hangs holds a session, present or gone, no longer than its deadline', async (t) => {
  const fixture = new BrokerFixture({ handlers: { deadlineMs: 1_000 } });
  const [staying, leaving] = [fixture.connect(), fixture.connect()];
  fixture.broker.interceptInbound(() => new Promise(() => undefined));
  for (const client of [staying, leaving]) client.publish('/topic/a', '');
  leaving.connection.vanish();
  fixture.clock.advance(1_000);
  await settle();
  t.equal(staying.error(), 'handler-timeout');
  await settle();
  t.equal(fixture.broker.stats().connections.current, 0);
});
