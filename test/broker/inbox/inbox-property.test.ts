/** Whatever sessions do, each kept message is consumed once: written in auto mode, acknowledged in the client modes. */
import fc from 'fast-check';
import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { checkAsync } from '../../helpers/properties.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';

type Step =
  | { readonly kind: 'send'; readonly to: 'x' | 'y'; readonly bytes: number }
  | { readonly kind: 'connect'; readonly to: 'x' | '*'; readonly ack: string; readonly window: number }
  | { readonly kind: 'ack' | 'nack' | 'cut' | 'unsubscribe' | 'freeze' | 'sip' | 'read'; readonly who: number }
  | { readonly kind: 'transaction'; readonly who: number; readonly commits: boolean }
  | { readonly kind: 'hold' | 'release' | 'settle' | 'restart' };

const who = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      to: fc.constantFrom('x' as const, 'y' as const),
      bytes: fc.constantFrom(1, 400, 1_500),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('connect' as const),
      to: fc.constantFrom('x' as const, '*' as const),
      ack: fc.constantFrom('auto', 'client', 'client-individual'),
      window: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('ack' as const, 'nack', 'cut', 'unsubscribe', 'freeze', 'sip', 'read'),
      who,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('transaction' as const), who, commits: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('hold' as const, 'release', 'settle', 'restart') }) },
);

interface Session {
  readonly client: FixtureClient;
  readonly ack: string;
  /** Delivered and not settled, oldest first. */
  readonly pending: { readonly number: number; readonly ackId: string }[];
  /** Numbers of first deliveries, as they came. */
  readonly first: number[];
}

class Run {
  readonly store: LastingStore | undefined;
  readonly clock = new FakeClock();
  readonly maxSessions: number;
  fixture: BrokerFixture;
  ann: FixtureClient | undefined;
  sessions: Session[] = [];
  sent = 0;
  readonly kept = new Set<number>();
  readonly seen = new Set<number>();
  readonly consumed = new Set<number>();
  readonly faults: string[] = [];

  constructor(isStored: boolean, maxSessions: number) {
    this.maxSessions = maxSessions;
    this.store = isStored ? new LastingStore(this.clock) : undefined;
    this.fixture = this.#open();
  }

  async begin(): Promise<void> {
    await this.fixture.started;
    this.ann = this.fixture.connect({ login: 'ann' });
  }

