/** How long does a delivery take, at rates that leave the server time? A thousand subscribers, messages at a fixed rate. */
import { Bed, costFigures } from '../bed.js';
import { compare, compareAll } from '../compare.js';
import {
  hoofbeatTcp,
  hoofbeatWebSocket,
  naiveWebSocket,
  prebuiltWebSocket,
  rabbitMqWebSocket,
  socketIoWebSocket,
  springWebSocket,
  stompBrokerJsWebSocket,
} from '../contenders/contender.js';
import { PERCENTILES } from '../load/latency-recorder.js';
import { median, valuesOf } from '../report/statistics.js';
import type { Figure } from '../report/results.js';
import type { Bench, Scenario } from '../scenario.js';

const SUBSCRIBERS = 1_000;
const BODY_BYTES = 128;

const FIGURES: readonly Figure[] = [
  ...PERCENTILES.map(({ key, label }) => ({ key, label, digits: 2, better: 'less' as const })),
  { key: 'keptUp', label: 'in time', digits: 3, better: 'more' },
  ...costFigures('deliveries', 'delivery').filter(({ key }) => key !== 'perSecondAndCore'),
];

/** Messages per second at which hoofbeat, given one at a time, would fill a core. */
async function saturation(bench: Bench): Promise<number> {
  const bed = await Bed.start(bench, hoofbeatWebSocket);
  try {
    await bed.open('fan-out', { subscribers: SUBSCRIBERS });
    const entry = await compare(bench, [bed], { round: { batch: 1, bodyBytes: BODY_BYTES } });
    const [own] = entry;
    const perSecond = own === undefined ? NaN : median(valuesOf(own, 'perSecondAndCore')) / SUBSCRIBERS;
    if (!Number.isFinite(perSecond)) throw new Error(`hoofbeat cannot be saturated: ${bed.failure ?? 'no samples'}`);
    return perSecond;
  } finally {
    await bed.close();
  }
}

export const latency: Scenario = {
  name: 'latency',
  title: 'How long does a delivery take?',
  run: async (bench) => {
    const { isQuick, rounds, springJar } = bench.settings;
    const shares = isQuick ? [0.5] : [0.25, 0.5, 0.75];
    const contenders = [
      hoofbeatWebSocket,
      ...(isQuick ? [] : [{ ...hoofbeatTcp, name: 'hoofbeat TCP' }, naiveWebSocket]),
      prebuiltWebSocket,
      socketIoWebSocket,
      ...(isQuick ? [] : [stompBrokerJsWebSocket, rabbitMqWebSocket]),
      springWebSocket(springJar),
    ];
    bench.progress.expect((shares.length * contenders.length + 1) * (rounds + 1));
    const full = await saturation(bench);
    const plans = shares.map((share) => {
      const messagesPerSecond = Math.max(1, Math.round(full * share));
      return {
        settings: { subscribers: SUBSCRIBERS, 'messages/s': messagesPerSecond, 'share of saturation': share },
        clients: { subscribers: SUBSCRIBERS, bodyBytes: BODY_BYTES },
        round: { messagesPerSecond, durationMs: isQuick ? 300 : 1_500 },
        warmUp: { messagesPerSecond, durationMs: 200 },
        rounds: Math.min(isQuick ? 2 : 3, rounds),
      };
    });
    const { points, skipped } = await compareAll(bench, 'latency', contenders, plans);
    return {
      method: [
        `Saturation is the rate at which hoofbeat over WebSocket, given one message at a time, would fill one core: 1e6 / (CPU µs of a delivery × ${SUBSCRIBERS}), measured first in this run: ${full.toFixed(0)} messages/s.`,
        'Latency counts from when a message was to be sent, whether it was sent then or not (coordinated omission), to the read that brings it to its subscriber. One load process reads all subscribers one after another, so its own time is in every figure; the practical limit has it too.',
      ],
      figures: FIGURES,
      ratioOf: 'p99Ms',
      points,
      plots: plans.map(({ settings }) => ({
        kind: 'percentiles',
        title: `Latency at ${settings['messages/s'].toLocaleString('en')} messages/s to ${SUBSCRIBERS.toLocaleString('en')} subscribers (${settings['share of saturation'] * 100} % of saturation)`,
        figures: PERCENTILES,
        where: { 'share of saturation': settings['share of saturation'] },
      })),
      skipped,
    };
  },
};
