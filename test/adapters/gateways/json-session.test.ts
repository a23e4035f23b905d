import t from 'tap';
import { resolveJsonGatewayOptions, type JsonGatewayOptions } from '../../../adapters/gateways/json/json-options.js';
import { JsonSession } from '../../../adapters/gateways/json/json-session.js';
import { InvalidMessage } from '../../../adapters/index.js';
import {
  createTestBroker,
  MemoryConnection,
  type TestBroker,
  type TestBrokerOptions,
} from '../../../adapters/testing/index.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';

const ANONYMOUS = { name: null, roles: [] };

/** Can be pinged; answers when the test says so. */
class PingedConnection extends MemoryConnection {
  readonly pings: (() => void)[] = [];
  readonly probe = (onAnswer: () => void): void => {
    this.pings.push(onAnswer);
  };
}

interface Fixture {
  readonly test: TestBroker;
  readonly session: JsonSession;
  readonly connection: PingedConnection;
  readonly counts: { received: number; sent: number; refused: number };
  /** Feeds messages, one chunk each, and returns what is told until everything is settled. */
  readonly say: (...messages: readonly unknown[]) => Promise<string>;
}

/** A client whose messages say what is to be done: `{"do": [<action>]}`. */
async function open(
  options: Partial<JsonGatewayOptions> = {},
  broker: TestBrokerOptions['options'] = {},
): Promise<Fixture> {
  const test = await createTestBroker({ options: broker });
  const resolved = resolveJsonGatewayOptions({
    paths: {},
    mapping: {
      opened: ({ user }) => ({ user: user.name }),
      receive: (message) => {
        if (message['do'] === undefined) throw new InvalidMessage('nothing to do');
        return message['do'] as never;
      },
      render: ({ payload, subscription, headers }) => ({ [subscription]: payload, ack: headers.get('ack') }),
      refused: ({ code, retryAfterMs }) =>
        retryAfterMs === undefined ? code : `${code}, ${Math.round(retryAfterMs)} ms`,
      closing: (text) => text,
    },
    ...options,
  });
  const connection = new PingedConnection((task) => {
    test.clock.soon(task);
  });
  const counts = { received: 0, sent: 0, refused: 0 };
  const host = {
    accept: (inner: Parameters<typeof test.broker.accept>[0]) => test.broker.accept(inner),
    authenticator: { authenticate: () => ANONYMOUS },
    session: (id: string) => test.broker.operations.session(id),
    clock: test.clock,
    logger: recordingLogger([]),
  };
  const session = new JsonSession(
    resolved,
    host,
    { outer: connection, handshake: null },
    { counts, onGone: () => undefined },
  );
  connection.listener = session;
  session.start(true);
  await test.advance(1);
  const say = async (...messages: readonly unknown[]): Promise<string> => {
    for (const message of messages) connection.feed(typeof message === 'string' ? message : JSON.stringify(message));
    await test.advance(1);
    return connection.take().toString();
  };
  return { test, session, connection, counts, say };
}

const REPLY = { do: { type: 'reply', message: 'ok' } };
const SEND = { do: { type: 'send', destination: '/topic/a', then: 'sent' } };

t.test('the greeting, then each action once the one before has taken effect', async (t) => {
  const { say, counts, test } = await open();
  t.equal(await say(), '{"user":null}');
  const subscribe = { type: 'subscribe', destination: '/topic/a', then: 'subscribed' };
  t.equal(await say({ do: [subscribe, { type: 'reply', message: 'between' }] }), '"subscribed""between"');
  const sent = await say({ do: { type: 'send', destination: '/topic/a', payload: { n: 1 }, then: 'sent' } });
  t.match(sent, /"sent"/);
  t.match(sent, /\{"\/topic\/a":\{"n":1\}\}/);
  t.equal(await say({ do: [{ type: 'unsubscribe', destination: '/topic/a', then: 'gone' }] }), '"gone"');
  t.equal(test.broker.stats().subscriptions, 0);
  t.strictSame(counts, { received: 3, sent: 6, refused: 0 });
});

t.test('what a client says before it is let in waits until it is', async (t) => {
  const { say } = await open();
  t.equal(
    await say(REPLY, { do: { type: 'subscribe', destination: '/topic/a', then: 'subscribed' } }),
    '{"user":null}"ok""subscribed"',
  );
});

t.test('what the broker refuses is told, and the session goes on', async (t) => {
  const { say, test } = await open();
  await say();
  const bad = {
    do: { type: 'subscribe', destination: '/topic/a\0SEND\ndestination:/queue/x\n\n', then: 'subscribed' },
  };
  t.match(await say(bad, { do: { type: 'reply', message: 'still here' } }), /^"header-invalid""still here"$/);
  t.equal(test.broker.stats().framesIn, 1, 'nothing of it became a frame');
});

