/** What became of crowds: whether what they had confirmed is there, how they lost their connections and when they were back. */
import os from 'node:os';
import { LoadClient } from '../crash/load-client.js';
import { until } from '../helpers/until.js';
import type { CrowdReport } from './crowd.js';

/** Takes everything out of the crowd's queue. @returns bodies that are missing, once nothing comes any more */
export async function missing(port: number, confirmed: ReadonlySet<string>): Promise<string[]> {
  const left = new Set(confirmed);
  const client = await LoadClient.open(port, {
    onMessage: ({ body }) => left.delete(body.toString()),
    onFault: () => undefined,
    onEnd: () => undefined,
  });
  client.send('SUBSCRIBE', { id: '0', destination: '/queue/crowd' });
  await until('the crowd’s messages', () => left.size === 0).catch(() => undefined);
  await client.leave();
  return [...left];
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Figures of time are to be read with it. */
export function loadOfMachine(): string {
  return `load of the machine at the end ${(os.loadavg()[0] ?? 0).toFixed(0)} on ${os.cpus().length} processors`;
}

/** In words. */
export function tell(reports: readonly CrowdReport[]): { readonly losses: string; readonly back: string } {
  const losses = new Map<string, number>();
  for (const report of reports) {
    for (const [how, times] of Object.entries(report.losses)) losses.set(how, (losses.get(how) ?? 0) + times);
  }
  const times = reports.flatMap(({ backMs }) => backMs).sort((a, b) => a - b);
  const [p50, p95, max] = [quantile(times, 0.5), quantile(times, 0.95), times.at(-1) ?? 0].map((ms) =>
    (ms / 1e3).toFixed(1),
  );
  return {
    losses: [...losses].map(([how, count]) => `${count} × ${how}`).join(', '),
    back: `back after p50 ${p50} s, p95 ${p95} s, max ${max} s`,
  };
}
