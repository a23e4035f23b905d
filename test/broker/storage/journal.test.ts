import t from 'tap';
import { BrokerError, type StoreOperation } from '../../../broker/index.js';
import { Journal } from '../../../broker/storage/journal.js';
import { WriteUnit, type UnitTerms } from '../../../broker/storage/write-unit.js';
import { recordingLogger, type LogLine } from '../../../adapters/testing/recorded-log.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { settle } from '../../helpers/settle.js';

const FULL = new BrokerError('store-full', 'no room on the disk');

function put(key: string): StoreOperation {
  return { kind: 'put', key, value: '', expiresEpochMs: 0 };
}

function append(sequence: number, bytes = 10): StoreOperation {
  const octets = Buffer.alloc(bytes);
  const times = { publishedEpochMs: 0, expiresEpochMs: 0, notBeforeEpochMs: 0 };
  const message = { sequence, priority: 4, octets, weightBytes: bytes, deliveryCount: 0, ...times };
  return { kind: 'append', stream: 's', message };
}

async function open(maxPendingBytes = 1_000) {
  const [store, clock, log] = [new ScriptedStore(), new FakeClock(), [] as LogLine[]];
  const journal = new Journal({ store, clock, logger: recordingLogger(log, 'info'), maxPendingBytes });
  await journal.open();
  const events: string[] = [];
  const write = (name: string, operation = put(name), terms: UnitTerms = {}): void => {
    const unit = new WriteUnit(journal, terms);
    unit.add(
      operation,
      () => events.push(`${name} applied`),
      () => events.push(`${name} undone`),
    );
    unit.submit()?.then(
      () => events.push(`${name} stored`),
      (error: unknown) => events.push(`${name} ${error instanceof BrokerError ? error.code : 'unknown'}`),
    );
  };
  const turn = async (): Promise<void> => {
    clock.turn();
    await settle();
  };
  const keys = (k: number) =>
    store.commits[k]?.operations.map((operation) => (operation.kind === 'put' ? operation.key : operation.kind));
  return { store, clock, log, journal, events, write, turn, keys };
}

t.test('what one turn asks for is one commit; what comes meanwhile is the next', async (t) => {
  const { store, write, turn, keys, events } = await open();
  for (const name of ['a', 'b']) write(name);
  t.equal(store.commits.length, 0, 'not before the turn ends');
  await turn();
  for (const name of ['c', 'd']) write(name);
  await turn();
  t.equal(store.commits.length, 1, 'one at a time');
  t.strictSame(keys(0), ['a', 'b']);
  t.strictSame(events, []);
  store.commits[0]?.succeed();
  await turn();
  t.strictSame(events, ['a applied', 'b applied', 'a stored', 'b stored']);
  t.strictSame(keys(1), ['c', 'd']);
});

t.test('a commit that fails undoes its units, the newest first within one; later ones are tried', async (t) => {
  const { store, journal, write, turn, events, log, clock } = await open();
  write('a');
  await turn();
  write('b');
  store.commits[0]?.fail(FULL);
  await turn();
  t.strictSame(events, ['a undone', 'a store-full']);
  t.match(journal.problem, { code: 'store-full', message: 'no room on the disk', sinceEpochMs: clock.epochMs() });
  t.equal(log.filter(({ level }) => level === 'error').length, 1);
  store.commits[1]?.succeed();
  await turn();
  t.strictSame(events.slice(2), ['b applied', 'b stored']);
  t.equal(journal.problem, null);
  t.match(log.at(-1), { message: 'the store works again' });
});

t.test('an error that is none of ours is store-failed', async (t) => {
  const { store, journal, write, turn, events } = await open();
  write('a');
  await turn();
  store.commits[0]?.fail(new Error('EIO'));
  await turn();
  t.strictSame(events, ['a undone', 'a store-failed']);
  t.match(journal.problem, { code: 'store-failed', message: /EIO/ });
});

t.test('publishers are told what it is, and the operator where', async (t) => {
  const { store, journal, turn, log } = await open();
  const unit = new WriteUnit(journal);
  unit.add(put('a'));
  const refused = t.rejects(Promise.resolve(unit.submit()), { code: 'store-full', message: 'The store has no room' });
  await turn();
  store.commits[0]?.fail(new BrokerError('store-full', '/var/lib/hoofbeat.db: no room'));
  await turn();
  await refused;
  t.equal(journal.problem?.message, '/var/lib/hoofbeat.db: no room');
  t.match(log[0]?.fields, { err: { message: /^\/var/ } });
});

