/**
 * What do several nodes on Redis cost? Deliveries from one node to subscribers of others, their added latency, and what the
 * relay costs topics that need none, beside bare ioredis and Socket.IO with its Redis adapter, taking turns in one run.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addedLatency } from './cluster/added-latency.js';
import type { ClusterBench } from './cluster/cluster-bench.js';
import { crossNodes } from './cluster/cross-nodes.js';
import { localPath } from './cluster/local-path.js';
import { makeDataDirectory } from './disk.js';
import { PeerPool } from './peer-pool.js';
import { Progress } from './progress.js';
import { toJson } from './report/json.js';
import { describeHost, describeVersions } from './report/machine.js';
import { toMarkdown } from './report/markdown.js';
import { drawScenario } from './report/plots.js';
import type { Report, ScenarioResult } from './report/results.js';
import { publishReference, redisVersion, startRedis } from './servers/redis-server.js';

const PARTS = { 'cross-nodes': crossNodes, 'added-latency': addedLatency, 'local-path': localPath } as const;

const { values: flags } = parseArgs({
  options: {
    /** Under a minute: few points, few rounds. */
    quick: { type: 'boolean', default: false },
    /** Names out of PARTS, separated by commas; default: all. */
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    rounds: { type: 'string' },
    /** Where the results are written; default: nowhere. */
    out: { type: 'string' },
    /** Folder for CPU profiles of hoofbeat's nodes; figures of such a run are not to be trusted. */
    profile: { type: 'string' },
  },
});
const parts = Object.entries(PARTS).filter(([name]) => flags.only.split(',').includes(name));
if (parts.length === 0)
  throw new Error(`--only=: got ${flags.only}, wants names out of ${Object.keys(PARTS).join(', ')}`);
const rounds = flags.rounds === undefined ? (flags.quick ? 3 : 5) : Number(flags.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds=: got ${flags.rounds ?? ''}, wants 1 or more`);
const settings = { isQuick: flags.quick, rounds, roundMs: flags.quick ? 80 : 150, springJar: null };
const nodeArguments =
  flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${path.resolve(flags.profile)}`];

/** What redis-benchmark says of PUBLISH on this machine: nobody subscribed, so the bare command. */
async function reference(): Promise<Record<string, string>> {
  const redis = await startRedis();
  try {
    const rate = (bodyBytes: number, pipeline: number): string =>
      `${Math.round(publishReference(redis.port, bodyBytes, pipeline)).toLocaleString('en')} a second`;
    return {
      'redis-benchmark, 50 clients, PUBLISH of 128 octets': `${rate(128, 1)}; 16 in a pipeline ${rate(128, 16)}`,
      'redis-benchmark, 50 clients, PUBLISH of 1 KiB': `${rate(1_024, 1)}; 16 in a pipeline ${rate(1_024, 16)}`,
    };
  } finally {
    await redis.stop();
  }
}

if (redisVersion() === null) throw new Error("Debian's redis-server is not installed");
const startedAt = new Date();
const name = `${startedAt.toISOString().slice(0, 10)}-cluster${settings.isQuick ? '-quick' : ''}`;
const versions = { ...describeVersions(), ...(await reference()) };

/** Returns the Markdown. */
async function write(results: readonly ScenarioResult[]): Promise<string> {
  const report: Report = {
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    mode: settings.isQuick ? 'quick' : 'full',
    machine: describeHost(),
    versions,
    settings: { rounds: settings.rounds, 'ms of a round': settings.roundMs },
    scenarios: results,
  };
  const plots = new Map<string, string[]>();
  if (flags.out === undefined) return toMarkdown(report, plots);
  await mkdir(flags.out, { recursive: true });
  for (const scenario of results) {
    const drawings = drawScenario(scenario, name);
    for (const { file, svg } of drawings) await writeFile(path.join(flags.out, file), svg);
    plots.set(
      scenario.name,
      drawings.map(({ file }) => file),
    );
  }
  const markdown = toMarkdown(report, plots);
  await writeFile(path.join(flags.out, `${name}.md`), markdown);
  await writeFile(path.join(flags.out, `${name}.json`), toJson(report));
  return markdown;
}

const peers = new PeerPool(makeDataDirectory(), []);
const progress = new Progress(parts.length);
const bench: ClusterBench = { settings, peers, progress, nodeArguments };
const results: ScenarioResult[] = [];
let markdown = '';
try {
  for (const [part, run] of parts) {
    progress.scenario(part);
    results.push(await run(bench));
    progress.scenarioDone();
    // A run that is broken off has its results so far.
    markdown = await write(results);
  }
} finally {
  progress.clear();
  await peers.stop();
}
console.log(markdown);
if (flags.out !== undefined) console.log(`Written: ${path.join(flags.out, name)}.json, .md, and plots`);
