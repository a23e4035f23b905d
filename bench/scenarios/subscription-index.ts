/**
 * What do other subscriptions cost? A message to one topic, and to many in turn, while others have subscribed to a hundred
 * up to a million exact destinations, or patterns. In this process, without sockets.
 */
import { collectGarbage, cpuMicrosOf, usedBytes } from '../in-process/garbage.js';
import { Crowd } from '../in-process/crowd.js';
import type { Entry, Point, Sample } from '../report/results.js';
import type { Bench, Scenario } from '../scenario.js';

const PER_SESSION = 100;
const MESSAGES = 64 * 300;
/** Destinations of messages that go to many in turn: more than the processor's cache holds, fewer than a broker remembers. */
const DESTINATIONS = 10_000;
/** Above this a list takes longer than the rest of the bench. */
const MAX_LIST = 10_000;

const exactName = (k: number): string => `/topic/region-${k % 7}/site-${Math.floor(k / 7) % 97}/device-${k}`;

/** Some with a wild segment in the middle, some with a wild end, some with a wildcard inside a segment. */
function patternName(k: number): string {
  const [region, site] = [`region-${k % 7}`, `site-${Math.floor(k / 7) % 97}`];
  if (k % 4 === 0) return `/topic/${region}/*/device-${k}`;
  if (k % 4 === 1) return `/topic/${region}/${site}-${k}/**`;
  if (k % 4 === 2) return `/topic/*/${site}/device-${k}`;
  return `/topic/${region}/${site}/device-${k}*`;
}

/** CPU µs for each message. */
async function costOf(publish: () => Promise<void>, messages: number, rounds: number): Promise<number[]> {
  await publish();
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    collectGarbage();
    costs.push((await cpuMicrosOf(publish)) / messages);
  }
  return costs;
}

async function measureBroker(names: readonly string[], rounds: number): Promise<Sample[]> {
  const crowd = await Crowd.open();
  for (let k = 0; k < names.length; k += PER_SESSION) crowd.connect();
  await crowd.leave();
  const bytesBefore = usedBytes();
  const subscribeMicros = (await cpuMicrosOf(() => crowd.subscribe(names, PER_SESSION))) / names.length;
  const bytesEach = (usedBytes() - bytesBefore) / names.length;
  const middle = exactName(Math.floor(names.length / 2));
  const one = await costOf(
    crowd.publishing(MESSAGES, () => middle),
    MESSAGES,
    rounds,
  );
  const many = await costOf(
    crowd.publishing(MESSAGES, (k) => exactName((k * 7_919) % DESTINATIONS)),
    MESSAGES,
    rounds,
  );
  const endMicros = (await cpuMicrosOf(() => crowd.leave())) / names.length;
  await crowd.broker.stop(0);
  return one.map((cpuMicros, round) => ({
    cpuMicros,
    manyMicros: many[round] ?? NaN,
    bytesEach,
    subscribeMicros,
    endMicros,
  }));
}

/** What one writes first: all subscriptions in a list, each asked whether it wants the message. */
function measureList(tests: readonly ((destination: string) => boolean)[], rounds: number): Sample[] {
  const messages = Math.max(20, Math.floor(2_000_000 / tests.length));
  const middle = exactName(Math.floor(tests.length / 2));
  return Array.from({ length: rounds }, () => {
    const micros = (destinationOf: (k: number) => string): number => {
      const before = process.cpuUsage();
      let wanted = 0;
      for (let k = 0; k < messages; k++) {
        const destination = destinationOf(k);
        for (const test of tests) if (test(destination)) wanted++;
      }
      const { user, system } = process.cpuUsage(before);
      return wanted < 0 ? NaN : (user + system) / messages;
    };
    return { cpuMicros: micros(() => middle), manyMicros: micros((k) => exactName((k * 7_919) % DESTINATIONS)) };
  });
}

const toTest = (name: string): ((destination: string) => boolean) => {
  const source = name.replaceAll('**', '.+').replaceAll(/(?<!\.)\*/g, '[^/]*');
  const expression = new RegExp(`^${source}$`);
  return (destination) => expression.test(destination);
};

async function pointOf(bench: Bench, kind: 'exact' | 'pattern', count: number): Promise<Point> {
  const { rounds } = bench.settings;
  const names = Array.from({ length: count }, (_, k) => (kind === 'exact' ? exactName(k) : patternName(k)));
  bench.progress.step(`hoofbeat, ${count} ${kind} subscriptions`);
  const entries: Entry[] = [{ contender: 'hoofbeat', samples: await measureBroker(names, rounds) }];
  if (count <= MAX_LIST) {
    bench.progress.step(`a list of ${count}`);
    const tests = names.map((name) =>
      kind === 'exact' ? (destination: string) => destination === name : toTest(name),
    );
    const contender = kind === 'exact' ? 'naive: a list' : 'naive: a list of regular expressions';
    entries.push({ contender, samples: measureList(tests, rounds) });
  }
  return { settings: { kind, subscriptions: count }, entries };
}

export const subscriptionIndex: Scenario = {
  name: 'subscription-index',
  title: 'What do other subscriptions cost?',
  run: async (bench) => {
    const counts = bench.settings.isQuick ? [100, 5_000] : [100, 1_000, 10_000, 100_000, 1_000_000];
    bench.progress.expect(counts.length * 4);
    const points: Point[] = [];
    for (const kind of ['exact', 'pattern'] as const) {
      for (const count of counts) points.push(await pointOf(bench, kind, count));
    }
    return {
      method: [
        `In this process, over connections that lead nowhere: CPU time of a SEND from its octets to its subscriber's, 64 in one read, to one topic that has a subscriber, and to ${DESTINATIONS.toLocaleString('en')} topics in turn. ${PER_SESSION} subscriptions a session. The list does nothing but ask who wants the message: no parsing, no delivery.`,
        'Memory is what JavaScript and its buffers hold more, sessions included; the end is that of whole sessions.',
      ],
      figures: [
        { key: 'cpuMicros', label: 'CPU µs, one topic', digits: 2, better: 'less' },
        { key: 'manyMicros', label: 'CPU µs, many topics', digits: 2, better: 'less' },
        { key: 'bytesEach', label: 'octets each', digits: 0, better: 'less' },
        { key: 'subscribeMicros', label: 'CPU µs SUBSCRIBE', digits: 1, better: 'less' },
        { key: 'endMicros', label: 'CPU µs at the end', digits: 1, better: 'less' },
      ],
      ratioOf: 'manyMicros',
      points,
      plots: (['exact', 'pattern'] as const).flatMap((kind) =>
        ['cpuMicros', 'manyMicros'].map((figure) => ({
          kind: 'lines' as const,
          title: `CPU µs of a message ${figure === 'cpuMicros' ? 'to one topic' : 'to many topics'} against ${kind} subscriptions`,
          figure,
          where: { kind },
          along: 'subscriptions',
        })),
      ),
      skipped: [],
    };
  },
};
