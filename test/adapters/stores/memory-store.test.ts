import t from 'tap';
import { MemoryStore } from '../../../adapters/stores/index.js';
import type { StoreOperation } from '../../../broker/ports.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { storedMessage } from '../../helpers/store-process.js';

function append(stream: string, sequence: number, bytes: number): StoreOperation {
  return { kind: 'append', stream, message: storedMessage(sequence, bytes) };
}

function put(key: string, value: string, expiresEpochMs = 0): StoreOperation {
  return { kind: 'put', key, value, expiresEpochMs };
}

t.test('counts octets and what surrounds them, and counts them off again', async (t) => {
  const store = new MemoryStore();
  await store.commit([append('a', 1, 1_000), append('a', 2, 0), put('key', 'value')]);
  t.equal(store.bytes, 1_128 + 128 + 2 * 8 + 128);
  await store.commit([append('a', 1, 10), put('key', '')]);
  t.equal(store.bytes, 138 + 128 + 2 * 3 + 128);
  await store.commit([
    { kind: 'update', stream: 'a', priority: 4, sequence: 1, deliveryCount: 1, notBeforeEpochMs: 0 },
    { kind: 'remove', stream: 'a', priority: 4, sequence: 2 },
    { kind: 'delete', key: 'key' },
    append('b', 1, 10),
    append('b', 5, 10),
  ]);
  t.equal(store.bytes, 3 * 138);
  await store.commit([
    { kind: 'drop', stream: 'b' },
    { kind: 'trim', stream: 'a', priority: 4, sequence: 9 },
  ]);
  t.equal(store.bytes, 0);
});

t.test('a commit that frees before it takes fits; what it would hold in between does not count', async (t) => {
  const store = new MemoryStore({ maxBytes: 3_000 });
  await store.commit([append('a', 1, 1_000), append('a', 2, 1_000)]);
  await t.rejects(store.commit([append('a', 3, 1_000)]), { code: 'store-full', message: /3000 octets/ });
  await store.commit([append('a', 3, 1_000), { kind: 'remove', stream: 'a', priority: 4, sequence: 1 }]);
  t.equal(store.bytes, 2_256);
});

t.test('a full store looks for expired records once a second', async (t) => {
  const clock = new FakeClock();
  const store = new MemoryStore({ maxBytes: 2_000, clock });
  await store.commit([put('a', 'x'.repeat(400), clock.epochMs() + 100)]);
  await t.rejects(store.commit([append('a', 1, 1_000)]), { code: 'store-full' });
  clock.advance(999);
  await t.rejects(store.commit([append('a', 1, 1_000)]), { code: 'store-full' });
  clock.advance(1);
  await store.commit([append('a', 1, 1_000)]);
  t.equal(store.bytes, 1_128);
});

t.test('closing forgets everything', async (t) => {
  const store = new MemoryStore();
  await store.commit([append('a', 1, 1_000)]);
  await store.close();
  t.equal(store.bytes, 0);
});
