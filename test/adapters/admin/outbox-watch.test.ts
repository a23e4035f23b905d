import t from 'tap';
import { OutboxWatch } from '../../../adapters/admin/outbox-watch.js';
import { PageReader } from '../../../adapters/admin/paging/page-reader.js';
import type { SessionDetails } from '../../../broker/index.js';
import { FakeClock } from '../../helpers/fake-clock.js';

t.test('what waits for all sessions is added up, at most once a second', async (t) => {
  const clock = new FakeClock();
  const sessions = [
    { queuedBytes: 10, transportBytes: 5 },
    { queuedBytes: 0, transportBytes: 100 },
    { queuedBytes: 90, transportBytes: 20 },
  ] as SessionDetails[];
  let walks = 0;
  const operations = {
    sessions: () => {
      walks++;
      return sessions.values();
    },
  };
  const watch = new OutboxWatch(operations, new PageReader(clock), clock);
  const totals = { queuedBytes: 100, transportBytes: 125, largestBytes: 110 };
  t.strictSame(await Promise.all([watch.totals(), watch.totals()]), [totals, totals]);
  clock.advance(999);
  sessions.pop();
  t.strictSame(await watch.totals(), totals);
  t.equal(walks, 1);
  clock.advance(1);
  t.strictSame(await watch.totals(), { queuedBytes: 10, transportBytes: 105, largestBytes: 100 });
  t.equal(walks, 2);
});
