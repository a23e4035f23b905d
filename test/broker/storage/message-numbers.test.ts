import t from 'tap';
import { Journal } from '../../../broker/storage/journal.js';
import { MessageNumbers } from '../../../broker/storage/message-numbers.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import type { StoredRecord } from '../../../broker/index.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { settle } from '../../helpers/settle.js';

/** Numbers on a store that holds `records`; `reserved` is what the store has been told since. */
async function restored(records: readonly StoredRecord[]) {
  const [store, clock] = [new ScriptedStore(), new FakeClock()];
  const journal = new Journal({ store, clock, logger: recordingLogger([], 'info'), maxPendingBytes: 1_000 });
  await journal.open();
  const numbers = new MessageNumbers();
  numbers.restore(records, journal);
  const reserved = async (): Promise<StoredRecord[]> => {
    clock.turn();
    await settle();
    const operations = store.commits.splice(0).flatMap((commit) => {
      commit.succeed();
      return commit.operations;
    });
    await settle();
    return operations.filter((operation) => operation.kind === 'put');
  };
  return { numbers, reserved };
}

t.test('without a store numbers count from 1', async (t) => {
  const numbers = new MessageNumbers();
  t.strictSame([numbers.next(), numbers.next()], [1, 2]);
});

t.test('a later process never gives a number again, whatever became of the earlier one', async (t) => {
  const first = await restored([]);
  t.equal(first.numbers.next(), 1);
  const kept = await first.reserved();
  t.equal(kept.length, 1);
  let last = 0;
  for (let k = 0; k < 1_000; k++) last = first.numbers.next();
  const second = await restored(kept);
  t.ok(second.numbers.next() > last);
  t.ok(Number((await second.reserved()).at(-1)?.value) > Number(kept[0]?.value));
});

t.test('a block is reserved before its first number is given', async (t) => {
  const { numbers, reserved } = await restored([]);
  const block = Number((await reserved())[0]?.value);
  while (numbers.next() < block);
  t.strictSame(await reserved(), []);
  numbers.next();
  t.match(await reserved(), [{ value: String(2 * block + 1) }]);
});
