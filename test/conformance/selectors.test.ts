/** Conformance X-14 and the selector of S-14, on raw sockets: selectors on SUBSCRIBE. */
import t, { type Test } from 'tap';
import { openConnected, VERSIONS, type RawClient } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const server = await startTestServer({
  http: false,
  auth: { anonymous: true, users: [{ login: 'ann', passcode: 'x', roles: [] }] },
});
const port = server.tcpPort;
t.teardown(() => server.stop());

/** SENDs with those headers, and waits until they have taken effect. */
async function publish(
  client: RawClient,
  destination: string,
  all: readonly Readonly<Record<string, string>>[],
): Promise<void> {
  for (const headers of all) client.sendFrame('SEND', { destination, ...headers }, headers['n'] ?? '');
  await client.fence();
}

/** The bodies that arrive, which must be all. */
async function receives(t: Test, client: RawClient, bodies: readonly string[]): Promise<void> {
  const messages = await client.messages(bodies.length);
  t.strictSame(
    messages.map(({ text }) => text),
    bodies,
  );
  await client.fence();
}

const ORDERS = [
  { n: '1', type: 'order', price: '9', 'content-type': 'application/json' },
  { n: '2', type: 'order', price: '10.50' },
  { n: '3', type: 'refund', price: '100', 'x-region': 'eu_west' },
  { n: '4', 'x-region': 'eu-west', price: 'free' },
];

t.test('X-14 a subscription gets the messages of a topic that its selector is true of', async (t) => {
  const cases: readonly (readonly [selector: string, bodies: readonly string[]])[] = [
    [`type = 'order'`, ['1', '2']],
    [`type <> 'order'`, ['3']],
    [`NOT (type = 'order')`, ['3']],
    [`price < 10`, ['1']],
    [`price >= 10.5`, ['2', '3']],
    [`price BETWEEN 9 AND 10 + 1`, ['1', '2']],
    [`price NOT BETWEEN 9 AND 11`, ['3', '4']],
    [`type IN ('refund', 'return')`, ['3']],
    [`type NOT IN ('order')`, ['3']],
    [`x-region LIKE 'eu%'`, ['3', '4']],
    [`x-region LIKE 'eu\\_%' ESCAPE '\\'`, ['3']],
    [`x-region NOT LIKE 'eu!_%' ESCAPE '!'`, ['4']],
    [`type IS NULL`, ['4']],
    [`type IS NOT NULL and price * 2 > 100 or n = '1'`, ['1', '3']],
    [`content-type = 'application/json'`, ['1']],
    [`price - 9 = 0`, ['1']],
    [`destination = '/topic/x14' AND n = 2`, ['2']],
    [`type = 'nothing'`, []],
  ];
  for (const version of VERSIONS) {
    const sender = await openConnected(t, port, version);
    // 1.1 and 1.2 unescape header values.
    const written = (text: string): string => (version === '1.0' ? text : text.replaceAll('\\', '\\\\'));
    const clients: (readonly [RawClient, readonly string[]])[] = [];
    for (const [selector, bodies] of cases) {
      const client = await openConnected(t, port, version);
      await client.subscribe('/topic/x14', '0', { selector: written(selector) });
      clients.push([client, bodies]);
    }
    await publish(sender, '/topic/x14', ORDERS);
    for (const [client, bodies] of clients) await receives(t, client, bodies);
  }
});

t.test('X-14 selectors of one session are apart, also on patterns and in the client ack modes', async (t) => {
  const client = await openConnected(t, port);
  await client.subscribe('/topic/x14-many/*', 'orders', { selector: `type = 'order'` });
  await client.subscribe('/topic/x14-many/a', 'refunds', { selector: `type = 'refund'`, ack: 'client-individual' });
  await client.subscribe('/topic/x14-many/**', 'all');
  const sender = await openConnected(t, port);
  await publish(sender, '/topic/x14-many/a', ORDERS.slice(1));
  const got = await client.messages(5);
  t.strictSame(got.map((message) => `${message.get('subscription') ?? ''} ${message.text}`).sort(), [
    'all 2',
    'all 3',
    'all 4',
    'orders 2',
    'refunds 3',
  ]);
  await client.fence();
});

t.test('X-14 a selector reads the first of repeated headers, unescaped, on every path of a SEND', async (t) => {
  const client = await openConnected(t, port);
  await client.subscribe('/topic/x14-paths', '0', { selector: `place = 'a\\cb' AND kind = 'one'` });
  const sender = await openConnected(t, port);
  const head = 'SEND\ndestination:/topic/x14-paths\nplace:a\\cb\nkind:one\nkind:two\n';
  await sender.send(`${head}\nescaped\0${head}receipt:r\n\nreceipted\0${head.replace('one', 'three')}\nother\0`);
  await sender.receipt('r');
  await receives(t, client, ['escaped', 'receipted']);
});

t.test('X-14 on a queue, what one consumer does not want is for the others or waits', async (t) => {
  const sender = await openConnected(t, port);
  const orders = await openConnected(t, port);
  await orders.subscribe('/queue/x14', '0', { selector: `type = 'order'` });
  await publish(sender, '/queue/x14', ORDERS);
  await receives(t, orders, ['1', '2']);
  const refunds = await openConnected(t, port);
  await refunds.subscribe('/queue/x14', '0', { selector: `type = 'refund'` });
  await receives(t, refunds, ['3']);
  await publish(sender, '/queue/x14', [{ n: '5', type: 'refund' }, { n: '6', type: 'order' }, { n: '7' }]);
  await receives(t, orders, ['6']);
  await receives(t, refunds, ['5']);
  const all = await openConnected(t, port);
  await all.subscribe('/queue/x14');
  await receives(t, all, ['4', '7']);
});

t.test('X-14 a selector holds for user destinations, exact and by pattern', async (t) => {
  const ann = await openConnected(t, port, '1.2', { login: 'ann', passcode: 'x' });
  await ann.subscribe('/user/queue/x14', 'exact', { selector: `price > 10` });
  await ann.subscribe('/user/queue/*', 'pattern', { selector: `price < 10` });
  const sender = await openConnected(t, port);
  await publish(sender, '/user/ann/queue/x14', ORDERS);
  const got = await ann.messages(3);
  t.strictSame(got.map((message) => `${message.get('subscription') ?? ''} ${message.text}`).sort(), [
    'exact 2',
    'exact 3',
    'pattern 1',
  ]);
  await ann.fence();
});

t.test('S-14 X-14 a bad or empty selector is answered by ERROR, and there is no subscription', async (t) => {
  for (const version of VERSIONS) {
    for (const destination of ['/topic/x14-bad', '/queue/x14-bad', '/user/queue/x14-bad']) {
      for (const selector of ['', ' ', `type = `, `type == 'a'`, `type = 'a`, '5', 'x'.repeat(4_097)]) {
        const client = await openConnected(t, port, version);
        client.sendFrame('SUBSCRIBE', { id: '0', destination, selector, receipt: 'r' });
        const error = await client.expectError('selector-invalid');
        t.equal(error.get('receipt-id'), 'r');
        t.match(
          error.get('message'),
          version === '1.0' || selector.length > 9 ? /^Selector/ : /character \d+: got .*, wants /,
        );
      }
    }
  }
  const sender = await openConnected(t, port);
  await publish(sender, '/queue/x14-bad', [{ n: '1' }]);
  await sender.subscribe('/queue/x14-bad');
  await receives(t, sender, ['1']);
});
