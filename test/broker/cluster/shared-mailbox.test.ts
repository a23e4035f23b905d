// What the store gave a node without its knowing: asked about until it is known, whoever is still there.
import t from 'tap';
import { SharedMailbox, type InboxReaders } from '../../../broker/cluster/shared-mailbox.js';
import { BrokerError } from '../../../broker/errors.js';
import type { InboxClaimResult, SharedOperation, SharedStore, UnitOutcome } from '../../../broker/ports.js';
import { BrokerStats } from '../../../broker/stats.js';
import { Journal } from '../../../broker/storage/journal.js';
import type { Subscription } from '../../../broker/subscription.js';
import { TimerWheel } from '../../../broker/timer-wheel.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { settle } from '../../helpers/settle.js';

interface Asked {
  readonly operations: readonly SharedOperation[];
  readonly answer: (result: unknown) => void;
  readonly lose: () => void;
}

const NOTHING: InboxClaimResult = { isMember: true, messages: [], nextDueEpochMs: 0, isMore: false };

async function setUp() {
  const clock = new FakeClock();
  const logger = recordingLogger([], 'silent');
  const asked: Asked[] = [];
  const store: SharedStore = {
    name: 'scripted',
    isShared: true,
    listen: () => undefined,
    open: () => Promise.resolve({ lanes: [], records: [] }),
    commit: () => Promise.resolve(),
    commitUnits: (units) =>
      new Promise((resolve, reject) => {
        const answer = (result: unknown): void => {
          resolve(units.map((): UnitOutcome => ({ isDone: true, results: [result] })));
        };
        const lose = (): void => {
          reject(new BrokerError('store-failed', 'the connection broke'));
        };
        asked.push({ operations: units.flat(), answer, lose });
      }),
    record: () => Promise.resolve(null),
    records: () => Promise.resolve([]),
    read: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
  const journal = new Journal({ store, clock, logger, maxPendingBytes: 1_000_000 });
  await journal.open();
  const readers: InboxReaders = {
    find: () => null,
    take: () => true,
    hold: () => undefined,
    letGo: () => undefined,
    forfeit: () => undefined,
    isReady: () => false,
    deliver: () => false,
  };
  const seen: string[] = [];
  const node = { tenure: 0 };
  const mailbox = new SharedMailbox('bob', {
    journal,
    wheel: new TimerWheel(clock),
    clock,
    logger,
    stats: new BrokerStats(),
    readers,
    tenure: () => node.tenure,
    onWanting: () => seen.push('wanting'),
    onFailed: () => seen.push('failed'),
    onIdle: () => seen.push('idle'),
  });
  const turn = async (): Promise<void> => {
    clock.turn();
    await settle();
  };
  return { mailbox, asked, seen, node, turn };
}

const SUBSCRIPTION = { selector: null } as unknown as Subscription;

t.test('a claim whose answer was lost is asked about again, also when its subscriber has left', async (t) => {
  const { mailbox, asked, seen, turn } = await setUp();
  mailbox.add(SUBSCRIPTION, '/queue/x');
  mailbox.claim();
  await turn();
  mailbox.remove(SUBSCRIPTION);
  asked[0]?.lose();
  await turn();
  t.strictSame(seen, ['wanting', 'failed'], 'not idle');
  mailbox.claim();
  await turn();
  t.match(asked.at(-1)?.operations, [{ kind: 'inbox-claim', interests: [], known: [] }]);
  asked.at(-1)?.answer(NOTHING);
  await turn();
  t.equal(seen.at(-1), 'idle');
});

t.test('an answer that comes when the node was given up and is back may be about what it has now', async (t) => {
  const { mailbox, asked, seen, node, turn } = await setUp();
  mailbox.add(SUBSCRIPTION, '/queue/x');
  mailbox.claim();
  await turn();
  node.tenure++;
  mailbox.forfeit();
  asked[0]?.answer(NOTHING);
  await turn();
  t.strictSame(seen, ['wanting', 'wanting']);
  mailbox.claim();
  await turn();
  t.match(asked.at(-1)?.operations, [{ kind: 'inbox-claim', interests: ['/queue/x'], known: [] }]);
  asked.at(-1)?.answer(NOTHING);
  await turn();
  mailbox.remove(SUBSCRIPTION);
  t.equal(seen.at(-1), 'idle');
});
