/** S5 and S10: what MESSAGE frames look like, receipts, acks, and limits. */
import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

t.test('S5.30 message-id is this node and a number, another one for each message', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  for (let k = 0; k < 3; k++) client.publish('/topic/a', '', { 'message-id': "the sender's" });
  const ids = client.frames().map((frame) => header(frame, 'message-id') ?? '');
  for (const id of ids) t.match(id, /^n-\d+$/);
  t.equal(new Set(ids).size, 3);
});

t.test("S5.32 subscription is the receiver's own, whatever the sender wrote", async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('mine', '/topic/a');
  client.publish('/topic/a', '', { subscription: 'forged' });
  t.strictSame(
    client.frames()[0]?.headers.flatMap(([name, value]) => (name === 'subscription' ? [value] : [])),
    ['mine'],
  );
});

t.test(
  "S5.33 the headers of SEND are relayed in order, but for those that are the server's or meant for it",
  async (t) => {
    const fixture = new BrokerFixture();
    const client = fixture.connect();
    client.subscribe('s', '/topic/a');
    client.send(
      'SEND\nz:1\ndestination:/topic/a\nAuthorization:Bearer t\nz:2\nid:x\ncontent-type:text/x\nreceipt:r\nsimpOrigDestination:/forged\nlast:\n\nb\0',
    );
    const message = client.frames().find(({ command }) => command === 'MESSAGE');
    t.strictSame(
      message?.headers.filter(([name]) => name !== 'message-id'),
      [
        ['subscription', 's'],
        ['z', '1'],
        ['destination', '/topic/a'],
        ['Authorization', 'Bearer t'],
        ['z', '2'],
        ['id', 'x'],
        ['content-type', 'text/x'],
        ['last', ''],
        ['content-length', '1'],
      ],
    );
  },
);

t.test('S5.35 MESSAGE and ERROR have content-length, of an empty body too; RECEIPT and CONNECTED never', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', { receipt: 'r' });
  client.publish('/topic/a', '');
  client.publish('/topic/a', 'öl');
  client.send('NONSENSE\n\n\0');
  t.strictSame(
    [client.welcome, ...client.frames()].map((frame) => [frame?.command, header(frame, 'content-length')]).slice(0, 4),
    [
      ['CONNECTED', undefined],
      ['RECEIPT', undefined],
      ['MESSAGE', '0'],
      ['MESSAGE', '3'],
    ],
  );
});

t.test('S5.35 ERROR has the content-length of its body', async (t) => {
  const client = new BrokerFixture().connect();
  client.send('NONSENSE\n\n\0');
  const [error] = client.frames();
  t.equal(header(error, 'content-length'), String(error?.body.length));
});

t.test('S5.36 without content-type on SEND there is none on MESSAGE; octets are untouched', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  const octets = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  client.send(
    Buffer.concat([Buffer.from('SEND\ndestination:/topic/a\ncontent-length:256\n\n'), octets, Buffer.alloc(1)]),
  );
  const [frame] = client.frames();
  t.equal(header(frame, 'content-type'), undefined);
  t.ok(frame?.body.equals(octets));
});

t.test('S5.50 RECEIPT answers every frame that asks, not DISCONNECT alone', async (t) => {
  const client = new BrokerFixture().connect();
  client.subscribe('s', '/topic/a', { receipt: '1' });
  client.publish('/topic/b', '', { receipt: '2' });
  client.send(frameText('UNSUBSCRIBE', { id: 's', receipt: '3' }));
  client.send(frameText('DISCONNECT', { receipt: '4' }));
  t.strictSame(
    client.frames().map((frame) => header(frame, 'receipt-id')),
    ['1', '2', '3', '4'],
  );
});

t.test('S5.51 a SEND in a transaction waits for COMMIT, and ABORT undoes it', async (t) => {
  const client = new BrokerFixture().connect();
  client.subscribe('s', '/topic/a');
  for (const [transaction, end] of [
    ['a', 'ABORT'],
    ['c', 'COMMIT'],
  ] as const) {
    client.send(frameText('BEGIN', { transaction }));
    client.publish('/topic/a', transaction, { transaction });
    t.strictSame(client.frames(), []);
    client.send(frameText(end, { transaction }));
  }
  t.strictSame(client.bodies(), ['c']);
});

t.test('S10.1 a frame over the limit is ERROR and the end; the limit is per frame and can be set', async (t) => {
  const fixture = new BrokerFixture({ limits: { frame: { maxBodyBytes: 65_536 } } });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  const small = frameText('SEND', { destination: '/topic/a' }, 'x'.repeat(60_000));
  client.send(small + small);
  t.equal(client.frames().length, 2, 'S15.10: more than 64 KiB of small frames in one chunk is fine');
  client.publish('/topic/a', 'x'.repeat(65_537));
  const error = client.frames().find(({ command }) => command === 'ERROR');
  t.match(header(error, 'message'), /65536/);
  t.equal(client.isGone, true);
});

t.test('S10.3 a frame may come in any number of pieces, cut at any octet', async (t) => {
  const fixture = new BrokerFixture();
  const frame = Buffer.from(frameText('SEND', { destination: '/topic/ö', h: 'ü' }, 'böse'));
  const client = fixture.connect();
  client.subscribe('s', '/topic/ö');
  for (let cut = 1; cut < frame.length; cut++) {
    client.send(frame.subarray(0, cut));
    client.send(frame.subarray(cut));
  }
  t.strictSame(new Set(client.bodies()), new Set(['böse']));
});

t.test(
  'S10.7 a client that does not read is ended at the limit of its buffer, or when it stays behind too long',
  async (t) => {
    const limits = { highWaterBytes: 1_024, softLimitBytes: 20_000, softLimitMs: 10_000, hardLimitBytes: 512 * 1_024 };
    for (const [messages, waitMs] of [
      [60, 0],
      [10, 10_100],
    ] as const) {
      const fixture = new BrokerFixture({ outbox: limits });
      const [slow, sender] = [fixture.connect(), fixture.connect()];
      slow.subscribe('s', '/topic/a');
      slow.frames();
      slow.connection.freeze();
      for (let k = 0; k < messages; k++) {
        sender.publish('/topic/a', 'x'.repeat(10_000));
        fixture.clock.turn();
      }
      if (waitMs > 0) {
        t.equal(slow.connection.closedWith, null);
        fixture.clock.advance(waitMs);
      }
      t.match(slow.connection.closedWith, { code: 'slow-consumer' });
      t.equal(sender.isGone, false);
    }
  },
);
