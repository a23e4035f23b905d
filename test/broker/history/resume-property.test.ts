/**
 * Clients that are cut, freeze, acknowledge late and come back at random, against a model of what they must have got: the
 * exact sequence, or `recovered:false` where, and only where, something was really gone.
 */
import fc from 'fast-check';
import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { check } from '../../helpers/properties.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';

const TOPIC = '/topic/a';
/** Small enough that a frozen client backs up after a few messages. */
const OUTBOX = { highWaterBytes: 600 };

interface Wish {
  readonly ack: string;
  readonly prefetch: number;
  /** Wants messages whose number is a multiple of this. */
  readonly every: number;
}

interface Step {
  readonly kind: 'publish' | 'wait' | 'freeze' | 'sip' | 'thaw' | 'cut' | 'connect' | 'absence' | 'ack' | 'ack-first';
  readonly client: number;
  readonly amount: number;
}

interface Kept {
  readonly maxMessages: number;
  readonly maxAgeMs: number;
}

/** What the topic has published, and what of it must be kept. */
class TopicModel {
  readonly fixture: BrokerFixture;
  readonly #kept: Kept;
  /** When each was published; the offset is the place, from 1. */
  readonly #publishedMs: number[] = [];
  readonly #sender: FixtureClient;

  constructor(kept: Kept) {
    this.#kept = kept;
    this.fixture = new BrokerFixture({ history: [{ pattern: '/topic/**', ...kept }], outbox: OUTBOX });
    this.#sender = this.fixture.connect();
  }

  get end(): number {
    return this.#publishedMs.length;
  }

  /** The greatest offset that is gone. */
  get trimmedTo(): number {
    const { maxMessages, maxAgeMs } = this.#kept;
    const oldestMs = this.fixture.clock.epochMs() - maxAgeMs;
    const tooOld = maxAgeMs === 0 ? 0 : this.#publishedMs.filter((ms) => ms <= oldestMs).length;
    return Math.max(0, this.end - maxMessages, tooOld);
  }

  publish(): void {
    this.#publishedMs.push(this.fixture.clock.epochMs());
    this.#sender.publish(TOPIC, `m${this.end}`, { n2: `${this.end % 2}`, n3: `${this.end % 3}` });
  }
}

class ClientModel {
  readonly #topic: TopicModel;
  readonly #wish: Wish;
  #client: FixtureClient | null = null;
  #position: { readonly epoch: string; readonly offset: number } | null = null;
  /** What the next message has to say: undefined when nothing was asked. */
  #expectsNote: string | undefined;
  #pending: string[] = [];
  recovered = 0;
  unrecovered = 0;
  gaps = 0;

  constructor(topic: TopicModel, wish: Wish) {
    this.#topic = topic;
    this.#wish = wish;
  }

  get offset(): number {
    return this.#position?.offset ?? 0;
  }

  get isConnected(): boolean {
    return this.#client !== null;
  }

