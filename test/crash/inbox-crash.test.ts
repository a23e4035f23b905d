/**
 * Messages for a user who is not there, and the broker killed: while they are sent, and again while their user acknowledges
 * them. Their sender sends everything again with the same keys. HOOFBEAT_CRASH_SEED repeats a run; HOOFBEAT_TEST_REDIS has
 * everything kept there.
 */
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { RawClient } from '../helpers/raw-client.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { BrokerProcess } from './broker-process.js';
import { seedOf } from '../helpers/seed.js';

const SEED = seedOf('HOOFBEAT_CRASH_SEED');
const MESSAGES = 300;
const PREFETCH = 20;
const DESTINATION = '/user/bob/queue/orders';

const { HOOFBEAT_TEST_REDIS: REDIS } = process.env;

const OPTIONS = {
  ...(REDIS === undefined ? {} : { relay: { type: 'redis', url: REDIS, keyPrefix: `${SEED}:`, leaseMs: 500 } }),
  http: false,
  tcp: { port: 0 },
  auth: {
    users: [
      { login: 'ann', passcode: 'secret' },
      { login: 'bob', passcode: 'secret' },
    ],
  },
  broker: { inbox: { rules: [{ pattern: '/queue/**' }] } },
};

async function connect(t: Test, port: number, login: string): Promise<RawClient> {
  const client = await RawClient.openFor(t, port);
  await client.connect('1.2', { login, passcode: 'secret' });
  return client;
}

function sendAll(ann: RawClient): void {
  for (let k = 1; k <= MESSAGES; k++) {
    ann.sendFrame('SEND', { destination: DESTINATION, 'message-key': `order ${k}`, receipt: String(k) }, String(k));
  }
}

t.test(`a user's inbox outlives the broker, and each message is in it once (seed ${SEED})`, async (t) => {
  t.setTimeout(120_000);
  const random = new SeededRandom(`inbox ${SEED}`);
  const directory = temporaryDirectory(t);
  const start = (): BrokerProcess => BrokerProcess.start(t, directory, directory, OPTIONS);

  const first = start();
  let port = await first.listening();
  const known = await connect(t, port, 'bob');
  known.end();
  const sender = await connect(t, port, 'ann');
  sendAll(sender);
  const confirmed = random.between(1, MESSAGES - 1);
  for (let k = 1; k <= confirmed; k++) await sender.receipt(String(k));
  t.ok(await first.kill());

  const second = start();
  port = await second.listening();
  const again = await connect(t, port, 'ann');
  sendAll(again);
  for (let k = 1; k <= MESSAGES; k++) await again.receipt(String(k));
  const bob = await connect(t, port, 'bob');
  await bob.subscribe('/user/queue/orders', 's', { ack: 'client-individual', 'prefetch-count': String(PREFETCH) });
  const acknowledged = random.between(1, MESSAGES - 1);
  const seen: number[] = [];
  for (let settled = 0; settled < acknowledged;) {
    const frame = await bob.frame();
    if (frame.command === 'RECEIPT') {
      settled++;
      continue;
    }
    seen.push(Number(frame.text));
    t.equal(frame.get('redelivered'), 'false');
    // The last one stays, so that it is known when the others have come.
    if (seen.at(-1) !== MESSAGES) bob.sendFrame('ACK', { id: frame.get('ack') ?? '', receipt: frame.text });
  }
  t.ok(await second.kill());
  t.strictSame(
    seen,
    Array.from({ length: seen.length }, (_, k) => k + 1),
    'in order, none missing, none twice',
  );

  const third = start();
  port = await third.listening();
  const last = await connect(t, port, 'bob');
  await last.subscribe('/user/queue/orders');
  const left: number[] = [];
  while (left.at(-1) !== MESSAGES) {
    const frame = await last.frame('MESSAGE');
    const number = Number(frame.text);
    left.push(number);
    // That it was delivered is stored along with what comes next: of what went out behind the last RECEIPT nobody can say.
    if (number > acknowledged + PREFETCH || !seen.includes(number)) continue;
    t.equal(frame.get('redelivered'), 'true', `${number} was delivered before`);
  }
  await last.fence();
  t.ok((left[0] ?? 0) > acknowledged, 'what was acknowledged and receipted does not return');
  t.ok((left[0] ?? 0) <= seen.length + 1);
  const beginning = left[0] ?? 0;
  t.strictSame(
    left,
    Array.from({ length: MESSAGES - beginning + 1 }, (_, k) => beginning + k),
  );
  t.equal(third.log, '');
  await third.stop();
});