  #open(): BrokerFixture {
    const options = {
      inbox: {
        rules: [{ pattern: '/queue/**', maxMessages: 10_000, maxBytes: 10_000_000 }],
        recipients: 'any' as const,
      },
      outbox: { highWaterBytes: 2_000 },
      queueDefaults: { maxDeliveries: 0, backoff: { baseMs: 0 } },
    };
    const { clock, store } = this;
    return new BrokerFixture(options, undefined, 'info', null, { clock, store });
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'send') this.#send(step.to, step.bytes);
    else if (step.kind === 'connect') this.#connect(step);
    else if (step.kind === 'transaction') this.#acknowledgeIn(this.sessions[step.who], step.commits);
    else if ('who' in step) this.#act(step.kind, this.sessions[step.who]);
    else if (step.kind === 'hold') this.store?.hold();
    else if (step.kind === 'release') this.store?.release();
    else {
      if (step.kind === 'restart') this.store?.release();
      await this.fixture.settle();
      if (step.kind === 'restart' && this.store !== undefined) await this.#restart();
    }
  }

  #send(to: string, bytes: number): void {
    const { inbox } = this.fixture.broker.stats();
    const number = ++this.sent;
    this.ann?.publish(`/user/bob/queue/${to}`, `${number} ${'x'.repeat(bytes)}`);
    if (this.fixture.broker.stats().inbox.kept > inbox.kept) this.kept.add(number);
  }

  #connect({ to, ack, window }: Extract<Step, { kind: 'connect' }>): void {
    if (this.sessions.length >= this.maxSessions) return;
    const client = this.fixture.connect({ login: 'bob' });
    client.subscribe('s', `/user/queue/${to}`, { ack, 'prefetch-count': String(window) });
    this.sessions.push({ client, ack, pending: [], first: [] });
  }

  #act(kind: string, session: Session | undefined): void {
    if (session === undefined) return;
    const { client } = session;
    if (kind === 'freeze') client.connection.freeze();
    else if (kind === 'sip') client.connection.sip();
    else if (kind === 'cut') this.#cut(session);
    else if (kind === 'unsubscribe') {
      client.send(frameText('UNSUBSCRIBE', { id: 's' }));
      this.#cut(session);
    } else {
      this.#read(session);
      if (kind === 'ack') this.#ack(session, 'ACK');
      if (kind === 'nack') this.#ack(session, 'NACK');
    }
  }

  /** What the transport was given counts as written, read or not. */
  #cut(session: Session): void {
    session.client.connection.vanish();
    session.client.connection.thaw();
    this.#read(session);
    this.sessions = this.sessions.filter((each) => each !== session);
  }

  #read(session: Session): void {
    for (const frame of session.client.frames()) if (frame.command === 'MESSAGE') this.#received(session, frame);
  }

  #received(session: Session, frame: ServerFrame): void {
    const number = Number.parseInt(frame.body.toString(), 10);
    const isAgain = header(frame, 'redelivered') === 'true';
    if (this.kept.has(number)) {
      if (this.consumed.has(number)) this.faults.push(`${number} came after it was consumed`);
      if (isAgain !== this.seen.has(number)) this.faults.push(`${number} came ${isAgain ? 'marked' : 'unmarked'}`);
      this.seen.add(number);
      if (session.ack === 'auto') this.consumed.add(number);
    }
    if (!isAgain) {
      if (this.maxSessions === 1 && number <= (session.first.at(-1) ?? 0)) this.faults.push(`${number} out of order`);
      session.first.push(number);
    }
    if (session.ack !== 'auto') session.pending.push({ number, ackId: header(frame, 'ack') ?? '' });
  }

  /** Of the middle one that is pending. @returns what it covers */
  #ack(session: Session, verb: 'ACK' | 'NACK', headers = {}): readonly number[] {
    const at = session.pending.length >> 1;
    const named = session.pending[at];
    if (named === undefined) return [];
    const covered = session.ack === 'client' ? session.pending.splice(0, at + 1) : session.pending.splice(at, 1);
    session.client.send(frameText(verb, { id: named.ackId, ...headers }));
    const numbers = covered.map(({ number }) => number);
    if (verb === 'ACK' && !('transaction' in headers)) for (const number of numbers) this.consumed.add(number);
    return numbers;
  }

  /** ACK in a transaction, UNSUBSCRIBE, then the end of the transaction. */
  #acknowledgeIn(session: Session | undefined, commits: boolean): void {
    if (session === undefined) return;
    const { client } = session;
    this.#read(session);
    client.send(frameText('BEGIN', { transaction: 't' }));
    const numbers = this.#ack(session, 'ACK', { transaction: 't' });
    client.send(frameText('UNSUBSCRIBE', { id: 's' }));
    client.connection.thaw();
    this.#read(session);
    if (commits) for (const number of numbers) this.consumed.add(number);
    client.send(frameText(commits ? 'COMMIT' : 'ABORT', { transaction: 't' }));
    this.sessions = this.sessions.filter((each) => each !== session);
  }

  async #restart(): Promise<void> {
    for (const session of [...this.sessions]) this.#cutByCrash(session);
    this.fixture = this.#open();
    await this.begin();
  }

  /** The process dies: nothing is given back. */
  #cutByCrash(session: Session): void {
    session.client.connection.thaw();
    this.#read(session);
    this.sessions = this.sessions.filter((each) => each !== session);
  }

  /** Everybody leaves; one session takes what is left. */
  async finish(): Promise<string[]> {
    this.store?.release();
    await this.fixture.settle();
    for (const session of [...this.sessions]) this.#cut(session);
    await this.fixture.settle();
    const [last] = [this.fixture.connect({ login: 'bob' })];
    last.subscribe('s', '/user/queue/**');
    const session: Session = { client: last, ack: 'auto', pending: [], first: [] };
    await this.fixture.settle();
    this.#read(session);
    await this.fixture.settle();
    for (const number of this.kept) if (!this.consumed.has(number)) this.faults.push(`${number} is lost`);
    const { messages, bytes, users } = this.fixture.broker.stats().inbox;
    if (messages + bytes + users !== 0) this.faults.push(`left: ${messages} messages, ${bytes} octets, ${users} users`);
    for (const { stream } of this.store?.contents().lanes ?? []) this.faults.push(`stored: ${stream}`);
    return this.faults;
  }
}

for (const [what, isStored] of [
  ['in memory', false],
  ['in a store', true],
] as const) {
  for (const maxSessions of [1, 3]) {
    t.test(`${what}, with at most ${maxSessions} sessions, each kept message is consumed once`, async (t) => {
      const steps = fc.array(step, { maxLength: 60 });
      const property = fc.asyncProperty(steps, async (list) => {
        const run = new Run(isStored, maxSessions);
        await run.begin();
        for (const each of list) await run.take(each);
        const faults = await run.finish();
        if (faults.length > 0) throw new Error(faults.join('; '));
      });
      await checkAsync(t, property, 300);
    });
  }
}