  connect(): void {
    if (this.#client !== null) return;
    const { ack, prefetch, every } = this.#wish;
    const position = this.#position;
    const resume: Record<string, string> =
      position === null ? {} : { 'resume-epoch': position.epoch, 'resume-offset': String(position.offset) };
    const selector: Record<string, string> = every === 1 ? {} : { selector: `n${every} = 0` };
    this.#client = this.#topic.fixture.connect();
    const { trimmedTo, end } = this.#topic;
    this.#client.subscribe('s', TOPIC, { ack, 'prefetch-count': `${prefetch}`, receipt: 'r', ...resume, ...selector });
    const [receipt, ...messages] = this.#client.frames();
    if (receipt?.command !== 'RECEIPT') throw new Error(`got ${receipt?.command ?? 'nothing'}`);
    const canRecover = position === null ? undefined : String(position.offset >= trimmedTo);
    expect('recovered of RECEIPT', header(receipt, 'recovered'), canRecover);
    expect('offset of RECEIPT', header(receipt, 'offset'), String(end));
    if (canRecover !== 'true') this.#position = { epoch: header(receipt, 'epoch') ?? '', offset: end };
    this.#expectsNote = canRecover;
    if (canRecover === 'true') this.recovered++;
    if (canRecover === 'false') this.unrecovered++;
    this.#take(messages);
  }

  cut(): void {
    this.receive();
    this.#client?.connection.vanish();
    this.#client = null;
    this.#pending = [];
  }

  freeze(): void {
    this.receive();
    this.#client?.connection.freeze();
  }

  sip(): void {
    this.#client?.connection.sip();
    this.receive();
  }

  thaw(): void {
    this.#client?.connection.thaw();
    this.receive();
  }

  ack(all: boolean): boolean {
    const acked = all ? this.#pending.splice(0) : this.#pending.splice(0, 1);
    for (const id of acked) this.#client?.send(frameText('ACK', { id }));
    this.receive();
    return acked.length > 0;
  }

  receive(): void {
    if (this.#client !== null) this.#take(this.#client.frames());
  }

  #take(frames: readonly ServerFrame[]): void {
    for (const frame of frames) {
      if (frame.command !== 'MESSAGE') throw new Error(`${frame.command}: ${header(frame, 'message') ?? ''}`);
      const ack = header(frame, 'ack');
      if (ack !== undefined) this.#pending.push(ack);
      this.#read(Number(header(frame, 'offset')), header(frame, 'recovered'), frame);
    }
  }

  #read(offset: number, note: string | undefined, frame: ServerFrame): void {
    expect('body', frame.body.toString(), `m${offset}`);
    const before = this.offset;
    if (offset <= before) throw new Error(`${offset} behind ${before}`);
    if (!this.#wants(offset)) throw new Error(`${offset} does not match the selector`);
    const missed = Array.from({ length: offset - before - 1 }, (_, k) => before + 1 + k).filter((n) => this.#wants(n));
    const lost = Math.max(0, Math.min(offset - 1, this.#topic.trimmedTo) - before);
    if (note === 'false' && this.#expectsNote !== 'false') {
      if (lost === 0) throw new Error(`recovered:false at ${offset} though nothing behind ${before} is gone`);
      this.gaps++;
    } else {
      if (missed.length > 0) throw new Error(`a silent hole: ${missed.join()} before ${offset}`);
      expect(`recovered at ${offset}`, note, this.#expectsNote);
    }
    this.#expectsNote = undefined;
    this.#position = { epoch: header(frame, 'epoch') ?? '', offset };
  }

  #wants(offset: number): boolean {
    return offset % this.#wish.every === 0;
  }
}

function expect(what: string, got: string | undefined, wanted: string | undefined): void {
  if (got !== wanted) throw new Error(`${what}: got ${got ?? 'none'}, wanted ${wanted ?? 'none'}`);
}

const WISH: fc.Arbitrary<Wish> = fc.record({
  ack: fc.constantFrom('auto', 'client', 'client-individual'),
  prefetch: fc.integer({ min: 1, max: 5 }),
  every: fc.constantFrom(1, 2, 3),
});
const STEP: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step['kind'][]>(
    ...(['publish', 'publish', 'publish', 'wait', 'freeze', 'sip', 'thaw', 'cut', 'connect', 'connect'] as const),
    ...(['absence', 'absence', 'ack', 'ack-first'] as const),
  ),
  client: fc.nat(2),
  amount: fc.integer({ min: 1, max: 25 }),
});
const KEPT: fc.Arbitrary<Kept> = fc.record({
  maxMessages: fc.constantFrom(3, 10, 40, 10_000),
  maxAgeMs: fc.constantFrom(0, 0, 20_000),
});

function run(topic: TopicModel, clients: readonly ClientModel[], { kind, client: at, amount }: Step): void {
  const client = clients[at] as ClientModel;
  const publish = (): void => {
    for (let k = 0; k < amount; k++) topic.publish();
  };
  if (kind === 'publish') publish();
  else if (kind === 'absence') {
    client.cut();
    publish();
    client.connect();
  } else if (kind === 'wait') topic.fixture.clock.advance(amount * 500);
  else if (kind === 'ack' || kind === 'ack-first') client.ack(kind === 'ack');
  else client[kind]();
  for (const each of clients) each.receive();
}

t.test('each client ends with exactly the sequence, or with an honest recovered:false', async (t) => {
  const sums = { recovered: 0, unrecovered: 0, gaps: 0 };
  const property = fc.property(
    KEPT,
    fc.tuple(WISH, WISH, WISH),
    fc.array(STEP, { minLength: 10, maxLength: 80 }),
    (kept, wishes, steps) => {
      const topic = new TopicModel(kept);
      const clients = wishes.map((wish) => new ClientModel(topic, wish));
      for (const client of clients) client.connect();
      for (const step of steps) run(topic, clients, step);
      for (const client of clients) {
        client.thaw();
        client.connect();
        while (client.ack(true));
      }
      // Everybody wants every sixth: with it whatever is owed has to be told.
      do topic.publish();
      while (topic.end % 6 !== 0);
      for (const client of clients) {
        client.receive();
        while (client.ack(true));
        expect('the end', String(client.offset), String(topic.end));
        sums.recovered += client.recovered;
        sums.unrecovered += client.unrecovered;
        sums.gaps += client.gaps;
      }
    },
  );
  check(t, property, 300);
  t.ok(
    Object.values(sums).every((sum) => sum > 5),
    JSON.stringify(sums),
  );
});