t.test('a session ends with its connection, and its subscriptions with it', async (t) => {
  const { say, connection, test } = await open();
  await say({ do: { type: 'subscribe', destination: '/topic/a' } });
  t.equal(test.broker.stats().connections.current, 1);
  connection.vanish();
  t.equal(test.broker.stats().connections.current, 0);
  t.equal(test.broker.stats().subscriptions, 0);
});

t.test('errors are forgotten after a while, and end it past the maximum', async (t) => {
  const { say, session, connection, test } = await open({ maxErrors: 2, errorResetMs: 10_000 });
  await say();
  t.equal(await say('{', '{}'), '"invalid-json""invalid-message"');
  t.equal(session.errorCount, 2);
  await test.advance(10_000);
  session.check(test.clock.nowMs());
  t.equal(session.errorCount, 0);
  t.equal(await say('{}', '{}', '{}', '{}'), '"invalid-message""invalid-message""invalid-message""Too many errors"');
  t.match(connection.closedWith, { webSocketStatus: 1008, text: 'Too many errors' });
});

t.test('each message counts once towards the quotas, also what never reaches the broker', async (t) => {
  const { say, test } = await open({}, { quotas: { session: { messagesPerSecond: 1, messageBurst: 4 } } });
  await say();
  const answers = await say(REPLY, '{', SEND, SEND, REPLY, SEND);
  t.equal(answers, '"ok""invalid-json""sent""sent""rate-limited, 1000 ms""rate-limited, 1000 ms"');
  t.equal(test.broker.stats().rateLimited, 2);
  await test.advance(1_000);
  t.match(await say(SEND, SEND), /^"sent""rate-limited, \d+ ms"$/);
});

t.test('octets count as the client wrote them', async (t) => {
  const { say } = await open({}, { quotas: { session: { bytesPerSecond: 100 } } });
  await say();
  const long = { do: { type: 'reply', message: 'x'.repeat(60) } };
  t.match(await say(long, long), /^"x{60}""rate-limited, \d+ ms"$/);
});

t.test('with onExceeded: pause nothing is refused; what reaches the broker waits', async (t) => {
  const quotas = { onExceeded: 'pause', session: { messagesPerSecond: 1, messageBurst: 1 } } as const;
  const { say, test, connection } = await open({}, { quotas });
  await say();
  t.equal(await say(SEND, SEND, SEND), '"sent""sent"');
  await test.advance(1_100);
  t.equal(connection.take().toString(), '"sent"');
});

t.test('headers of SUBSCRIBE and SEND; a message in an ack mode comes again until it is acknowledged', async (t) => {
  const { say, test } = await open();
  await say();
  const subscribe = {
    type: 'subscribe',
    destination: '/queue/a',
    headers: { ack: 'client-individual', selector: 'n > 1' },
  };
  const send = { type: 'send', destination: '/queue/a', payload: 'two', headers: { n: '2' } };
  const [, id = ''] =
    /"ack":"([^"]+)"/.exec(await say({ do: [{ ...send, headers: { n: '1' } }, subscribe, send] })) ?? [];
  const again = /"\/queue\/a":"two","ack":"([^"]+)"/.exec(await say({ do: { type: 'nack', id } }));
  t.ok(again, 'it comes back');
  t.equal(await say({ do: { type: 'ack', id: again?.[1], then: 'done' } }), '"done"');
  t.match(await say({ do: { type: 'ack', id: 'nonsense' } }), /^"ack-unknown"$/);
  const wrong = { ...subscribe, destination: '/queue/b', headers: { selector: 'n >' } };
  t.equal(await say({ do: wrong }, REPLY), '"selector-invalid""ok"');
  t.equal(test.broker.operations.queue('/queue/a')?.details.depth, 1, 'what the selector did not want');
});

t.test('a silent client is pinged; an answer keeps it, none cuts it', async (t) => {
  const { session, connection, test } = await open({ pingIntervalMs: 54_000, timeoutMs: 60_000 });
  const pass = async (ms: number): Promise<void> => {
    await test.advance(ms);
    session.check(test.clock.nowMs());
  };
  await pass(53_000);
  t.equal(connection.pings.length, 0);
  await pass(1_000);
  t.equal(connection.pings.length, 1);
  connection.pings[0]?.();
  await pass(54_000);
  t.equal(connection.pings.length, 2);
  t.equal(connection.closedWith, null);
  await pass(6_000);
  t.match(connection.closedWith, { code: 'heart-beat-timeout' });
  t.equal(test.broker.stats().connections.current, 0);
});
