/**
 * `node --import ./register.js fuzz-one.js <target> <inputs> [guided|unguided]`: one target in this process, for run.ts.
 * Its last line is the result as JSON. HOOFBEAT_FUZZ_COVERS says what is instrumented, HOOFBEAT_FUZZ_SEED repeats a run.
 */
import { randomBytes } from 'node:crypto';
import v8 from 'node:v8';
import vm from 'node:vm';
import { TARGETS } from '../targets/index.js';
import { distil, readCorpus, writeCorpus } from './corpus.js';
import { GuidedFuzz } from './guided-fuzz.js';
import { coverage } from './register.js';
import { Watchdog } from './watchdog.js';

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;
const heapMiB = (): number => {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

const [name = '', count = '', mode = 'guided'] = process.argv.slice(2);
const load = TARGETS[name];
if (load === undefined) throw new Error(`target ${name}: wants one of ${Object.keys(TARGETS).join(', ')}`);
const target = await load();
const seed = process.env['HOOFBEAT_FUZZ_SEED'] ?? randomBytes(4).toString('hex');
const isGuided = mode === 'guided';
const watchdog = new Watchdog();
const inputs = Number(count);
let run = 0;
let warmMiB = 0;
const fuzz = new GuidedFuzz(target, coverage, {
  seed,
  inputs,
  isGuided,
  corpus: isGuided && process.env['HOOFBEAT_FUZZ_FRESH'] === undefined ? readCorpus(target.name) : [],
  onInput: (input) => {
    watchdog.note(input);
    // What is kept grows for as long as there is something to find, mostly in the first half.
    if (++run === Math.floor(inputs / 2)) warmMiB = heapMiB();
  },
});
const result = await fuzz.run();
const endMiB = heapMiB();
target.stop?.();
await watchdog.stop();
const { fault, kept, seconds } = result;
if (fault !== null) {
  process.stderr.write(`${target.name}, seed ${seed}: ${JSON.stringify(fault.input.toString('latin1'))}\n`);
  process.stderr.write(`${fault.error instanceof Error ? (fault.error.stack ?? '') : String(fault.error)}\n`);
} else if (isGuided && process.env['HOOFBEAT_FUZZ_KEEP'] !== undefined) writeCorpus(target.name, distil(kept));
if (process.env['HOOFBEAT_FUZZ_MODULES'] !== undefined)
  for (const each of coverage.byModule()) process.stderr.write(`${each.reached}/${each.blocks} ${each.name}\n`);
const { blocks, reached, features } = coverage;
const told = {
  target: target.name,
  inputs: result.inputs,
  seconds,
  seed,
  found: fault === null ? 'nothing' : String(fault.error).split('\n')[0],
  coverage: { blocks, reached, features, kept: kept.length },
  heapMiB: { half: warmMiB, end: endMiB },
};
process.stdout.write(`${JSON.stringify(told)}\n`);
process.exit(fault === null ? 0 : 1);
