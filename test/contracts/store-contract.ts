/** What every Store does, whatever it is made of (broker/ports.ts). Run over each implementation by store.test.ts. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { BrokerError } from '../../broker/errors.js';
import type { Clock, Store, StoreContents, StoredMessage, StoreOperation } from '../../broker/ports.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { checkAsync } from '../helpers/properties.js';
import { sortContents, StoreModel, type StoreStep, storeSteps } from './store-model.js';

export interface StoreOptions {
  readonly clock: Pick<Clock, 'epochMs'>;
  readonly maxBytes?: number;
}

/** One kind of store. */
export interface StoreSubject {
  readonly name: string;
  /** What was committed is there when a store is opened in the same place. */
  readonly survives: boolean;
  /** @param place stores of one place hold the same, one after the other; each call of `newPlace` gives a new one */
  make(place: string, options: StoreOptions): Store;
  newPlace(t: Test): string;
  /** Room for about 100 messages of 1,000 octets, and for less than 1,000 of them. */
  readonly smallBytes: number;
  /** Resolves once what a refused commit took on its way is free again; missing: that is at once. */
  readonly freed?: () => Promise<void>;
}

const ALL = { maxMessages: 1_000, maxBytes: 1_000_000 };
const QUEUE = '/queue/a';

export function aMessage(sequence: number, more: Partial<StoredMessage> = {}): StoredMessage {
  return {
    sequence,
    priority: 4,
    octets: Buffer.from(`message ${sequence}`),
    weightBytes: 100,
    publishedEpochMs: 1_763_700_000_000 + sequence,
    expiresEpochMs: 0,
    notBeforeEpochMs: 0,
    deliveryCount: 0,
    ...more,
  };
}

export function append(stream: string, ...messages: readonly StoredMessage[]): StoreOperation[] {
  return messages.map((message) => ({ kind: 'append', stream, message }));
}

function put(key: string, value: string, expiresEpochMs = 0): StoreOperation {
  return { kind: 'put', key, value, expiresEpochMs };
}

/** Octets as one type: a Buffer is one as well as another. */
function plain(messages: readonly StoredMessage[]): StoredMessage[] {
  return messages.map((message) => ({ ...message, octets: new Uint8Array(message.octets) }));
}

async function sequences(store: Store, stream = QUEUE, priority = 4): Promise<number[]> {
  return (await store.read(stream, priority, 0, ALL)).map(({ sequence }) => sequence);
}

/** A store in a place of its own, opened, and closed behind the test. */
class StoreBed {
  readonly clock = new FakeClock();
  readonly #t: Test;
  readonly #subject: StoreSubject;
  readonly #place: string;
  readonly #maxBytes: number | undefined;
  #store: Store | undefined;

  constructor(t: Test, subject: StoreSubject, maxBytes?: number) {
    this.#t = t;
    this.#subject = subject;
    this.#place = subject.newPlace(t);
    this.#maxBytes = maxBytes;
  }

