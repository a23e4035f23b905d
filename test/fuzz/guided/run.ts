/**
 * `npm run fuzz` and `npm run hardening fuzz`: each target in a process of its own, guided by what its inputs reach and, as a
 * measure of that, by its grammar alone. Arguments choose targets. HOOFBEAT_FUZZ_RUNS multiplies the inputs,
 * HOOFBEAT_FUZZ_KEEP=1 writes test/fuzz/corpus/ anew from what was found.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { recordFuzz } from '../../hardening/fuzz-record.js';
import { TARGETS } from '../targets/index.js';

/** For HOOFBEAT_FUZZ_RUNS=1; what takes longer has fewer. */
const INPUTS: Readonly<Record<string, number>> = {
  'frame-parser': 20_000,
  session: 1_000,
  selectors: 20_000,
  patterns: 10_000,
  'stored-messages': 20_000,
  'config-loader': 500,
  'json-gateway': 500,
};

interface Told {
  readonly target: string;
  readonly inputs: number;
  readonly seconds: number;
  readonly seed: string;
  readonly found: string;
  readonly coverage: { readonly blocks: number; readonly reached: number; readonly features: number };
  readonly heapMiB: { readonly half: number; readonly end: number };
}

const FACTOR = Number(process.env['HOOFBEAT_FUZZ_RUNS'] ?? 1);

/** @returns null when the process died: it has said of what */
function fuzz(name: string, covers: readonly string[], inputs: number, mode: 'guided' | 'unguided'): Told | null {
  const register = path.join(import.meta.dirname, 'register.js');
  const main = path.join(import.meta.dirname, 'fuzz-one.js');
  const { stdout } = spawnSync(
    process.execPath,
    ['--enable-source-maps', '--import', register, main, name, String(inputs), mode],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      env: { ...process.env, HOOFBEAT_FUZZ_COVERS: covers.join(',') },
    },
  );
  const line = stdout.trim().split('\n').at(-1) ?? '';
  return line.startsWith('{') ? (JSON.parse(line) as Told) : null;
}

const wanted = process.argv.slice(2);
for (const [name, load] of Object.entries(TARGETS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { covers, name: title } = await load();
  const inputs = Math.ceil((INPUTS[name] ?? 500) * FACTOR);
  const guided = fuzz(name, covers, inputs, 'guided');
  // A measure, so a part is enough where inputs are many.
  const unguided = guided === null ? null : fuzz(name, covers, inputs, 'unguided');
  const isSound = guided !== null && unguided !== null && guided.found === 'nothing' && unguided.found === 'nothing';
  if (!isSound) process.exitCode = 1;
  process.stdout.write(`${isSound ? 'ok' : 'FAILED'} ${title}: ${JSON.stringify({ guided, unguided })}\n`);
  if (guided === null || unguided === null) continue;
  const { seconds, seed, coverage, heapMiB } = guided;
  const found = guided.found === 'nothing' ? unguided.found : guided.found;
  const { reached, features } = unguided.coverage;
  const record = { target: `${title}, guided`, inputs: guided.inputs, seconds, seed, found };
  recordFuzz({ ...record, guided: { ...coverage, unguided: { reached, features } }, heapMiB });
}
process.exit();
