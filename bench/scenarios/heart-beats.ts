/** What do the heart-beats of many cost? A hundred thousand sessions in this process, without sockets, beside a timer for each. */
import { Crowd, turn } from '../in-process/crowd.js';
import { collectGarbage } from '../in-process/garbage.js';
import type { Point, Sample } from '../report/results.js';
import type { Scenario } from '../scenario.js';

const INTERVAL_MS = 10_000;
const PROBE_MS = 5;

/** CPU share of a core and the longest time that a timer came late, while nothing else happens. */
async function observe(forMs: number): Promise<Sample> {
  collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = process.cpuUsage();
  let [longestMs, lastMs] = [0, performance.now()];
  const probe = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs - PROBE_MS);
    lastMs = nowMs;
  }, PROBE_MS);
  await new Promise((resolve) => setTimeout(resolve, forMs));
  clearInterval(probe);
  const { user, system } = process.cpuUsage(before);
  return { cpuPercent: (user + system) / forMs / 10, stallMs: longestMs };
}

async function measureBroker(sessions: number, forMs: number): Promise<Sample[]> {
  const crowd = await Crowd.open();
  for (let k = 0; k < sessions; k++) {
    crowd.connect(`0,${INTERVAL_MS}`);
    if (k % 200 === 0) await turn();
  }
  const sample = await observe(forMs);
  await crowd.leave();
  await crowd.broker.stop(0);
  return [sample];
}

/** What one writes first. Each does nothing but look whether it is time: no session, no octet. */
async function measureTimers(sessions: number, forMs: number): Promise<Sample[]> {
  let beats = 0;
  const timers: NodeJS.Timeout[] = [];
  for (let k = 0; k < sessions; k++) {
    let lastMs = 0;
    timers.push(
      setInterval(() => {
        const nowMs = performance.now();
        if (nowMs - lastMs > INTERVAL_MS / 2) beats++;
        lastMs = nowMs;
      }, INTERVAL_MS * 0.8),
    );
    // As they would connect: spread over some time.
    if (k % 200 === 0) await new Promise((resolve) => setTimeout(resolve, (200 / sessions) * (sessions / 25)));
  }
  const sample = await observe(forMs);
  for (const timer of timers) clearInterval(timer);
  return beats < 0 ? [] : [sample];
}

export const heartBeats: Scenario = {
  name: 'heart-beats',
  title: 'What do the heart-beats of many cost?',
  run: async (bench) => {
    const { isQuick } = bench.settings;
    const counts = isQuick ? [5_000] : [100_000];
    const forMs = isQuick ? 500 : 10_000;
    bench.progress.expect(counts.length * 2);
    const points: Point[] = [];
    for (const sessions of counts) {
      bench.progress.step(`hoofbeat, ${sessions} sessions`);
      const own = { contender: 'hoofbeat', samples: await measureBroker(sessions, forMs) };
      bench.progress.step(`${sessions} timers`);
      const timers = { contender: 'naive: setInterval for each', samples: await measureTimers(sessions, forMs) };
      points.push({ settings: { sessions, 'interval ms': INTERVAL_MS }, entries: [own, timers] });
    }
    return {
      method: [
        'In this process, over connections that lead nowhere: whole sessions that send their heart-beats, beside timers that do nothing but look at the clock. The stall is the longest time that another timer came late.',
      ],
      figures: [
        { key: 'cpuPercent', label: '% of a core', digits: 2, better: 'less' },
        { key: 'stallMs', label: 'longest stall ms', digits: 1, better: 'less' },
      ],
      ratioOf: 'cpuPercent',
      points,
      plots: [],
      skipped: [],
    };
  },
};
