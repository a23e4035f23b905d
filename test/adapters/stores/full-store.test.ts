/** What a broker says of a store that is full, on the stores that there are. */
import path from 'node:path';
import t from 'tap';
import { MemoryStore, SqliteStore } from '../../../adapters/stores/index.js';
import { recordingLogger, type LogLine } from '../../../adapters/testing/recorded-log.js';
import { Journal } from '../../../broker/storage/journal.js';
import { WriteUnit } from '../../../broker/storage/write-unit.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import type { Store } from '../../../broker/ports.js';

const MAX_BYTES = 512 * 1024;
const MESSAGE_BYTES = 2_000;

const stores: Readonly<Record<string, (directory: string) => Store>> = {
  MemoryStore: () => new MemoryStore({ maxBytes: MAX_BYTES }),
  SqliteStore: (directory) => new SqliteStore({ directory: path.join(directory, 'data'), maxBytes: MAX_BYTES }),
};

for (const [name, make] of Object.entries(stores)) {
  t.test(`${name}: full until there is room again, and that is told once`, async (t) => {
    const clock = new FakeClock();
    const log: LogLine[] = [];
    const store = make(t.testdir());
    const journal = new Journal({ store, clock, logger: recordingLogger(log, 'info'), maxPendingBytes: 1e9 });
    await journal.open();
    t.teardown(() => journal.close());
    const flush = (): Promise<void> => {
      clock.turn();
      return journal.flush();
    };
    let sequence = 0;
    while (journal.problem === null && sequence < 1_000) {
      const unit = new WriteUnit(journal);
      const times = { publishedEpochMs: 0, expiresEpochMs: 0, notBeforeEpochMs: 0 };
      const octets = Buffer.alloc(MESSAGE_BYTES);
      const message = { sequence: ++sequence, priority: 4, octets, weightBytes: 1, deliveryCount: 0, ...times };
      unit.add({ kind: 'append', stream: 'queue:/queue/q', message });
      unit.submit()?.catch(() => undefined);
      await flush();
    }
    t.match(journal.problem, { code: 'store-full' });
    for (let k = 0; k < 3; k++) {
      clock.advance(1_000);
      await flush();
      t.match(journal.problem, { code: 'store-full' });
    }
    for (let k = 1; k <= sequence / 2; k++) {
      journal.owe({ kind: 'remove', stream: 'queue:/queue/q', priority: 4, sequence: k });
    }
    await flush();
    clock.advance(1_000);
    await flush();
    t.equal(journal.problem, null);
    t.strictSame(
      log.map(({ message }) => message),
      ['the store fails', 'the store works again'],
    );
    t.strictSame(
      await store.read('probe', 0, 0, { maxMessages: 1, maxBytes: 1 }),
      [],
      'nothing is left of the question',
    );
  });
}
