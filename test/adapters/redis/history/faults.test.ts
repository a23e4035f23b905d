/**
 * Three nodes with publishers and subscribers while connections are cut, frozen and refused, and Redis is started again, at
 * random: everybody sees one sequence without a hole, with all that was receipted. HOOFBEAT_HISTORY_SEED repeats a run, as far
 * as sockets let it.
 */
import t from 'tap';
import { requireProgram } from '../../../helpers/programs.js';
import { SeededRandom } from '../../../helpers/seeded-random.js';
import {
  CheckingSubscriber,
  Progress,
  startKeepingRedis,
  startNodes,
  SteadyPublisher,
  TOPIC,
} from './history-nodes.js';
import { seedOf } from '../../../helpers/seed.js';

const SEED = seedOf('HOOFBEAT_HISTORY_SEED');
const STEPS = Number(process.env['HOOFBEAT_HISTORY_STEPS'] ?? 24);
/** Of a step, by what has been receipted: no step waits for time. */
const MESSAGES_PER_STEP = 60;

t.test(`one sequence for everybody, whatever breaks (seed ${SEED})`, { timeout: 120_000 }, async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const random = new SeededRandom(SEED);
  const redis = await startKeepingRedis(t);
  const nodes = await startNodes(t, redis, 3);
  const ports = nodes.map(({ node }) => node.tcpPort) as [number, number, number];
  const progress = new Progress();
  const steady = ports.flatMap((port, k) => [
    new CheckingSubscriber(`exact ${k}`, port, TOPIC, progress),
    new CheckingSubscriber(`pattern ${k}`, port, '/topic/*/a', progress),
  ]);
  const moving = ports.map((port, k) => new CheckingSubscriber(`moving ${k}`, port, TOPIC, progress));
  const all = [...steady, ...moving];
  await progress.until('all subscriptions', () => all.every(({ isReady }) => isReady));
  const publishers = ports.map((port, k) => new SteadyPublisher(`p${k}`, port, progress));
  const receipted = (): number => publishers.reduce((sum, { receipted: { length } }) => sum + length, 0);
  const doubtful = (): number => publishers.reduce((sum, { doubtful: { length } }) => sum + length, 0);
  const more = async (count: number): Promise<void> => {
    const wanted = receipted() + count;
    await progress.until(`${wanted} receipts`, () => receipted() >= wanted);
  };
  const told: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const { proxy } = nodes[random.between(0, 2)] ?? { proxy: null };
    const what = random.pick(['cut', 'cut', 'freeze', 'close', 'move', 'move', 'restart']);
    told.push(what);
    if (what === 'cut') proxy?.cut();
    else if (what === 'move') random.pick(moving as [CheckingSubscriber]).moveTo(random.pick(ports));
    else if (what === 'restart') {
      await redis.stop();
      const before = doubtful();
      await progress.until('somebody to notice', () => doubtful() > before);
      await redis.start();
    } else if (proxy !== null) {
      const switchTo = (isOn: boolean): void => {
        if (what === 'freeze') proxy.isFrozen = isOn;
        else proxy.isClosed = isOn;
      };
      switchTo(true);
      await more(MESSAGES_PER_STEP);
      switchTo(false);
    }
    await more(MESSAGES_PER_STEP);
  }
  for (const publisher of publishers) publisher.finish();
  await progress.until('the last receipts', () => publishers.every(({ isIdle }) => isIdle));
  for (const publisher of publishers) publisher.leave();
  const last = new SteadyPublisher('last', ports[0], progress);
  await progress.until('the last message', () => last.receipted.length > 0);
  last.finish();
  await progress.until('it to settle', () => last.isIdle);
  const end = Math.max(...all.map((each) => each.last), 1);
  await progress.until('everybody to have everything', () =>
    all.every((each) => each.last >= Math.max(end, ...all.map((one) => one.last))),
  );
  last.leave();
  for (const each of all) each.leave();
  const faults = all.flatMap((each) => each.faults);
  const recovered = all.reduce((sum, each) => sum + each.recovered, 0);
  const losses = all.reduce((sum, each) => sum + each.losses, 0);
  t.comment(
    `${told.join(' ')}: ${receipted()} receipted, ${doubtful()} doubtful, ${recovered} resumed, ${losses} losses`,
  );
  t.strictSame(faults.slice(0, 10), []);
  t.equal(losses, 0, 'nothing was lost');
  const [first] = steady;
  const sequence = first?.bodies ?? [];
  t.equal(new Set(sequence).size, sequence.length, 'nothing twice');
  for (const each of all) t.strictSame(each.bodies, sequence, each.name);
  const seen = new Set(sequence);
  const missing = [...publishers, last].flatMap((publisher) => publisher.receipted.filter((body) => !seen.has(body)));
  t.strictSame(missing, [], 'everything that was receipted is there');
});
