/** S6: what Spring's annotated methods do, done by `broker.message` and `broker.subscribeMapping`. */
import t from 'tap';
import { z } from 'zod';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { header, type ServerFrame } from '../helpers/server-frames.js';
import { settle } from '../helpers/settle.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const TEXT_TYPE = { 'content-type': 'text/plain' };

/** A fixture and a client that hears every topic. */
function start(): { fixture: BrokerFixture; client: FixtureClient } {
  const fixture = new BrokerFixture();
  const client = fixture.connect({ login: 'alice' });
  client.subscribe('all', '/topic/**');
  return { fixture, client };
}

/** Destination and body of each MESSAGE. */
function received(client: FixtureClient): string[] {
  return client
    .frames()
    .map((frame) => `${frame.command} ${String(header(frame, 'destination'))} ${frame.body.toString()}`);
}

t.test('S6.1 message() takes SENDs, subscribeMapping() takes SUBSCRIBEs, a group is a prefix of both', async (t) => {
  const { fixture, client } = start();
  fixture.broker.group('/chat', (chat) => {
    chat.message('/x', () => 'sent').subscribeMapping('/x', () => 'subscribed');
  });
  client.publish('/app/chat/x', '');
  t.strictSame(received(client), ['MESSAGE /topic/chat/x sent']);
  client.subscribe('a', '/app/chat/x');
  t.strictSame(received(client), ['MESSAGE /app/chat/x subscribed']);
  client.publish('/app/x', '');
  client.subscribe('b', '/app/x');
  t.strictSame(received(client), [], 'without the prefix it is nobody');
});

t.test('S6.2 a missing slash is added, and prefixes combine with patterns as the matcher does', async (t) => {
  const combinations = [
    ['/chat', '/m', '/chat/m'],
    ['/chat/', 'm', '/chat/m'],
    ['chat', 'm', '/chat/m'],
    ['/chat/*', '/m', '/chat/m'],
    ['/chat/**', '/m', '/chat/a/b/m'],
  ] as const;
  for (const [prefix, pattern, path] of combinations) {
    const { fixture, client } = start();
    fixture.broker.group(prefix, (group) => group.message(pattern, () => 'here', { sendTo: '/topic/r' }));
    client.publish(`/app${path}`, '');
    t.strictSame(received(client), ['MESSAGE /topic/r here'], `${prefix} + ${pattern}`);
  }
});

t.test('S6.3 exactly one handler runs: the exact one, then the most specific pattern, ** last', async (t) => {
  const { fixture, client } = start();
  for (const pattern of ['/**', '/a/**', '/a/{x}/{y}', '/a/b/{y}', '/a/{x}/c', '/a/b/c']) {
    fixture.broker.message(pattern, () => pattern, { sendTo: '/topic/r' });
  }
  const chosen = (path: string): string => {
    client.publish(`/app${path}`, '');
    return received(client).join();
  };
  t.equal(chosen('/a/b/c'), 'MESSAGE /topic/r /a/b/c');
  t.equal(chosen('/a/b/d'), 'MESSAGE /topic/r /a/b/{y}');
  t.equal(chosen('/a/z/c'), 'MESSAGE /topic/r /a/{x}/c');
  t.equal(chosen('/a/z/d'), 'MESSAGE /topic/r /a/{x}/{y}');
  t.equal(chosen('/a/z/d/e'), 'MESSAGE /topic/r /a/**');
  t.equal(chosen('/z'), 'MESSAGE /topic/r /**');
});

t.test('S6.3 two handlers that are equally specific are a line in the log, not an end of the connection', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/a/{x}', () => '1').message('/a/{y}', () => '2');
  client.publish('/app/a/b', '');
  client.publish('/topic/still', 'here');
  t.strictSame(received(client), ['MESSAGE /topic/still here']);
  t.match(fixture.log.at(-1), { fields: { code: 'handler-failed' }, message: /equally specific/ });
  client.publish('/app/a/b', '', { receipt: 'r' });
  t.equal(client.error(), 'handler-failed', 'who asks for a receipt is told');
});

