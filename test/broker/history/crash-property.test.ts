/**
 * Durable histories through crashes at any moment and a store that fails now and then: no place is given to two messages
 * that anybody has seen, what was receipted is there afterwards, and whoever is told recovered:true has missed nothing.
 */
import fc from 'fast-check';
import t from 'tap';
import { BrokerError } from '../../../broker/errors.js';
import { BrokerFixture, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { checkAsync } from '../../helpers/properties.js';
import { header } from '../../helpers/server-frames.js';

const OPTIONS = { history: [{ pattern: '/topic/**', durable: true, maxMessages: 10_000, maxAgeMs: 0 }] };
const TOPIC = '/topic/a';

interface Step {
  readonly kind: 'publish' | 'hold' | 'release' | 'fail' | 'crash' | 'cut' | 'connect';
  readonly amount: number;
}

class World {
  readonly clock = new FakeClock();
  readonly store = new LastingStore(this.clock);
  /** By epoch and offset: what anybody has seen there. */
  readonly places = new Map<string, string>();
  readonly receipted = new Set<string>();
  readonly readers = [new Reader(this), new Reader(this)];
  fixture = this.#open();
  #senders: FixtureClient[] = [];
  #published = 0;
  crashes = 0;

  #open(): BrokerFixture {
    return new BrokerFixture(OPTIONS, undefined, undefined, null, { clock: this.clock, store: this.store });
  }

  async start(): Promise<void> {
    await this.fixture.settle();
    await this.fixture.started;
  }

  /** Nothing more is stored or heard of this process. */
  async crash(): Promise<void> {
    this.hear();
    this.store.lose();
    this.store.failures.length = 0;
    this.#senders = [];
    for (const reader of this.readers) reader.forget();
    this.crashes++;
    this.fixture = this.#open();
    await this.start();
  }

  publish(): void {
    let sender = this.#senders.at(-1);
    if (sender === undefined || sender.isGone) this.#senders.push((sender = this.fixture.connect()));
    const body = `m${++this.#published}`;
    sender.publish(TOPIC, body, { receipt: body });
  }

  /** Takes in what has arrived everywhere. */
  hear(): void {
    for (const sender of this.#senders) {
      for (const frame of sender.frames()) {
        if (frame.command === 'RECEIPT') this.receipted.add(header(frame, 'receipt-id') ?? '');
        else sender.connection.vanish();
      }
    }
    for (const reader of this.readers) reader.hear();
  }

  see(epoch: string, offset: number, body: string): void {
    const place = `${epoch} ${offset}`;
    const known = this.places.get(place);
    if (known !== undefined && known !== body) throw new Error(`${place} was ${known}, is ${body}`);
    this.places.set(place, body);
  }
}

class Reader {
  readonly #world: World;
  #client: FixtureClient | null = null;
  #position: { readonly epoch: string; readonly offset: number } | null = null;
  /** Since the last place that could not be resumed. */
  bodies: string[] = [];
  recovered = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async connect(): Promise<void> {
    if (this.#client !== null) return;
    this.#client = this.#world.fixture.connect();
    const { epoch, offset } = this.#position ?? { epoch: 'none', offset: 0 };
    const resume = { 'resume-epoch': epoch, 'resume-offset': String(offset), replay: 'all' };
    this.#client.subscribe('s', TOPIC, { ...resume, receipt: 'r' });
    await this.#world.fixture.settle();
    this.hear();
  }

  cut(): void {
    this.hear();
    this.#client?.connection.vanish();
    this.#client = null;
  }

  forget(): void {
    this.#client = null;
  }

  hear(): void {
    for (const frame of this.#client?.frames() ?? []) {
      if (frame.command === 'RECEIPT') {
        const isRecovered = header(frame, 'recovered') === 'true';
        if (isRecovered && this.#position !== null) this.recovered++;
        else this.bodies = [];
        continue;
      }
      const [epoch, offset] = [header(frame, 'epoch') ?? '', Number(header(frame, 'offset'))];
      const body = frame.body.toString();
      this.#world.see(epoch, offset, body);
      this.#position = { epoch, offset };
      this.bodies.push(body);
    }
  }
}

async function run(world: World, { kind, amount }: Step): Promise<void> {
  const reader = world.readers[amount % 2];
  if (kind === 'publish') for (let k = 0; k < amount; k++) world.publish();
  else if (kind === 'hold') world.store.hold();
  else if (kind === 'release') world.store.release();
  else if (kind === 'fail') world.store.failures.push(new BrokerError('store-failed', 'as the test says'));
  else if (kind === 'crash') await world.crash();
  else if (kind === 'cut') reader?.cut();
  else await reader?.connect();
  if (kind !== 'publish' || amount % 3 === 0) await world.fixture.settle();
  world.clock.advance(200);
  await world.fixture.settle();
  world.hear();
}

const STEP: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step['kind'][]>(
    ...(['publish', 'publish', 'publish', 'publish', 'hold', 'release', 'release'] as const),
    ...(['fail', 'crash', 'cut', 'connect', 'connect'] as const),
  ),
  amount: fc.integer({ min: 1, max: 6 }),
});

t.test('a durable history is the same for all, whatever the process and the store go through', async (t) => {
  const sums = { recovered: 0, crashes: 0, receipted: 0 };
  const property = fc.asyncProperty(fc.array(STEP, { minLength: 5, maxLength: 40 }), async (steps) => {
    const world = new World();
    await world.start();
    for (const step of steps) await run(world, step);
    world.store.release();
    world.store.failures.length = 0;
    world.clock.advance(5_000);
    await world.fixture.settle();
    for (const reader of world.readers) await reader.connect();
    world.publish();
    await world.fixture.settle();
    world.hear();

    const [all, other] = world.readers.map(({ bodies }) => bodies);
    if (all?.join() !== other?.join()) throw new Error(`one got ${all?.join() ?? ''}, another ${other?.join() ?? ''}`);
    const missing = [...world.receipted].filter((body) => !(all ?? []).includes(body));
    if (missing.length > 0) throw new Error(`receipted and lost: ${missing.join()}`);
    for (const { recovered } of world.readers) sums.recovered += recovered;
    sums.crashes += world.crashes;
    sums.receipted += world.receipted.size;
  });
  await checkAsync(t, property, 100);
  t.ok(
    Object.values(sums).every((sum) => sum > 20),
    JSON.stringify(sums),
  );
});
