import t from 'tap';
import { SessionRegistry, type RegisteredSession } from '../../broker/session-registry.js';
import type { BrokerError } from '../../broker/errors.js';
import type { Connection } from '../../broker/ports.js';

interface FakeSession extends RegisteredSession {
  clientId: string | undefined;
  readonly refusals: string[];
}

let lastId = 0;

function session(name: string | null, remoteAddress: string): FakeSession {
  const refusals: string[] = [];
  return {
    id: `s${++lastId}`,
    // The registry looks at nothing else of a connection.
    connection: { remoteAddress } as Connection,
    clientId: undefined,
    principal: { name, roles: [] },
    refusals,
    refuse: (error: BrokerError) => refusals.push(error.code),
    close: () => undefined,
    forgetAllowed: () => undefined,
    onSlowConsumer: () => undefined,
  };
}

function claim(registry: SessionRegistry, claimant: FakeSession): void {
  registry.claimClientId('c', claimant);
  claimant.clientId = 'c';
}

t.test('C-22 an anonymous client-id displaces only a connection of the same address', async (t) => {
  const registry = new SessionRegistry();
  const first = session(null, '127.0.0.1');
  claim(registry, first);
  const stranger = session(null, '127.0.0.2');
  t.throws(
    () => {
      claim(registry, stranger);
    },
    { code: 'client-id-in-use' },
  );
  t.strictSame(first.refusals, []);
  claim(registry, session(null, '127.0.0.1'));
  t.strictSame(first.refusals, ['client-id-displaced']);
});

t.test('C-22 a user displaces itself from any address, and nobody else', async (t) => {
  const registry = new SessionRegistry();
  const first = session('ann', '127.0.0.1');
  claim(registry, first);
  for (const name of ['bob', null]) {
    t.throws(
      () => {
        claim(registry, session(name, '127.0.0.1'));
      },
      { code: 'client-id-in-use' },
    );
  }
  claim(registry, session('ann', '127.0.0.2'));
  t.strictSame(first.refusals, ['client-id-displaced']);
});

t.test('a client-id is free once its holder is gone, and stays with who took it over', async (t) => {
  const registry = new SessionRegistry();
  const [first, second, other] = [session('ann', 'a'), session('ann', 'a'), session('bob', 'b')];
  claim(registry, first);
  claim(registry, second);
  registry.remove(first);
  t.throws(
    () => {
      claim(registry, other);
    },
    { code: 'client-id-in-use' },
  );
  registry.remove(second);
  claim(registry, other);
  t.strictSame(second.refusals, []);
});