t.test('S6.5 a handler gets payload, headers, path variables, user, session and its attributes', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/rooms/{room}', ({ payload, body, headers, variables, user, session, destination }) => {
    session.attributes.set('visits', Number(session.attributes.get('visits') ?? 0) + 1);
    const visits = session.attributes.get('visits');
    return { payload, octets: body.length, h: headers.get('h'), variables, name: user.name, visits, destination };
  });
  for (const visits of [1, 2]) {
    client.publish('/app/rooms/blue', 'hi', { h: 'v' });
    t.strictSame(JSON.parse(client.bodies().join()), {
      payload: 'hi',
      octets: 2,
      h: 'v',
      variables: { room: 'blue' },
      name: 'alice',
      visits,
      destination: '/app/rooms/blue',
    });
  }
});

t.test('S6.6 headers are the STOMP headers of the frame, the first value of each name', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/h', ({ headers }) => ({ a: headers.get('a'), missing: headers.get('b') ?? 'none' }));
  client.send('SEND\ndestination:/app/h\na:1\na:2\n\n\0');
  t.strictSame(JSON.parse(client.bodies().join()), { a: '1', missing: 'none' });
});

t.test('S6.8 every variable of the pattern has a value', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/o/{id:\\d+}/**/{part}.{kind}', ({ variables }) => variables, { sendTo: '/topic/r' });
  client.publish('/app/o/12/x/y/name.txt', '');
  t.strictSame(JSON.parse(client.bodies().join()), { id: '12', part: 'name', kind: 'txt' });
  client.publish('/app/o/twelve/name.txt', '');
  t.strictSame(client.frames(), [], 'a segment that is not what the regex says is another path');
});

t.test(
  'S6.9 an empty body is an error to a schema that wants something, and undefined to one that does not',
  async (t) => {
    const { fixture, client } = start();
    fixture.broker
      .message('/need', () => 'called', { schema: z.string(), sendTo: '/topic/r' })
      .message('/may', ({ payload }) => `got ${String(payload)}`, {
        schema: z.string().optional(),
        sendTo: '/topic/r',
      });
    for (const headers of [{}, TEXT_TYPE, JSON_TYPE]) {
      client.publish('/app/need', '', headers);
      t.strictSame(client.bodies(), []);
      client.publish('/app/may', '', headers);
      t.strictSame(client.bodies(), ['got undefined']);
    }
  },
);

t.test('S6.10 text, octets and JSON are read by content-type, without one as what the schema wants', async (t) => {
  const { fixture, client } = start();
  const seen: unknown[] = [];
  fixture.broker.message('/any', ({ payload }) => void seen.push(payload));
  fixture.broker.message('/object', ({ payload }) => void seen.push(payload), { schema: z.object({ a: z.number() }) });
  client.publish('/app/any', 'text', TEXT_TYPE);
  client.publish('/app/any', 'plain');
  client.publish('/app/any', '{"a":1}', { 'content-type': 'application/problem+json; charset=utf-8' });
  client.publish('/app/any', 'bytes', { 'content-type': 'application/octet-stream' });
  client.publish('/app/any', 'bytes', { 'content-type': 'image/png' });
  client.publish('/app/object', '{"a":2}', JSON_TYPE);
  client.publish('/app/object', '{"a":3}');
  t.strictSame(client.frames(), []);
  t.strictSame(seen, ['text', 'plain', { a: 1 }, Buffer.from('bytes'), Buffer.from('bytes'), { a: 2 }, { a: 3 }]);
});

t.test('S6.11 a string is raw text, except as JSON; an object out of text/plain is an error', async (t) => {
  const { fixture, client } = start();
  const seen: unknown[] = [];
  fixture.broker.message('/string', ({ payload }) => void seen.push(payload), { schema: z.string() });
  fixture.broker.message('/object', ({ payload }) => void seen.push(payload), { schema: z.object({ a: z.number() }) });
  for (const text of ['hello', '42', 'true', '"quoted"', '{"a":1}', '[1]']) client.publish('/app/string', text);
  client.publish('/app/string', '7', TEXT_TYPE);
  client.publish('/app/string', '"json"', JSON_TYPE);
  client.publish('/app/string', '5', JSON_TYPE);
  client.publish('/app/object', '{"a":1}', TEXT_TYPE);
  t.strictSame(client.frames(), []);
  t.strictSame(seen, ['hello', '42', 'true', '"quoted"', '{"a":1}', '[1]', '7', 'json']);
  t.equal(fixture.log.filter(({ fields }) => fields['code'] === 'payload-invalid').length, 2);
});