t.test('removals are tried until they are stored, alone first, for they may make room', async (t) => {
  const { store, clock, write, turn, keys, events } = await open();
  write('removal', put('removal'), { isRetried: true });
  write('append');
  await turn();
  store.commits[0]?.fail(FULL);
  await turn();
  t.strictSame(events, ['append undone', 'append store-full']);
  write('next');
  await turn();
  t.strictSame(keys(1), ['removal']);
  store.commits[1]?.fail(FULL);
  await turn();
  t.strictSame(events.slice(2), ['next undone', 'next store-full'], 'nobody waits for ever');
  clock.advance(1_000);
  await turn();
  t.strictSame(keys(2), ['removal']);
  store.commits[2]?.succeed();
  await turn();
  t.strictSame(events.slice(4), ['removal applied', 'removal stored']);
});

t.test('a store that failed is asked now and then whether it works again', async (t) => {
  const { store, clock, journal, write, turn } = await open();
  write('a');
  await turn();
  store.commits[0]?.fail(FULL);
  await turn();
  clock.advance(1_000);
  await turn();
  store.commits[1]?.fail(FULL);
  await turn();
  clock.advance(1_000);
  await turn();
  t.equal(store.commits[2]?.operations.length, 1, 'the question does not pile up');
  store.commits[2]?.succeed();
  await turn();
  t.equal(journal.problem, null);
  t.match(store.commits[3]?.operations, [{ kind: 'remove', stream: 'probe' }]);
  store.commits[3]?.succeed();
  clock.advance(10_000);
  await turn();
  t.equal(store.commits.length, 4, 'and is asked no more');
});

t.test('a store that was full works again when it has room for as much as it refused', async (t) => {
  const { store, clock, journal, write, turn, log } = await open();
  const end = async (outcome: 'succeed' | 'fail'): Promise<readonly StoreOperation[]> => {
    const commit = store.commits.at(-1);
    if (outcome === 'succeed') commit?.succeed();
    else commit?.fail(FULL);
    await turn();
    return commit?.operations ?? [];
  };
  write('large', append(1, 600));
  await turn();
  await end('fail');
  write('removal', put('removal'), { isRetried: true });
  write('small', append(2, 599));
  await turn();
  await end('succeed');
  t.match(journal.problem, { code: 'store-full' }, 'what takes less says nothing');
  clock.advance(1_000);
  await turn();
  const [asked] = await end('fail');
  t.equal(asked?.kind === 'append' && asked.message.octets.length, 600);
  t.match(journal.problem, { code: 'store-full' });
  write('as large', append(3, 600));
  await turn();
  await end('succeed');
  t.equal(journal.problem, null);
  t.strictSame(
    log.map(({ message }) => message),
    ['the store fails', 'the store works again'],
  );
});

t.test('a message that is larger than most does not keep the store from working again', async (t) => {
  const { store, journal, write, turn } = await open();
  write('huge', append(1, 1_000_000));
  await turn();
  store.commits[0]?.fail(FULL);
  await turn();
  write('large', append(2, 64 * 1024));
  await turn();
  store.commits[1]?.succeed();
  await turn();
  t.equal(journal.problem, null);
});

t.test('what is owed does not wait behind the question for room', async (t) => {
  const { store, clock, write, turn, keys, events } = await open();
  write('a', append(1));
  await turn();
  store.commits[0]?.fail(FULL);
  await turn();
  clock.advance(1_000);
  await turn();
  t.strictSame(keys(1), ['append']);
  write('ACK', put('ACK'), { isRetried: true });
  await turn();
  store.commits[1]?.fail(FULL);
  await turn();
  t.strictSame(keys(2), ['ACK']);
  store.commits[2]?.succeed();
  await turn();
  t.strictSame(events.slice(2), ['ACK applied', 'ACK stored']);
});

t.test('a flush does not wait for ever behind the question for room', async (t) => {
  const { store, clock, journal, write, turn } = await open();
  write('a', append(1));
  await turn();
  store.commits[0]?.fail(FULL);
  await turn();
  clock.advance(1_000);
  await turn();
  let isFlushed = false;
  void journal.flush().then(() => (isFlushed = true));
  store.commits[1]?.fail(FULL);
  await turn();
  t.ok(isFlushed);
});

t.test('a question that a crash left behind is removed', async (t) => {
  const store = new ScriptedStore({
    lanes: [{ stream: 'probe', priority: 0, messages: 1, bytes: 1, markedSequence: 0 }],
  });
  const clock = new FakeClock();
  const journal = new Journal({ store, clock, logger: recordingLogger([], 'info'), maxPendingBytes: 1_000 });
  await journal.open();
  clock.turn();
  t.match(store.commits[0]?.operations, [{ kind: 'remove', stream: 'probe', priority: 0, sequence: 1 }]);
});

