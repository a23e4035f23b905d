/** The checker of the crash test finds each kind of violation, in histories made up by hand, and finds none in sound ones. */
import t from 'tap';
import { findViolations } from './find-violations.js';
import type { HistoryEvent, TransactionContents } from './history.js';

const QUEUES = {
  queues: [
    { name: 'one', isExclusive: true },
    { name: 'many', isExclusive: false },
  ],
  deadLetters: 'dead',
};
/** Messages of producer `p`. */
const A = 'p/one/4/1';
const B = 'p/one/4/2';
const C = 'p/one/4/3';
const M = 'p/many/4/4';
const N = 'p/many/4/5';

type Events = readonly (HistoryEvent | readonly HistoryEvent[])[];

const restarted: HistoryEvent = { kind: 'restarted' };
const sent = (...ids: string[]): HistoryEvent[] => ids.map((id) => ({ kind: 'sent', id, transaction: null }));
const confirmed = (...ids: string[]): HistoryEvent[] => ids.map((id) => ({ kind: 'confirmed', id }));
const published = (...ids: string[]): HistoryEvent[] => [...sent(...ids), ...confirmed(...ids)];
const acked = (...ids: string[]): HistoryEvent => ({ kind: 'acked', ids });
const ackConfirmed = (...ids: string[]): HistoryEvent => ({ kind: 'ack-confirmed', ids });
const ended = (session: string): HistoryEvent => ({ kind: 'ended', session });
const refused = (id: string): HistoryEvent => ({ kind: 'refused', id });
const rejected = (id: string): HistoryEvent => ({ kind: 'rejected', id });
const rejectConfirmed = (id: string): HistoryEvent => ({ kind: 'reject-confirmed', id });
const denied = (id: string): HistoryEvent => ({ kind: 'denied', id });
const commitDenied: HistoryEvent = { kind: 'commit-denied', name: 'tx' };
const committed: HistoryEvent = { kind: 'committed', name: 'tx' };

/** From its own queue unless said otherwise. */
function delivered(id: string, session = 's', more: { redelivered?: true; queue?: string } = {}): HistoryEvent {
  return { kind: 'delivered', id, session, queue: id.split('/')[1] ?? '', redelivered: false, ...more };
}

/** Delivered and acknowledged, and that confirmed. */
function consumed(id: string, session = 's', more: { redelivered?: true; queue?: string } = {}): HistoryEvent[] {
  return [delivered(id, session, more), acked(id), ackConfirmed(id)];
}

const again = { redelivered: true } as const;
const fromDead = { queue: 'dead' } as const;

/** BEGIN and what is in it, and COMMIT. */
function committing(contents: Partial<TransactionContents>): HistoryEvent[] {
  const transaction = { name: 'tx', sends: [], acks: [], rejects: [], ...contents };
  return [...joining(...transaction.sends), { kind: 'committing', transaction }];
}

function joining(...ids: string[]): HistoryEvent[] {
  return ids.map((id) => ({ kind: 'sent', id, transaction: 'tx' }));
}

/** Of A and the SENDs of B and M, not confirmed, then a kill. */
const UNCERTAIN: Events = [published(A), delivered(A), committing({ sends: [B, M], acks: [A] }), ended('s'), restarted];