t.test('S6.12 results leave as text, octets or JSON, and their content-type says so', async (t) => {
  const { fixture, client } = start();
  const results: readonly unknown[] = ['ö', Buffer.from([0, 255]), { a: 1 }, [1], 5, false];
  for (const [index, result] of results.entries()) fixture.broker.message(`/${index}`, () => result);
  for (const index of results.keys()) client.publish(`/app/${index}`, '');
  t.strictSame(
    client.frames().map((frame) => [header(frame, 'content-type'), frame.body.toString('latin1')]),
    [
      ['text/plain;charset=UTF-8', Buffer.from('ö').toString('latin1')],
      ['application/octet-stream', '\u0000ÿ'],
      ['application/json', '{"a":1}'],
      ['application/json', '[1]'],
      ['application/json', '5'],
      ['application/json', 'false'],
    ],
  );
});

t.test('S6.13 a result goes to /topic and the path', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/greet', ({ payload }) => `Hello, ${String(payload)}`);
  client.publish('/app/greet', 'Spring');
  t.strictSame(received(client), ['MESSAGE /topic/greet Hello, Spring']);
});

t.test('S6.14 sendTo lists destinations and fills in path variables', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/r/{room}/{id}', () => 'x', { sendTo: ['/topic/rooms/{room}', '/topic/ids.{id}'] });
  client.publish('/app/r/blue/7', '');
  t.strictSame(received(client), ['MESSAGE /topic/rooms/blue x', 'MESSAGE /topic/ids.7 x']);
});

t.test(
  'S6.15 sendToUser reaches all sessions of the user, or the one that sent; an anonymous session itself',
  async (t) => {
    const fixture = new BrokerFixture();
    fixture.broker
      .message('/all', () => 'all', { sendToUser: true })
      .message('/one', () => 'one', { sendToUser: true, broadcast: false })
      .message('/named/{n}', () => 'named', { sendToUser: ['/queue/n{n}', 'topic/x'] });
    const [first, second, other, anonymous] = ['alice', 'alice', 'bob', undefined].map((login) =>
      fixture.connect(login === undefined ? {} : { login }),
    ) as [FixtureClient, FixtureClient, FixtureClient, FixtureClient];
    const clients = [first, second, other, anonymous];
    for (const client of clients) {
      client.subscribe('q', '/user/queue/**');
      client.subscribe('t', '/user/topic/x');
    }
    const after = (client: FixtureClient, path: string): string[][] => {
      client.publish(`/app${path}`, '');
      return clients.map(received);
    };
    const all = 'MESSAGE /user/queue/all all';
    const one = 'MESSAGE /user/queue/one one';
    const named = ['MESSAGE /user/queue/n5 named', 'MESSAGE /user/topic/x named'];
    t.strictSame(after(first, '/all'), [[all], [all], [], []]);
    t.strictSame(after(first, '/one'), [[one], [], [], []]);
    t.strictSame(after(other, '/named/5'), [[], [], named, []]);
    t.strictSame(after(anonymous, '/all'), [[], [], [], [all]]);
    t.strictSame(after(anonymous, '/one'), [[], [], [], [one]]);
  },
);

t.test(
  'S6.17 what subscribeMapping returns goes straight to that subscription, once, and through no broker',
  async (t) => {
    const { fixture, client } = start();
    const other = fixture.connect();
    const seen: string[] = [];
    fixture.broker.interceptBroker((message) => {
      seen.push(message.destination);
      return message;
    });
    fixture.broker.subscribeMapping('/number/{n}', ({ variables: { n } }) => ({ n: Number(n) }));
    other.subscribe('o', '/app/number/8');
    other.frames();
    client.subscribe('mine', '/app/number/7');
    const [frame, ...more] = client.frames();
    t.strictSame(
      [header(frame, 'subscription'), header(frame, 'destination'), frame?.body.toString(), more.length],
      ['mine', '/app/number/7', '{"n":7}', 0],
    );
    t.ok(header(frame, 'message-id'));
    client.publish('/app/number/8', 'a SEND there is no message to it');
    t.strictSame(other.frames(), [], 'no subscription is left behind');
    t.strictSame(seen, []);
  },
);