t.test('publishers are to wait while too much is on its way', async (t) => {
  const { store, journal, write, turn } = await open(500);
  write('small');
  t.notOk(journal.isBehind);
  let hasCaughtUp = false;
  write('big', append(1, 600));
  t.ok(journal.isBehind);
  void journal.caughtUp().then(() => (hasCaughtUp = true));
  await turn();
  t.notOk(hasCaughtUp);
  store.commits[0]?.succeed();
  await turn();
  t.ok(hasCaughtUp);
  t.notOk(journal.isBehind);
});

t.test('deliveries go along with the next commit, or soon; of one place the last', async (t) => {
  const { store, clock, journal, write, turn } = await open();
  for (const sequence of [1, 3, 2]) journal.mark('s', 4, sequence);
  await turn();
  t.equal(store.commits.length, 0, 'a delivery alone asks for no sync');
  write('a');
  await turn();
  t.match(store.commits[0]?.operations, [{ kind: 'mark', sequence: 3 }, { kind: 'put' }]);
  store.commits[0]?.succeed();
  await turn();
  journal.mark('s', 4, 4);
  clock.advance(500);
  await turn();
  t.match(store.commits[1]?.operations, [{ kind: 'mark', sequence: 4 }]);
});

t.test('closing waits for what is under way and stores what is owed', async (t) => {
  const { store, journal, write, turn, events } = await open();
  write('a');
  const closed = journal.close();
  await turn();
  t.notOk(store.isClosed);
  journal.mark('s', 4, 1);
  store.commits[0]?.succeed();
  await settle();
  t.match(store.commits[1]?.operations, [{ kind: 'mark' }]);
  store.commits[1]?.succeed();
  await closed;
  t.ok(store.isClosed);
  t.strictSame(events, ['a applied', 'a stored']);
  write('late');
  await settle();
  t.strictSame(events.slice(2), ['late undone', 'late store-failed']);
});

t.test('a step that throws spoils no other', async (t) => {
  const { store, journal, write, turn, events, log } = await open();
  const unit = new WriteUnit(journal);
  unit.add(put('bad'), () => {
    throw new TypeError('a fault of the program');
  });
  const bad = t.rejects(unit.submit() ?? Promise.resolve(), { code: 'internal' });
  write('good');
  await turn();
  store.commits[0]?.succeed();
  await turn();
  await bad;
  t.strictSame(events, ['good applied', 'good stored']);
  t.match(log.at(-1), { level: 'error' });
});

t.test('a store that takes long is told while it does, and what it took is counted', async (t) => {
  const { store, journal, write, turn, events, clock } = await open();
  write('a');
  await turn();
  const askedEpochMs = clock.epochMs();
  clock.advance(4_900);
  t.equal(journal.problem, null, 'a disk that is busy');
  clock.advance(200);
  t.match(journal.problem, { code: 'store-slow', message: /^scripted: .* 5 s$/, sinceEpochMs: askedEpochMs });
  write('b');
  await turn();
  t.strictSame(events, [], 'nobody is refused for it');
  store.commits[0]?.succeed();
  await turn();
  t.equal(journal.problem, null, 'the next one begins anew');
  store.commits[1]?.succeed();
  await turn();
  t.strictSame(events, ['a applied', 'a stored', 'b applied', 'b stored']);
  t.strictSame(journal.commits, { count: 2, totalMs: 5_100 });
});

t.test('a store that fails is told so, however long it takes', async (t) => {
  const { store, journal, write, turn, clock } = await open();
  write('a');
  await turn();
  store.commits[0]?.fail(FULL);
  await turn();
  write('b');
  await turn();
  clock.advance(6_000);
  t.match(journal.problem, { code: 'store-full' });
});

t.test('what is read behind a commit waits for what follows from that, not for the next one', async (t) => {
  const { store, journal, events, write, turn } = await open();
  const later: (() => boolean)[] = [];
  let isOver = (): void => undefined;
  const turns = {
    run: (step: () => boolean): Promise<void> => {
      later.push(step);
      return new Promise<void>((resolve) => (isOver = resolve));
    },
  };
  const read = (name: string): void => {
    void journal.read('s', 4, 0, { maxMessages: 1, maxBytes: 1 }).then(() => events.push(`${name} read`));
  };
  read('before');
  write('a', append(1), { turns });
  await turn();
  read('behind');
  await turn();
  store.commits[0]?.succeed();
  await turn();
  t.strictSame(events, ['before read'], 'it is stored, and takes effect in later turns');
  while (later[0]?.() === true);
  isOver();
  write('b');
  await turn();
  t.strictSame(events, ['before read', 'a applied', 'a stored', 'behind read']);
  t.equal(store.commits.length, 2, 'the next is under way');
});