const SOUND: Readonly<Record<string, Events>> = {
  'everything sent is consumed': [published(A, B, M, N), [A, B, M, N].map((id) => consumed(id)).flat()],
  'what nobody confirmed is not there': [sent(A, B), confirmed(B), restarted, consumed(B)],
  'what nobody confirmed is there': [sent(A), restarted, consumed(A)],
  'what was not acknowledged comes again behind a kill, marked or not': [
    [published(A, B), delivered(A), delivered(B), ended('s'), restarted].flat(),
    [consumed(A, 't', again), consumed(B, 't')].flat(),
  ],
  'an ACK nobody confirmed was in time': [published(A), delivered(A), acked(A), restarted],
  'an ACK nobody confirmed came too late': [published(A), delivered(A), acked(A), restarted, consumed(A, 't')],
  'a refused message comes again, behind newer ones': [
    [published(A, B), delivered(A), refused(A)].flat(),
    [consumed(B), consumed(A, 's', again)].flat(),
  ],
  'what a lost session held goes to another': [
    [published(M, N), delivered(M), delivered(N, 't'), ended('s')].flat(),
    [acked(N), ackConfirmed(N), consumed(M, 't', again)].flat(),
  ],
  'what was refused with ERROR is not there': [
    [sent(B), denied(B), published(A), delivered(A), committing({ sends: [M], acks: [A] }), commitDenied].flat(),
    [ended('s'), consumed(A, 't', again)].flat(),
  ],
  'competing consumers are each in order': [published(M, N), consumed(N, 's'), consumed(M, 't')],
  'priorities, producers and queues each have an order of their own': [
    published('p/one/0/1', 'p/one/9/2', 'q/one/0/1', M),
    ['p/one/9/2', 'q/one/0/1', M, 'p/one/0/1'].map((id) => consumed(id)).flat(),
  ],
  'a rejected message comes from the dead letters': [
    [published(A), delivered(A), rejected(A), rejectConfirmed(A)].flat(),
    [delivered(A, 'd', fromDead), ended('d'), restarted, consumed(A, 'd', { ...fromDead, ...again })].flat(),
  ],
  'a rejection nobody confirmed came too late': [published(A), delivered(A), rejected(A), restarted, consumed(A)],
  'a transaction that was confirmed': [
    [published(A), delivered(A), committing({ sends: [B, M], acks: [A] }), committed].flat(),
    [restarted, consumed(B), consumed(M)].flat(),
  ],
  'a transaction nobody confirmed took effect': [UNCERTAIN.flat(), consumed(B, 't'), consumed(M, 't')],
  'a transaction nobody confirmed took no effect': [UNCERTAIN.flat(), consumed(A, 't')],
  'a transaction that was aborted': [published(A), delivered(A), joining(B), acked(A), ackConfirmed(A)],
  'a transaction that rejects': [
    [published(A), delivered(A), committing({ sends: [B], rejects: [A] }), restarted].flat(),
    [consumed(B, 't'), consumed(A, 'd', fromDead)].flat(),
  ],
};

for (const [title, events] of Object.entries(SOUND)) {
  t.test(`sound: ${title}`, async (t) => {
    t.strictSame(findViolations(events.flat(), QUEUES), []);
  });
}

