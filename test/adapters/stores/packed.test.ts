import fc from 'fast-check';
import t from 'tap';
import {
  packMessages,
  packOperations,
  transferable,
  unpackMessages,
  unpackOperations,
} from '../../../adapters/stores/packed.js';
import type { StoredMessage, StoreOperation } from '../../../broker/ports.js';
import { storeSteps } from '../../contracts/store-model.js';
import { check } from '../../helpers/properties.js';

/** As another thread gets it. */
function passOn<T extends Parameters<typeof transferable>[0]>(packed: T): T {
  return structuredClone(packed, { transfer: transferable(packed) });
}

function plain(message: StoredMessage): StoredMessage {
  return { ...message, octets: new Uint8Array(message.octets) };
}

function plainOperation(operation: StoreOperation): StoreOperation {
  return operation.kind === 'append' ? { ...operation, message: plain(operation.message) } : { ...operation };
}

t.test('operations arrive as they were sent', async (t) => {
  const operations = storeSteps.map((steps) =>
    steps.flatMap((step) => (step.kind === 'commit' ? step.operations : [])),
  );
  const arrives = fc.property(operations, (sent) => {
    const arrived = unpackOperations(passOn(packOperations(sent)));
    return fc.stringify(arrived.map(plainOperation)) === fc.stringify(sent.map(plainOperation));
  });
  check(t, arrives, 300);
});

t.test('messages arrive as they were sent, octets that lie within others included', async (t) => {
  const pool = Buffer.from('never to be seen: one two');
  const message = (sequence: number, octets: Uint8Array): StoredMessage => ({
    sequence,
    priority: 4,
    octets,
    weightBytes: 1,
    publishedEpochMs: 2,
    expiresEpochMs: 3,
    notBeforeEpochMs: 4,
    deliveryCount: 5,
  });
  const sent = [message(1, pool.subarray(18, 21)), message(2, new Uint8Array(0)), message(3, pool.subarray(22))];
  const packed = packMessages(sent);
  t.equal(packed.octets.byteLength, 6);
  t.strictSame(unpackMessages(passOn(packed)).map(plain), sent.map(plain));
  t.equal(pool.toString(), 'never to be seen: one two', 'and stay where they were, too');
  t.strictSame(unpackMessages(passOn(packMessages([]))), []);
});

t.test('what is cut short is a fault, not a message', async (t) => {
  const { numbers, texts, octets } = packOperations([{ kind: 'drop', stream: 'a' }]);
  t.throws(() => unpackOperations({ numbers: numbers.subarray(0, 1), texts, octets }), RangeError);
  t.throws(() => unpackOperations({ numbers, texts: [], octets }), RangeError);
  t.throws(() => unpackOperations({ numbers: Float64Array.of(99, 0), texts, octets }), RangeError);
});