t.test('S6.17 with sendTo or sendToUser the result of subscribeMapping goes through the broker instead', async (t) => {
  const { fixture, client } = start();
  fixture.broker
    .subscribeMapping('/to/{x}', () => 'to', { sendTo: '/topic/got.{x}' })
    .subscribeMapping('/user', () => 'user', { sendToUser: '/queue/mine' });
  client.subscribe('q', '/user/queue/mine');
  client.subscribe('a', '/app/to/1');
  client.subscribe('b', '/app/user');
  t.strictSame(
    client
      .frames()
      .map((frame) => [header(frame, 'subscription'), header(frame, 'destination'), frame.body.toString()]),
    [
      ['all', '/topic/got.1', 'to'],
      ['q', '/user/queue/mine', 'user'],
    ],
  );
});

t.test('S6.17 the answer to a SUBSCRIBE in a client ack mode can be acknowledged', async (t) => {
  const { fixture, client } = start();
  fixture.broker.subscribeMapping('/number', () => '7');
  for (const [command, mode] of [
    ['ACK', 'client'],
    ['NACK', 'client-individual'],
  ] as const) {
    client.subscribe(mode, '/app/number', { ack: mode });
    const ack = header(client.frames()[0], 'ack') ?? '';
    client.send(frameText(command, { id: ack, receipt: 'r' }));
    t.strictSame(
      client.frames().map((frame) => frame.command),
      ['RECEIPT'],
      command,
    );
  }
});

t.test('S6.18 a handler that returns nothing sends nothing', async (t) => {
  const { fixture, client } = start();
  fixture.broker.message('/nothing', () => undefined).message('/null', () => null);
  fixture.broker.message('/later', async () => undefined).subscribeMapping('/nothing', () => null);
  client.publish('/app/nothing', '');
  client.publish('/app/null', '');
  client.subscribe('s', '/app/nothing');
  client.publish('/app/later', '', { receipt: 'r' });
  await settle();
  t.strictSame(
    client.frames().map((frame) => frame.command),
    ['RECEIPT'],
  );
});

t.test('S6.20 a promise is awaited: its value is the reply, its rejection goes to the error handler', async (t) => {
  const { fixture, client } = start();
  fixture.broker
    .onError((error) => `caught ${(error as Error).message}`)
    .message('/well', async () => 'well')
    .message('/ill', () => Promise.reject(new Error('ill')))
    // Any thenable will do.
    .message('/then', () => ({
      then: (resolve: (value: string) => void) => {
        resolve('then');
      },
    }));
  client.publish('/app/well', '');
  client.publish('/app/ill', '');
  client.publish('/app/then', '');
  await settle();
  t.strictSame(received(client), [
    'MESSAGE /topic/well well',
    'MESSAGE /topic/ill caught ill',
    'MESSAGE /topic/then then',
  ]);
});

t.test('S6.20 frames behind a handler that waits wait too, those of other sessions do not', async (t) => {
  const { fixture, client } = start();
  const other = fixture.connect();
  let finish: (value: string) => void = () => undefined;
  fixture.broker.message('/slow', () => new Promise((resolve) => (finish = resolve))).message('/quick', () => 'quick');
  client.publish('/app/slow', '', { receipt: 'r' });
  client.publish('/topic/behind', 'behind');
  other.publish('/app/quick', '');
  t.strictSame(received(client), ['MESSAGE /topic/quick quick']);
  t.strictSame(client.connection.calls, ['pause']);
  finish('slow');
  await settle();
  const frames: readonly ServerFrame[] = client.frames();
  t.strictSame(
    frames.map((frame) => `${frame.command} ${frame.body.toString()}`),
    ['MESSAGE slow', 'RECEIPT ', 'MESSAGE behind'],
  );
  t.strictSame(client.connection.calls, ['pause', 'resume']);
});

t.test('S6.20 a handler that hangs holds its session no longer than its deadline', async (t) => {
  const { fixture, client } = start();
  let signal: AbortSignal | undefined;
  fixture.broker.message('/hangs', (context) => ((signal = context.signal), new Promise(() => undefined)), {
    deadlineMs: 500,
  });
  client.publish('/app/hangs', '');
  client.publish('/topic/behind', 'behind');
  fixture.clock.advance(499);
  await settle();
  t.strictSame(received(client), []);
  t.equal(signal?.aborted, false);
  fixture.clock.advance(1);
  await settle();
  t.strictSame(received(client), ['MESSAGE /topic/behind behind'], 'and the client stays connected');
  t.equal(signal?.aborted, true);
  t.match(fixture.log.at(-1), { level: 'warn', fields: { code: 'handler-timeout', pattern: '/hangs' } });
  t.equal(fixture.clock.intervalCount <= 1, true, 'no timer is left behind');
});

