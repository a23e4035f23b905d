/**
 * `npm run hardening`: every attack at full size, one after the other, times asserted; then the fuzzers for as long as
 * HOOFBEAT_FUZZ_RUNS says (20). Writes test/hardening/REPORT.md from what these runs, and those before, have recorded.
 * `attacks`, `faults`, `drain`, `fuzz` and `report` as arguments do a part of it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Row } from './arena.js';
import type { FaultRow } from '../faults/fault-record.js';
import { readSoakRecord, SOAK_TITLE, sectionOf, soakSection } from '../soak/soak-record.js';
import type { FuzzRow } from './fuzz-record.js';
import { keepUnmeasured } from './report-sections.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const ARTIFACTS = path.join(ROOT, 'test/.artifacts/hardening');
const FUZZ_ARTIFACTS = path.join(ROOT, 'test/.artifacts/fuzz');
const FAULT_ARTIFACTS = path.join(ROOT, 'test/.artifacts/faults');
const REPORT = path.join(ROOT, 'test/hardening/REPORT.md');

function readAll<T>(directory: string): T[] {
  mkdirSync(directory, { recursive: true });
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => JSON.parse(readFileSync(path.join(directory, name), 'utf8')) as T);
}

function testFiles(directory: string): string[] {
  const all = readdirSync(path.join(ROOT, 'test', directory)).filter((name) => name.endsWith('.test.ts'));
  return all.sort().map((name) => `dist/test/${directory}/${name.replace(/\.ts$/, '.js')}`);
}

/** One after the other: a measurement wants the machine for itself. @returns whether all of it held */
function run(files: readonly string[], environment: Readonly<Record<string, string>>): boolean {
  let holds = true;
  for (const file of files) {
    const { status, stdout } = spawnSync(process.execPath, ['--enable-source-maps', file], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, TAP_TIMEOUT: '3600', ...environment },
    });
    process.stdout.write(`${status === 0 ? 'ok' : 'FAILED'} ${file}\n`);
    if (status !== 0)
      process.stdout.write(
        stdout
          .split('\n')
          .filter((line) => /^\s*not ok/.test(line))
          .join('\n') + '\n',
      );
    holds &&= status === 0;
  }
  return holds;
}

function table(rows: readonly Row[]): string {
  const head = [
    '| Attack | Defence | With it | Without it | busy ms | late ms | others p99 ms | max ms | grown MiB |',
    '| --- | --- | --- | --- | --: | --: | --: | --: | --: |',
  ];
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const lines = rows.map(({ name, defence, outcome, without, busyMs, stallMs, p99Ms, maxMs, grownMiB }) => {
    const figures = [busyMs, stallMs, p99Ms, maxMs].map((ms) => ms.toFixed(1));
    const cells = [name, defence, outcome, without].map(cell);
    return `| ${[...cells, ...figures, grownMiB.toFixed(0)].join(' | ')} |`;
  });
  return [...head, ...lines].join('\n');
}

function fuzzTable(rows: readonly FuzzRow[]): string {
  const lines = rows.map(
    ({ target, inputs, seconds, seed, found }) =>
      `| ${target} | ${inputs.toLocaleString('en')} | ${seconds.toFixed(1)} | ${seed} | ${found} |`,
  );
  return ['| Target | Inputs | s | Seed | Found |', '| --- | --: | --: | --- | --- |', ...lines].join('\n');
}

/** What guided runs reached of the blocks of their target, beside as many inputs by the grammar alone. */
function guidedTable(rows: readonly FuzzRow[]): string {
  const lines = rows.flatMap(({ target, inputs, guided, heapMiB }) => {
    if (guided === undefined || heapMiB === undefined) return [];
    const { blocks, reached, features, unguided } = guided;
    const figures = [inputs, blocks, reached, unguided.reached, features, unguided.features];
    const heap = `${heapMiB.half.toFixed(1)} → ${heapMiB.end.toFixed(1)}`;
    return [`| ${target} | ${figures.map((figure) => figure.toLocaleString('en')).join(' | ')} | ${heap} |`];
  });
  const head =
    '| Target | Inputs | Blocks | Reached | Unguided | Block and step | Unguided | Heap MiB, half way → end |';
  return [head, '| --- | --: | --: | --: | --: | --: | --: | --- |', ...lines].join('\n');
}