  async open(): Promise<{ readonly store: Store; readonly contents: StoreContents }> {
    await this.#store?.close();
    const limit = this.#maxBytes === undefined ? {} : { maxBytes: this.#maxBytes };
    const store = (this.#store = this.#subject.make(this.#place, { clock: this.clock, ...limit }));
    const contents = await store.open();
    this.#t.teardown(() => store.close());
    return { store, contents: sortContents(contents) };
  }

  close(): Promise<void> | undefined {
    return this.#store?.close();
  }
}

async function opened(t: Test, subject: StoreSubject, maxBytes?: number): Promise<Store> {
  return (await new StoreBed(t, subject, maxBytes).open()).store;
}

/** Adds the suite for one kind of store. */
export function storeContract(subject: StoreSubject): void {
  void t.test(`${subject.name}: messages`, (t) => testMessages(t, subject));
  void t.test(`${subject.name}: commits`, (t) => testCommits(t, subject));
  void t.test(`${subject.name}: limits of read`, (t) => testReadLimits(t, subject));
  void t.test(`${subject.name}: a store that is full`, (t) => testFull(t, subject));
  void t.test(`${subject.name}: what is there at open`, (t) => testContents(t, subject));
  void t.test(`${subject.name}: random calls do what a simple model does`, (t) => testModel(t, subject));
}

async function testMessages(t: Test, subject: StoreSubject): Promise<void> {
  t.test('a message comes back as it was', async (t) => {
    const store = await opened(t, subject);
    const everything: StoredMessage = {
      sequence: Number.MAX_SAFE_INTEGER,
      priority: 9,
      octets: Uint8Array.from({ length: 256 }, (_, at) => at),
      weightBytes: 512,
      publishedEpochMs: 1_763_700_000_001,
      expiresEpochMs: 1_763_700_000_002,
      notBeforeEpochMs: 1_763_700_000_003,
      deliveryCount: 7,
    };
    const empty = aMessage(1, { priority: 0, octets: new Uint8Array(0) });
    const large = aMessage(2, { priority: 0, octets: Buffer.alloc(300_000, 'x') });
    await store.commit(append(QUEUE, everything, empty, large));
    t.strictSame(plain(await store.read(QUEUE, 9, 0, ALL)), plain([everything]));
    t.strictSame(plain(await store.read(QUEUE, 0, 0, ALL)), plain([empty, large]));
  });

  t.test('messages are read by sequence, whatever the order they came in', async (t) => {
    const store = await opened(t, subject);
    await store.commit(append(QUEUE, aMessage(5), aMessage(2), aMessage(9)));
    await store.commit(append(QUEUE, aMessage(3)));
    t.strictSame(await sequences(store), [2, 3, 5, 9]);
  });

  t.test('streams and priorities are apart', async (t) => {
    const store = await opened(t, subject);
    await store.commit([
      ...append(QUEUE, aMessage(1), aMessage(2, { priority: 5 })),
      ...append('/queue/A', aMessage(3)),
      ...append('', aMessage(4)),
    ]);
    t.strictSame(await sequences(store), [1]);
    t.strictSame(await sequences(store, QUEUE, 5), [2]);
    t.strictSame(await sequences(store, '/queue/A'), [3]);
    t.strictSame(await sequences(store, ''), [4]);
    t.strictSame(await sequences(store, '/queue/none'), []);
  });

  t.test('a message with the same place replaces the one before', async (t) => {
    const store = await opened(t, subject);
    await store.commit(append(QUEUE, aMessage(1), aMessage(2)));
    const newer = aMessage(1, { octets: Buffer.from('newer'), weightBytes: 7 });
    await store.commit(append(QUEUE, newer));
    t.strictSame(plain(await store.read(QUEUE, 4, 0, ALL)), plain([newer, aMessage(2)]));
  });

  t.test('remove, update and trim change what they name and nothing else', async (t) => {
    const store = await opened(t, subject);
    await store.commit([
      ...append(QUEUE, ...[1, 2, 3, 4, 5, 6].map((sequence) => aMessage(sequence))),
      ...append(QUEUE, aMessage(1, { priority: 5 })),
      ...append('/queue/b', aMessage(1), aMessage(4)),
    ]);
    const place = { stream: QUEUE, priority: 4 };
    await store.commit([
      { kind: 'trim', ...place, sequence: 2 },
      { kind: 'remove', ...place, sequence: 4 },
      { kind: 'update', ...place, sequence: 5, deliveryCount: 3, notBeforeEpochMs: 99 },
    ]);
    t.strictSame(
      plain(await store.read(QUEUE, 4, 0, ALL)),
      plain([aMessage(3), aMessage(5, { deliveryCount: 3, notBeforeEpochMs: 99 }), aMessage(6)]),
    );
    t.strictSame(await sequences(store, QUEUE, 5), [1]);
    t.strictSame(await sequences(store, '/queue/b'), [1, 4]);
  });

  t.test('changing what is not there is no error, twice neither', async (t) => {
    const store = await opened(t, subject);
    const place = { stream: QUEUE, priority: 4, sequence: 1 };
    const all: StoreOperation[] = [
      { kind: 'remove', ...place },
      { kind: 'update', ...place, deliveryCount: 1, notBeforeEpochMs: 0 },
      { kind: 'trim', ...place },
      { kind: 'drop', stream: QUEUE },
      { kind: 'delete', key: 'none' },
    ];
    await store.commit(all);
    await store.commit(append(QUEUE, aMessage(2)));
    await store.commit([...all.slice(0, 3), ...all.slice(0, 3)]);
    t.strictSame(plain(await store.read(QUEUE, 4, 0, ALL)), plain([aMessage(2)]), 'and makes nothing');
  });

  t.test('a dropped stream is empty, and takes new messages, in the same commit too', async (t) => {
    const store = await opened(t, subject);
    await store.commit([
      ...append(QUEUE, aMessage(1), aMessage(2, { priority: 0 })),
      ...append('/queue/b', aMessage(1)),
    ]);
    await store.commit([{ kind: 'drop', stream: QUEUE }]);
    t.strictSame([await sequences(store), await sequences(store, QUEUE, 0)], [[], []]);
    t.strictSame(await sequences(store, '/queue/b'), [1]);
    await store.commit(append(QUEUE, aMessage(1)));
    await store.commit([{ kind: 'drop', stream: QUEUE }, ...append(QUEUE, aMessage(7))]);
    t.strictSame(await sequences(store), [7]);
  });

  t.test('many messages come and go, in order and out of it', async (t) => {
    const store = await opened(t, subject);
    const all = Array.from({ length: 600 }, (_, at) => at + 1);
    await store.commit(append(QUEUE, ...all.map((sequence) => aMessage(sequence))));
    // Back to front, then front to back: what is left stands between gaps on either side.
    const gone = [...all.slice(400).reverse(), ...all.slice(0, 200), ...all.filter((sequence) => sequence % 3 === 0)];
    for (const sequence of gone) await store.commit([{ kind: 'remove', stream: QUEUE, priority: 4, sequence }]);
    await store.commit(append(QUEUE, aMessage(450), aMessage(3), aMessage(900)));
    const left = all.slice(200, 400).filter((sequence) => sequence % 3 !== 0);
    t.strictSame(await sequences(store), [3, ...left, 450, 900]);
  });
}

async function testCommits(t: Test, subject: StoreSubject): Promise<void> {
  t.test('a commit of nothing is one', async (t) => {
    const store = await opened(t, subject);
    await t.resolves(store.commit([]));
  });

  t.test('operations take effect in their order', async (t) => {
    const store = await opened(t, subject);
    const remove: StoreOperation = { kind: 'remove', stream: QUEUE, priority: 4, sequence: 1 };
    await store.commit([...append(QUEUE, aMessage(1)), remove]);
    t.strictSame(await sequences(store), []);
    await store.commit([remove, ...append(QUEUE, aMessage(1))]);
    t.strictSame(await sequences(store), [1]);
  });

  t.test('calls take effect in their order, though nobody waited between them', async (t) => {
    const store = await opened(t, subject);
    const settled: string[] = [];
    const track = async <T>(name: string, call: Promise<T>): Promise<T> => {
      const result = await call;
      settled.push(name);
      return result;
    };
    const before = track('read nothing', sequences(store));
    const first = track('append', store.commit(append(QUEUE, aMessage(1), aMessage(2))));
    const between = track('read both', sequences(store));
    const second = track('trim', store.commit([{ kind: 'trim', stream: QUEUE, priority: 4, sequence: 1 }]));
    const after = track('read one', sequences(store));
    t.strictSame(await Promise.all([before, between, after]), [[], [1, 2], [2]]);
    await Promise.all([first, second]);
    t.strictSame(
      settled.filter((name) => !name.startsWith('read')),
      ['append', 'trim'],
    );
  });

  t.test('close waits for what was asked before, and ends the store', async (t) => {
    const store = await opened(t, subject);
    const asked = store.commit(append(QUEUE, aMessage(1)));
    await store.close();
    await asked;
    await t.rejects(store.commit([]), { code: 'store-failed' });
    await t.rejects(store.read(QUEUE, 4, 0, ALL), { code: 'store-failed' });
    await store.close();
  });
}

async function testReadLimits(t: Test, subject: StoreSubject): Promise<void> {
  t.test('read stops at the first of its limits, but gives one at least', async (t) => {
    const store = await opened(t, subject);
    await store.commit(append(QUEUE, ...[1, 2, 3, 4].map((at) => aMessage(at, { weightBytes: at * 100 }))));
    const read = async (afterSequence: number, maxMessages: number, maxBytes: number): Promise<number[]> =>
      (await store.read(QUEUE, 4, afterSequence, { maxMessages, maxBytes })).map(({ sequence }) => sequence);
    t.strictSame(await read(0, 2, 10_000), [1, 2]);
    t.strictSame(await read(0, 10, 300), [1, 2], 'bytes exactly');
    t.strictSame(await read(0, 10, 299), [1]);
    t.strictSame(await read(0, 10, 1), [1], 'one that is larger than the limit');
    t.strictSame(await read(2, 10, 300), [3]);
    t.strictSame(await read(1, 2, 500), [2, 3]);
    t.strictSame(await read(4, 10, 10_000), []);
    t.strictSame(await read(Number.MAX_SAFE_INTEGER, 10, 10_000), []);
  });

  t.test('a stream is read page by page', async (t) => {
    const store = await opened(t, subject);
    await store.commit(append(QUEUE, ...Array.from({ length: 25 }, (_, at) => aMessage(2 * at + 1))));
    const seen: number[] = [];
    for (let after = 0; ;) {
      const page = await store.read(QUEUE, 4, after, { maxMessages: 10, maxBytes: 1_000_000 });
      const last = page.at(-1);
      if (last === undefined) break;
      seen.push(...page.map(({ sequence }) => sequence));
      after = last.sequence;
    }
    t.strictSame(
      seen,
      Array.from({ length: 25 }, (_, at) => 2 * at + 1),
    );
  });
}

async function testFull(t: Test, subject: StoreSubject): Promise<void> {
  const octets = Buffer.alloc(1_000, 'x');

  /** Appends until there is no more room; returns how many are stored. */
  async function fill(store: Store): Promise<number> {
    for (let sequence = 1; sequence < 1_000; sequence++) {
      try {
        await store.commit(append(QUEUE, aMessage(sequence, { octets })));
      } catch (error) {
        if (error instanceof BrokerError && error.code === 'store-full') return sequence - 1;
        throw error;
      }
    }
    throw new Error('it is never full');
  }

  t.test('refuses a commit without room as a whole', async (t) => {
    const store = await opened(t, subject, subject.smallBytes);
    const stored = await fill(store);
    t.ok(stored > 50, `${stored} messages`);
    const large = aMessage(2_000, { octets: Buffer.alloc(subject.smallBytes, 'x') });
    const remove: StoreOperation = { kind: 'remove', stream: QUEUE, priority: 4, sequence: 1 };
    const replaced = aMessage(2, { octets: Buffer.from('replaced') });
    const refused = store.commit([
      remove,
      ...append(QUEUE, replaced),
      { kind: 'update', stream: QUEUE, priority: 4, sequence: 3, deliveryCount: 5, notBeforeEpochMs: 5 },
      { kind: 'drop', stream: '/queue/b' },
      put('key', 'value'),
      ...append('/queue/b', large),
    ]);
    await t.rejects(refused, { code: 'store-full', message: /./ });
    t.equal((await sequences(store)).length, stored);
    const [first, second, third] = await store.read(QUEUE, 4, 0, ALL);
    t.strictSame([first?.sequence, second?.octets.length, third?.deliveryCount], [1, 1_000, 0]);
    t.strictSame(await sequences(store, '/queue/b'), []);
  });

  t.test('takes again what there is room for', async (t) => {
    const store = await opened(t, subject, subject.smallBytes);
    const stored = await fill(store);
    await store.commit([{ kind: 'trim', stream: QUEUE, priority: 4, sequence: 40 }]);
    await store.commit(append(QUEUE, ...[1, 2, 3].map((more) => aMessage(stored + more, { octets }))));
    t.equal((await sequences(store)).length, stored - 40 + 3);
  });

  t.test('calls behind a refused one are served', async (t) => {
    const store = await opened(t, subject, subject.smallBytes);
    const refused = store.commit(append(QUEUE, aMessage(1, { octets: Buffer.alloc(2 * subject.smallBytes) })));
    if (subject.freed !== undefined) {
      await refused.catch(() => undefined);
      await subject.freed();
    }
    const served = store.commit(append(QUEUE, aMessage(2)));
    await t.rejects(refused, { code: 'store-full' });
    await served;
    t.strictSame(await sequences(store), [2]);
  });

  t.test('records that have expired make room', async (t) => {
    const bed = new StoreBed(t, subject, subject.smallBytes);
    const { store } = await bed.open();
    const value = 'x'.repeat(300);
    for (let round = 0; round < 20; round++) {
      const expiresEpochMs = bed.clock.epochMs() + 500;
      for (let at = 0; at < 50; at++) await store.commit([put(`${round}-${at}`, value, expiresEpochMs)]);
      bed.clock.advance(1_000);
    }
    t.pass('1,000 records, one after the other');
  });
}

async function testContents(t: Test, subject: StoreSubject): Promise<void> {
  t.test('a store begins with nothing', async (t) => {
    const { contents } = await new StoreBed(t, subject).open();
    t.strictSame(contents, { lanes: [], records: [] });
  });

  t.test('a store that is opened again has what it should', async (t) => {
    const bed = new StoreBed(t, subject);
    const { store } = await bed.open();
    const now = bed.clock.epochMs();
    const place = { stream: QUEUE, priority: 4 };
    await store.commit([
      ...append(QUEUE, aMessage(1), aMessage(2, { weightBytes: 50 }), aMessage(1, { priority: 9 })),
      ...append('/queue/emptied', aMessage(1)),
      ...append('/queue/dropped', aMessage(1)),
      { kind: 'mark', ...place, sequence: 2 },
      { kind: 'mark', stream: '/queue/dropped', priority: 4, sequence: 1 },
      put('kept', 'first'),
      put('kept', 'second'),
      put('expiring', 'x', now + 1_001),
      put('expired', 'x', now + 1_000),
      put('deleted', 'x'),
    ]);
    await store.commit([
      // A mark only moves forward.
      { kind: 'mark', ...place, sequence: 1 },
      { kind: 'remove', stream: '/queue/emptied', priority: 4, sequence: 1 },
      { kind: 'drop', stream: '/queue/dropped' },
      { kind: 'delete', key: 'deleted' },
    ]);
    bed.clock.advance(1_000);
    const { store: again, contents } = await bed.open();
    const kept = {
      lanes: [
        { ...place, messages: 2, bytes: 150, markedSequence: 2 },
        { ...place, priority: 9, messages: 1, bytes: 100, markedSequence: 0 },
      ],
      records: [
        { key: 'expiring', value: 'x', expiresEpochMs: now + 1_001 },
        { key: 'kept', value: 'second', expiresEpochMs: 0 },
      ],
    };
    t.equal(again.isLasting ?? true, subject.survives, 'and it says so');
    t.strictSame(contents, subject.survives ? kept : { lanes: [], records: [] });
    t.strictSame(await sequences(again), subject.survives ? [1, 2] : []);
    await again.commit(append('/queue/dropped', aMessage(3)));
    t.strictSame(await sequences(again, '/queue/dropped'), [3]);
  });
}

async function testModel(t: Test, subject: StoreSubject): Promise<void> {
  const run = async (steps: readonly StoreStep[]): Promise<boolean> => {
    const bed = new StoreBed(t, subject);
    let { store } = await bed.open();
    let model = new StoreModel();
    // Nobody waits between the calls; each answer is held against what the model said when it was asked for.
    let expected: Promise<void>[] = [];
    for (const step of steps) {
      if (step.kind === 'commit') {
        model.commit(step.operations);
        expected.push(store.commit(step.operations));
      } else if (step.kind === 'read') {
        const wanted = model.read(step.stream, step.priority, step.afterSequence, step);
        const found = store.read(step.stream, step.priority, step.afterSequence, step);
        expected.push(found.then((messages) => requireSame(plain(messages), plain(wanted))));
      } else if (step.kind === 'wait') bed.clock.advance(step.ms);
      else {
        await Promise.all(expected);
        expected = [];
        if (!subject.survives) model = new StoreModel();
        const { store: again, contents } = await bed.open();
        store = again;
        requireSame(contents, model.reopen(bed.clock.epochMs()));
      }
    }
    await Promise.all(expected);
    await bed.close();
    return true;
  };
  await checkAsync(t, fc.asyncProperty(storeSteps, run), subject.survives ? 25 : 300);
}

function requireSame(found: unknown, wanted: unknown): void {
  if (fc.stringify(found) !== fc.stringify(wanted)) {
    throw new Error(`found ${fc.stringify(found)}, wanted ${fc.stringify(wanted)}`);
  }
}
