/**
 * How does hoofbeat compare? Every scenario against every peer that is installed, taking turns in one run, from load
 * processes whose own CPU share is printed; JSON, Markdown and plots in bench/results. bench/results/README.md says how
 * to read them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { makeDataDirectory } from './disk.js';
import { PeerPool } from './peer-pool.js';
import { Progress } from './progress.js';
import { toJson } from './report/json.js';
import { describeHost, describeVersions } from './report/machine.js';
import { toMarkdown } from './report/markdown.js';
import { drawScenario } from './report/plots.js';
import type { Report, ScenarioResult } from './report/results.js';
import type { Bench, BenchSettings, Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios/index.js';

const { values: flags } = parseArgs({
  options: {
    /** Under a minute: few points, few rounds. */
    quick: { type: 'boolean', default: false },
    /** Names of scenarios, separated by commas; default: all. */
    only: { type: 'string', default: '' },
    /** Parts of the names of contenders that may take part beside hoofbeat, separated by commas; default: all. */
    peers: { type: 'string', default: '' },
    /** Where the results are written. */
    out: { type: 'string', default: 'bench/results' },
    rounds: { type: 'string' },
    /** What such a jar has to be: contenders/spring.ts. */
    'spring-jar': { type: 'string' },
    /** Folder for CPU profiles of hoofbeat's main threads; figures of such a run are not to be trusted. */
    profile: { type: 'string' },
    /** For the data of peers, on the disk to be measured. */
    directory: { type: 'string' },
  },
});

const splitList = (text: string): string[] => text.split(',').filter((part) => part !== '');

function chooseScenarios(): readonly Scenario[] {
  const names = splitList(flags.only);
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    const known = SCENARIOS.map(({ name }) => name).join(', ');
    throw new Error(`--only=: got ${unknown.join(', ')}, wants names out of ${known}`);
  }
  return names.length === 0 ? SCENARIOS : SCENARIOS.filter(({ name }) => names.includes(name));
}

function chooseSettings(): BenchSettings {
  const rounds = flags.rounds === undefined ? (flags.quick ? 3 : 5) : Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds=: got ${flags.rounds ?? ''}, wants 1 or more`);
  return {
    isQuick: flags.quick,
    rounds,
    roundMs: flags.quick ? 40 : 150,
    springJar: flags['spring-jar'] ?? null,
  };
}

const scenarios = chooseScenarios();
const settings = chooseSettings();
const profiling = flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${path.resolve(flags.profile)}`];
const peers = new PeerPool(makeDataDirectory(flags.directory), splitList(flags.peers), profiling);
const bench: Bench = { settings, peers, progress: new Progress(scenarios.length) };
const startedAt = new Date();
const name = `${startedAt.toISOString().slice(0, 10)}${settings.isQuick ? '-quick' : ''}`;

async function run(scenario: Scenario): Promise<ScenarioResult> {
  bench.progress.scenario(scenario.name);
  const start = performance.now();
  const result = await scenario.run(bench);
  bench.progress.scenarioDone();
  return { name: scenario.name, title: scenario.title, durationMs: performance.now() - start, ...result };
}

/** Returns the Markdown. */
async function write(results: readonly ScenarioResult[]): Promise<string> {
  const report: Report = {
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    mode: settings.isQuick ? 'quick' : 'full',
    machine: describeHost(),
    versions: describeVersions(),
    settings: { rounds: settings.rounds, 'ms of a round': settings.roundMs },
    scenarios: results,
  };
  await mkdir(flags.out, { recursive: true });
  await writeFile(path.join(flags.out, `${name}.json`), toJson(report));
  const plots = new Map<string, string[]>();
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
  return markdown;
}

const results: ScenarioResult[] = [];
let markdown = '';
try {
  for (const scenario of scenarios) {
    results.push(await run(scenario));
    // A run that is broken off has its results so far.
    markdown = await write(results);
  }
} finally {
  bench.progress.clear();
  await peers.stop();
}
console.log(markdown);
console.log(`Written: ${path.join(flags.out, name)}.json, .md, and plots`);