function faultTable(rows: readonly FaultRow[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const lines = rows.map(
    ({ group, fault, defence, outcome }) => `| ${[group, fault, defence, outcome].map(cell).join(' | ')} |`,
  );
  return ['| | Fault | Defence | What came of it |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

const parts = process.argv.slice(2);
const wants = (part: string): boolean => parts.length === 0 || parts.includes(part);
if (wants('attacks')) {
  rmSync(ARTIFACTS, { recursive: true, force: true });
  if (!run(testFiles('hardening'), { HOOFBEAT_HARDENING: '1' })) process.exitCode = 1;
}
if (wants('faults') || wants('drain')) {
  const files = testFiles('faults').filter((file) => wants('faults') || file.includes('drain'));
  if (wants('faults')) rmSync(FAULT_ARTIFACTS, { recursive: true, force: true });
  if (!run(files, { HOOFBEAT_HARDENING: '1' })) process.exitCode = 1;
}
if (wants('fuzz')) {
  const runs = process.env['HOOFBEAT_FUZZ_RUNS'] ?? '20';
  if (!run(testFiles('fuzz'), { HOOFBEAT_FUZZ_RUNS: runs })) process.exitCode = 1;
  if (!run(['dist/test/fuzz/guided/run.js'], { HOOFBEAT_FUZZ_RUNS: runs })) process.exitCode = 1;
}
const rows = readAll<Row>(ARTIFACTS);
const groups = [...new Set(rows.map(({ group }) => group))];
const worstOf = (some: readonly Row[]): string => Math.max(0, ...some.map(({ busyMs }) => busyMs)).toFixed(1);
const unbounded = rows.filter(({ mayStall }) => mayStall === true);
const worst = worstOf(rows.filter((row) => !unbounded.includes(row)));
const cpu = os.cpus()[0]?.model ?? 'unknown';
/** Of the soak that was run here; of another machine's, as it stands in the report. */
const soak = readSoakRecord();
const soaked = soak === null ? sectionOf(readFileSync(REPORT, 'utf8'), SOAK_TITLE) : soakSection(soak);
const report = [
  '# Attacks, faults and fuzzing: what a run measured',
  'Written by `npm run hardening`, not by hand. What is attacked, and by which test, is in DESIGN.md.',
  `Node ${process.versions.node}, ${os.cpus().length} × ${cpu}, load ${os.loadavg()[0]?.toFixed(1) ?? ''} at the end. ${new Date().toISOString().slice(0, 10)}.`,
  `- ${rows.length} attacks; the event loop was kept busy for ${worst} ms at most before it served the others (bound: 50 ms); where memory ends, which has no bound, for ${worstOf(unbounded)} ms.
- **busy**: the longest time on the processor before the event loop came round. **late**: the same by the wall clock, with what other processes of the machine took. **others**: round trips of a client that has nothing to do with the attack, in a process that also makes the attack.
- **grown**: resident memory of the attacked process, from before to after.`,
  ...groups.flatMap((group) => [`## ${group}`, table(rows.filter((row) => row.group === group))]),
  '## Faults',
  'Real processes under load; times are of this machine, clients and servers together on it. What is shown by which test is in DESIGN.md.',
  faultTable(readAll<FaultRow>(FAULT_ARTIFACTS)),
  '## Fuzzing',
  'No crash, no hang, no error other than the refusals that are meant, no buffer beyond its bound. `HOOFBEAT_FUZZ_SEED` repeats a run.',
  fuzzTable(readAll<FuzzRow>(FUZZ_ARTIFACTS)),
  '**Reached**: blocks of the modules a target names; **block and step**: the same, told apart by how often they ran in one input (1, 2, 3, 4–7, … 128). **Unguided**: as many inputs by the grammar alone.',
  guidedTable(readAll<FuzzRow>(FUZZ_ARTIFACTS)),
  ...(soaked === null ? [] : [soaked]),
];
const previous = readFileSync(REPORT, 'utf8');
writeFileSync(REPORT, keepUnmeasured(report.join('\n\n'), previous, rows.length > 0));
spawnSync('npx', ['prettier', '--write', REPORT], { cwd: ROOT, stdio: 'ignore' });
process.stdout.write(`${REPORT}: ${rows.length} attacks, worst ${worst} ms\n`);
