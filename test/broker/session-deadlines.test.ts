import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';

t.test('a frame has its whole time, also where nothing has happened on the node for longer than that', async (t) => {
  // Without heart-beats nothing is due: the wheel, and the clock that it keeps, stand still.
  const fixture = new BrokerFixture({ limits: { frameTimeoutMs: 2_000 } });
  const client = fixture.connect();
  fixture.clock.advance(600_000);
  client.send('SEND\ndestination:/topic/a\n\nhalf a ');
  fixture.clock.advance(1_900);
  t.strictSame(client.frames(), []);
  client.send('body\0SEND\n');
  fixture.clock.advance(1_900);
  t.strictSame(client.frames(), [], 'the next one is another');
  fixture.clock.advance(200);
  t.equal(client.error(), 'frame-timeout');
});

t.test('what a client is told last waits for it, also where nothing has happened on the node for longer', async (t) => {
  const fixture = new BrokerFixture({ limits: { lingerMs: 2_000 } });
  const client = fixture.connect();
  client.connection.freeze();
  fixture.clock.advance(600_000);
  client.send(frameText('DISCONNECT', { receipt: 'r' }));
  fixture.clock.advance(1_900);
  client.connection.thaw();
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
});