t.test('S6.20 the signal of a handler is aborted when its client is gone', async (t) => {
  const { fixture, client } = start();
  const other = fixture.connect();
  other.subscribe('s', '/topic/waits');
  const handled: boolean[] = [];
  fixture.broker.message('/waits', async ({ signal }) => {
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
    });
    handled.push(signal.aborted);
    return 'stopped';
  });
  client.publish('/app/waits', '');
  await settle();
  t.strictSame(handled, []);
  client.connection.vanish();
  await settle();
  t.strictSame(handled, [true]);
  t.strictSame(other.bodies(), ['stopped'], 'what it returns is sent all the same');
  t.equal(fixture.broker.users.count(), 0);
  t.equal(fixture.broker.stats().connections.current, 1);
});

t.test('S6.20 the signal of a handler is aborted when the server ends its session', async (t) => {
  const { fixture, client } = start();
  let signal: AbortSignal | undefined;
  fixture.broker.message('/waits', (context) => ((signal = context.signal), new Promise(() => undefined)));
  client.publish('/app/waits', '');
  t.equal(signal?.aborted, false);
  fixture.broker.users.get('alice')?.sessions[0]?.disconnect();
  client.frames();
  t.equal(client.isGone, true);
  t.equal(signal?.aborted, true);
});

t.test('S6.22 what an error handler returns for a SUBSCRIBE answers the subscription', async (t) => {
  const { fixture, client } = start();
  fixture.broker.onError((error) => (error as Error).message);
  fixture.broker.subscribeMapping('/fails', () => {
    throw new Error('cannot');
  });
  client.subscribe('mine', '/app/fails');
  t.strictSame(
    client.frames().map((frame) => [header(frame, 'subscription'), frame.body.toString()]),
    [['mine', 'cannot']],
  );
});

t.test('S6.21 a payload that does not fit its schema is refused with every issue', async (t) => {
  const { fixture, client } = start();
  let caught: unknown;
  const schema = z.object({ name: z.string(), ages: z.array(z.number().int()) });
  fixture.broker.onError((error) => void (caught = error)).message('/p', () => t.fail('called'), { schema });
  client.publish('/app/p', '{"ages":[1,"two",3.5]}');
  t.strictSame(client.frames(), []);
  t.match(caught, { code: 'payload-invalid', message: /^Payload does not fit: name: / });
  t.match((caught as { detail: string }).detail.split('\n'), [/^name: /, /^ages\.1: /, /^ages\.2: /]);
});

t.test('S6.21 a schema that is asynchronous or transforms is understood', async (t) => {
  const { fixture, client } = start();
  const schema = z
    .string()
    .refine(async (text) => text !== 'taken')
    .transform((text) => text.toUpperCase());
  fixture.broker.message('/p', ({ payload }) => payload, { schema });
  client.publish('/app/p', 'free');
  client.publish('/app/p', 'taken');
  await settle();
  await settle();
  t.strictSame(client.bodies(), ['FREE']);
  t.match(fixture.log.at(-1), { fields: { code: 'payload-invalid' } });
});

t.test('S6.22 error handlers: the group first, then what is around it, then the global one', async (t) => {
  const { fixture, client } = start();
  class Known extends Error {}
  const fail = (what: string) => () => {
    throw what === 'known' ? new Known(what) : new Error(what);
  };
  fixture.broker.onError((error) => `global ${(error as Error).message}`);
  fixture.broker.message('/plain', fail('known'));
  // A slash at its end, and a star: prefixes are written in more than one way.
  for (const prefix of ['/outer/', '/other/*']) {
    fixture.broker.group(prefix, (outer) => {
      outer.onError((error, { destination }) => ({ outer: (error as Error).message, destination }), {
        sendTo: '/topic/errors',
      });
      outer.message('/direct', fail('direct'));
      outer.group('inner', (inner) => {
        inner.message('/a', fail('known')).message('/b', fail('unknown'));
        inner.onError((error) => {
          if (error instanceof Known) return 'inner knows it';
          throw error;
        });
      });
    });
  }
  const after = (path: string): string[] => {
    client.publish(`/app${path}`, '');
    return received(client);
  };
  t.strictSame(
    after('/outer/inner/a'),
    ['MESSAGE /topic/outer/inner/a inner knows it'],
    'its default is the failing path',
  );
  t.strictSame(after('/outer/inner/b'), [
    'MESSAGE /topic/errors {"outer":"unknown","destination":"/app/outer/inner/b"}',
  ]);
  t.strictSame(after('/outer/direct'), ['MESSAGE /topic/errors {"outer":"direct","destination":"/app/outer/direct"}']);
  t.strictSame(after('/other/direct'), ['MESSAGE /topic/errors {"outer":"direct","destination":"/app/other/direct"}']);
  t.strictSame(after('/plain'), ['MESSAGE /topic/plain global known']);
});