const UNSOUND: Readonly<Record<string, readonly [kinds: readonly string[], events: Events]>> = {
  'a confirmed message never comes': [['lost'], [published(A, B), restarted, consumed(B)]],
  'a message that was seen is gone with the kill, though not acknowledged': [
    ['lost'],
    [published(A), delivered(A), ended('s'), restarted],
  ],
  'a message that was seen and never confirmed is gone': [['lost'], [sent(A), delivered(A), restarted]],
  'a refused message does not come again': [['lost'], [published(A), delivered(A), refused(A)]],
  'a message comes again after an ACK in vain, and is lost then': [
    ['lost'],
    [published(A), delivered(A), acked(A), restarted, delivered(A, 't'), restarted],
  ],
  'a rejected message is not among the dead letters': [
    ['lost'],
    [published(A), delivered(A), rejected(A), rejectConfirmed(A)],
  ],
  'a message of a confirmed transaction never comes': [
    ['lost'],
    [committing({ sends: [A, M] }), committed, restarted, consumed(A)],
  ],
  'nothing of a confirmed transaction comes': [
    ['lost', 'lost'],
    [committing({ sends: [A, M] }), committed, restarted],
  ],
  'an acknowledged message comes again': [
    ['returned'],
    [published(A), consumed(A), restarted, consumed(A, 't', again)],
  ],
  'an acknowledged message comes again in the same life': [
    ['returned'],
    [published(A), consumed(A), ended('s'), consumed(A, 't', again)],
  ],
  'one of those that an ACK covers comes again': [
    ['returned'],
    [published(A, B), delivered(A), delivered(B), acked(A, B), ackConfirmed(A, B), restarted, consumed(A, 't')],
  ],
  'a message that a confirmed transaction acknowledges comes again': [
    ['returned'],
    [[published(A), delivered(A), committing({ acks: [A] }), committed].flat(), restarted, consumed(A, 't')],
  ],
  'a rejected message comes again from its own queue': [
    ['returned'],
    [published(A), delivered(A), rejected(A), rejectConfirmed(A), restarted, consumed(A, 't')],
  ],
  'a dead letter is in its old queue too': [
    ['returned'],
    [[published(A), delivered(A), rejected(A)].flat(), delivered(A, 'd', fromDead), ended('d'), consumed(A, 't')],
  ],
  'a dead letter comes again after its ACK': [
    ['returned'],
    [
      [published(A), delivered(A), rejected(A)].flat(),
      consumed(A, 'd', fromDead),
      restarted,
      consumed(A, 'd', fromDead),
    ],
  ],
  'two messages change places': [['reordered'], [published(A, B, C), consumed(A), consumed(C), consumed(B)]],
  'two messages change places in a restart, and are marked': [
    ['reordered'],
    [published(A, B), restarted, consumed(B, 's', again), consumed(A, 's', again)],
  ],
  'a message passes another over two sessions of the only consumer': [
    ['reordered'],
    [published(A, B), consumed(B, 's'), ended('s'), consumed(A, 't')],
  ],
  'two messages change places within one of competing consumers': [
    ['reordered'],
    [published(M, N), consumed(N), consumed(M)],
  ],
  'half of the messages of a transaction nobody confirmed comes': [
    ['half a transaction'],
    [committing({ sends: [A, M] }), restarted, consumed(M)],
  ],
  'the SENDs of a transaction take effect and its ACK does not': [
    ['half a transaction'],
    [UNCERTAIN.flat(), consumed(A, 't'), consumed(B, 't'), consumed(M, 't')],
  ],
  'the ACK of a transaction takes effect and its SENDs do not': [['half a transaction'], UNCERTAIN],
  'one ACK of a transaction takes effect and another does not': [
    ['half a transaction'],
    [[published(A, B), delivered(A), delivered(B), committing({ acks: [A, B] })].flat(), restarted, consumed(A, 't')],
  ],
  'a rejection in a transaction takes effect and its SEND does not': [
    ['half a transaction'],
    [[published(A), delivered(A), committing({ sends: [B], rejects: [A] })].flat(), consumed(A, 'd', fromDead)],
  ],
  'a message nobody sent': [['invented'], [consumed(A)]],
  'a message of an aborted transaction': [['invented'], [joining(A), consumed(A)]],
  'a message that was refused with ERROR': [['invented'], [sent(A), denied(A), restarted, consumed(A)]],
  'a message of a transaction that was refused with ERROR': [
    ['invented'],
    [committing({ sends: [A] }), commitDenied, restarted, consumed(A)],
  ],
  'the ACK of a transaction that was refused with ERROR takes effect': [
    ['lost'],
    [published(A), delivered(A), committing({ acks: [A] }), commitDenied],
  ],
  'a message before COMMIT': [['invented'], [joining(A), delivered(A), acked(A)]],
  'a message from the queue of another': [['invented'], [published(A), consumed(A, 's', { queue: 'many' })]],
  'a dead letter that nobody rejected': [['invented'], [published(A), consumed(A, 'd', fromDead)]],
  'a message at two consumers at a time': [
    ['delivered twice'],
    [published(M), delivered(M, 's'), delivered(M, 't', again), acked(M), ackConfirmed(M)],
  ],
  'a message at another consumer before the one that has it leaves by itself': [
    ['delivered twice'],
    [published(M), delivered(M, 's'), delivered(M, 't', again), ended('s'), acked(M), ackConfirmed(M)],
  ],
  'a refused message comes again without a mark': [['unmarked'], [published(A), delivered(A), refused(A), consumed(A)]],
  'ERROR from the broker': [['fault'], [{ kind: 'fault', text: 'ERROR store-failed' }]],
};

for (const [title, [kinds, events]] of Object.entries(UNSOUND)) {
  t.test(`found: ${title}`, async (t) => {
    const violations = findViolations(events.flat(), QUEUES);
    t.strictSame(
      violations.map(({ kind }) => kind),
      kinds,
    );
  });
}

t.test('a violation names the messages it is about', async (t) => {
  const [lost] = findViolations([published(A), restarted].flat(), QUEUES);
  t.strictSame(lost, { kind: 'lost', text: `${A} was confirmed and never came`, ids: [A] });
  const [half] = findViolations([...committing({ sends: [A, M] }), restarted, ...consumed(M)], QUEUES);
  t.strictSame(half, { kind: 'half a transaction', text: `tx took effect on ${M} and not on ${A}`, ids: [A, M] });
});

t.test('what cannot have been recorded is a fault of the test', async (t) => {
  t.throws(() => findViolations(confirmed(A), QUEUES), /never sent/);
  t.throws(() => findViolations([...sent(A), ...sent(A)], QUEUES), /sent twice/);
  t.throws(() => findViolations(sent('nonsense'), QUEUES), /no id/);
  t.throws(() => findViolations([committed], QUEUES), /without COMMIT/);
  t.throws(() => findViolations([commitDenied], QUEUES), /without COMMIT/);
});
