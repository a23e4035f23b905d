import t from 'tap';
import { BrokerFixture } from '../helpers/broker-fixture.js';

t.test('the id of a session is an argument for every command line: it never begins like an option', async (t) => {
  const fixture = new BrokerFixture();
  // Of random octets one in 64 would.
  for (let k = 0; k < 1_000; k++) fixture.connect();
  const ids = [...fixture.broker.operations.sessions()].map(({ id }) => id);
  t.equal(ids.length, 1_000);
  t.strictSame(
    ids.filter((id) => !/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/.test(id)),
    [],
  );
});