t.test('S6.22 an error handler may take its time, may fail, and may answer the user alone', async (t) => {
  const { fixture, client } = start();
  client.subscribe('e', '/user/queue/errors');
  const throws = (): never => {
    throw new Error('first');
  };
  fixture.broker
    .group('/later', (group) => {
      group
        .message('/a', throws)
        .onError(async (error) => `late ${(error as Error).message}`, { sendToUser: '/queue/errors' });
    })
    .group('/cannot', (group) => group.message('/a', throws).onError(async () => 5n));
  client.publish('/app/later/a', '');
  await settle();
  t.strictSame(received(client), ['MESSAGE /user/queue/errors late first']);
  client.publish('/app/cannot/a', '');
  await settle();
  t.strictSame(received(client), [], 'a result that cannot be sent is one more error, and not the end');
  t.match(fixture.log.at(-1), { fields: { code: 'payload-invalid', pattern: '/cannot/a' } });
});

t.test('S6.23 what nobody handles is logged; the client hears nothing and stays', async (t) => {
  const { fixture, client } = start();
  const boom = new Error('boom');
  fixture.broker
    .message('/sync', () => {
      throw boom;
    })
    .message('/async', () => Promise.reject(boom))
    .subscribeMapping('/sync', () => {
      throw boom;
    });
  client.publish('/app/sync', '');
  client.publish('/app/async', '');
  await settle();
  client.subscribe('s', '/app/sync', { receipt: 'r' });
  client.publish('/topic/alive', 'alive');
  t.strictSame(
    client.frames().map((frame) => frame.command),
    ['RECEIPT', 'MESSAGE'],
  );
  const errors = fixture.log.filter(({ level }) => level === 'error');
  t.strictSame(
    errors.map(({ fields }) => [fields['err'], fields['pattern'], fields['code']]),
    [
      [boom, '/sync', 'handler-failed'],
      [boom, '/async', 'handler-failed'],
      [boom, '/sync', 'handler-failed'],
    ],
  );
});

t.test('a client that waits for a receipt is told that its handler failed, and why if it may know', async (t) => {
  for (const body of ['boom', 'deny']) {
    const { fixture, client } = start();
    fixture.broker.message(
      '/f',
      ({ payload }) => {
        throw new Error(`a secret of the server: ${payload}`);
      },
      { schema: z.literal('boom') },
    );
    client.publish('/app/f', body, { receipt: 'r' });
    const [error] = client.frames();
    t.equal(error?.command, 'ERROR');
    t.equal(header(error, 'receipt-id'), 'r');
    t.equal(header(error, 'code'), body === 'boom' ? 'handler-failed' : 'payload-invalid');
    t.notMatch(JSON.stringify(error), /secret/);
    t.equal(client.isGone, true);
  }
});

t.test('with soft refusals a failing handler is told on /user/queue/errors', async (t) => {
  const fixture = new BrokerFixture({ refusals: 'soft' });
  const client = fixture.connect();
  client.subscribe('e', '/user/queue/errors');
  fixture.broker.message('/f', () => {
    throw new Error('boom');
  });
  fixture.broker.message('/s', () => 'never', { schema: z.string() });
  client.publish('/app/f', '');
  client.publish('/app/s', '1', { 'content-type': 'application/json', receipt: 'r9' });
  t.strictSame(
    client.frames().map((frame) => [header(frame, 'code'), header(frame, 'receipt-id')]),
    [
      ['handler-failed', undefined],
      ['payload-invalid', 'r9'],
    ],
  );
  t.equal(client.isGone, false);
});
